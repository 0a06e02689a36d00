using System.Text.Json;

namespace DeqDet.Data;

/// <summary>
/// A made-up validation set of COCO's size: one class with a third of the boxes and a long tail of others, a few classes in each
/// image, crowded and empty images, boxes from 8 to 400 px, one in a hundred a crowd. Detections are shaken and doubled copies of the
/// boxes, filled up with wrong ones to the same number in every image, with all the digits that detectors write.
/// The same seed gives the same files on every machine.
/// </summary>
public sealed record SyntheticValidation(
    long Seed = 1,
    int Images = 5_000,
    int Boxes = 34_000,
    int Classes = 80,
    int Detections = 500_000
)
{
    private const int ImageSize = 640;

    private readonly record struct Box(int Class, double X, double Y, double Width, double Height);

    /// <summary>Writes gt.json and dt.json.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        var boxes = Place();
        Save(Path.Combine(folder, "gt.json"), writer => WriteTruth(writer, boxes));
        Save(Path.Combine(folder, "dt.json"), writer => WriteDetections(writer, boxes));
    }

    private static void Save(string path, Action<Utf8JsonWriter> write)
    {
        AtomicFile.Write(
            path,
            stream =>
            {
                using var writer = new Utf8JsonWriter(stream);
                write(writer);
            }
        );
    }

    private List<Box>[] Place()
    {
        var random = SplitMix64.For(Seed, 0);
        var boxes = new List<Box>[Images];
        for (var i = 0; i < Images; i++)
        {
            boxes[i] = [];
        }
        for (var n = 0; n < Boxes; n++)
        {
            var u = random.Unit();
            var image = (int)(Images * u * Math.Sqrt(u));
            var classes = SplitMix64.For(Seed, 1, image);
            var kind = 0;
            for (var pick = random.Below(3); pick >= 0; pick--)
            {
                kind = ClassAt(classes);
            }
            boxes[image].Add(AnyBox(random, kind));
        }
        return boxes;
    }

    private int ClassAt(SplitMix64 random)
    {
        var u = random.Unit();
        return random.Chance(0.3) ? 0 : (int)(Classes * u * u);
    }

    private static Box AnyBox(SplitMix64 random, int kind)
    {
        // Sizes 8, 10, ..., 400 px with small ones more frequent: the square of a uniform number.
        var (u, v) = (random.Unit(), random.Unit());
        var width = 8 + (392 * u * u);
        var height = 8 + (392 * v * v);
        return new Box(kind, (ImageSize - width) * random.Unit(), (ImageSize - height) * random.Unit(), width, height);
    }

    private static Box Shaken(SplitMix64 random, Box box)
    {
        var scale = 0.3 * random.Unit();
        double Shift(double size) => scale * size * (random.Unit() - 0.5);
        return new Box(
            box.Class,
            box.X + Shift(box.Width),
            box.Y + Shift(box.Height),
            box.Width + Shift(box.Width),
            box.Height + Shift(box.Height)
        );
    }

    // Ids with gaps, as in COCO.
    private static int ImageId(int image) => 139 + (117 * image);

    private static int CategoryId(int kind) => 1 + kind + (kind / 10);

    private void WriteTruth(Utf8JsonWriter writer, List<Box>[] boxes)
    {
        var random = SplitMix64.For(Seed, 2);
        writer.WriteStartObject();
        writer.WriteStartArray("images");
        for (var i = 0; i < Images; i++)
        {
            writer.WriteStartObject();
            writer.WriteNumber("id", ImageId(i));
            writer.WriteString("file_name", $"{ImageId(i):000000000000}.jpg");
            writer.WriteNumber("width", ImageSize);
            writer.WriteNumber("height", ImageSize);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteStartArray("annotations");
        var id = 1;
        for (var i = 0; i < Images; i++)
        {
            foreach (var box in boxes[i])
            {
                var crowd = random.Chance(0.01);
                writer.WriteStartObject();
                WriteOutline(writer, random, box);
                writer.WriteNumber("area", Math.Round(box.Width * box.Height * random.Between(0.4, 0.9), 4));
                writer.WriteNumber("iscrowd", crowd ? 1 : 0);
                writer.WriteNumber("image_id", ImageId(i));
                WriteBox(writer, box, 2);
                writer.WriteNumber("category_id", CategoryId(box.Class));
                writer.WriteNumber("id", id++);
                writer.WriteEndObject();
            }
            writer.Flush();
        }
        writer.WriteEndArray();
        writer.WriteStartArray("categories");
        for (var kind = 0; kind < Classes; kind++)
        {
            writer.WriteStartObject();
            writer.WriteNumber("id", CategoryId(kind));
            writer.WriteString("name", $"class {kind}");
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    // A polygon of 25 points, COCO's usual ballast.
    private static void WriteOutline(Utf8JsonWriter writer, SplitMix64 random, Box box)
    {
        writer.WriteStartArray("segmentation");
        writer.WriteStartArray();
        for (var point = 0; point < 25; point++)
        {
            writer.WriteNumberValue(Math.Round(box.X + (box.Width * random.Unit()), 2));
            writer.WriteNumberValue(Math.Round(box.Y + (box.Height * random.Unit()), 2));
        }
        writer.WriteEndArray();
        writer.WriteEndArray();
    }

    private void WriteDetections(Utf8JsonWriter writer, List<Box>[] boxes)
    {
        var random = SplitMix64.For(Seed, 3);
        writer.WriteStartArray();
        for (var i = 0; i < Images; i++)
        {
            var last = (int)((long)Detections * (i + 1) / Images);
            var count = last - (int)((long)Detections * i / Images);
            for (var n = 0; n < count; n++)
            {
                var hit = boxes[i].Count > 0 && random.Chance(0.3);
                var box = hit ? Shaken(random, random.Pick(boxes[i])) : AnyBox(random, ClassAt(random));
                var score = hit ? 0.2 + (0.8 * random.Unit()) : 0.6 * random.Unit() * random.Unit();
                writer.WriteStartObject();
                writer.WriteNumber("image_id", ImageId(i));
                WriteBox(writer, box, null);
                writer.WriteNumber("score", (double)(float)score);
                writer.WriteNumber("category_id", CategoryId(box.Class));
                writer.WriteEndObject();
            }
            writer.Flush();
        }
        writer.WriteEndArray();
    }

    private static void WriteBox(Utf8JsonWriter writer, Box box, int? decimals)
    {
        writer.WriteStartArray("bbox");
        foreach (var number in (ReadOnlySpan<double>)[box.X, box.Y, box.Width, box.Height])
        {
            writer.WriteNumberValue(decimals is { } d ? Math.Round(number, d) : (double)(float)number);
        }
        writer.WriteEndArray();
    }
}
