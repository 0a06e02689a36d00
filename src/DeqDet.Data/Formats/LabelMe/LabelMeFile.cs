using System.Text.Json;
using DeqDet.Coco;

namespace DeqDet.Data.Formats.LabelMe;

/// <summary>
/// A JSON file of LabelMe: shapes with points in px from the image's left upper corner. Of rectangles, polygons, circles and masks the box around them is taken; lines
/// and points have none. The picture that may be embedded is not read.
/// </summary>
internal static class LabelMeFile
{
    /// <summary>Greatest length of a file, bytes: the image may be in it.</summary>
    public const long MostBytes = 256 << 20;

    /// <summary>Whether a file is one of LabelMe's: JSON whose first keys are among them "shapes" or "imagePath".</summary>
    public static bool IsOne(string path) => LabelJson.HasKey(path, 1, "shapes", "imagePath");

    /// <summary>Reads a file into an image; gives the image path that it states, or null.</summary>
    /// <exception cref="InputError">It is no JSON of this form.</exception>
    public static string? Read(string path, LabelledImage image)
    {
        try
        {
            using var document = JsonDocument.Parse(TextFile.Bytes(path, MostBytes));
            var root = document.RootElement;
            if (
                root.ValueKind != JsonValueKind.Object
                || !root.TryGetProperty("shapes", out var shapes)
                || shapes.ValueKind != JsonValueKind.Array
            )
            {
                throw new InputError($"{path}: has no list \"shapes\"; is it a file of LabelMe?");
            }

            (image.Width, image.Height) = (Size(root, "imageWidth"), Size(root, "imageHeight"));
            var number = 0;
            foreach (var shape in shapes.EnumerateArray())
            {
                Add(shape, $"shapes[{number++}]", image);
            }

            return LabelJson.Text(root, "imagePath");
        }
        catch (JsonException error)
        {
            throw new InputError($"{path}: line {error.LineNumber + 1}: is no JSON, or ends early");
        }
        catch (InvalidOperationException)
        {
            throw new InputError($"{path}: holds a text that is no UTF-8");
        }
    }

    private static void Add(JsonElement shape, string place, LabelledImage image)
    {
        if (
            shape.ValueKind != JsonValueKind.Object
            || LabelJson.Text(shape, "label")?.Trim() is not { Length: > 0 } label
            || label.Any(char.IsControl)
        )
        {
            image.Fault(FaultKind.Malformed, place, "has no \"label\" of one line; write the object's class there");
            return;
        }

        var kind = LabelJson.Text(shape, "shape_type") ?? "polygon";
        if (kind is "line" or "linestrip" or "point" or "points")
        {
            image.Fault(FaultKind.NotUsed, place, $"is a {kind}, around which there is no box");
            return;
        }

        if (!shape.TryGetProperty("points", out var list) || LabelJson.Points(list) is not { } points)
        {
            image.Fault(FaultKind.Malformed, place, "\"points\" has to be a list of [x, y], all finite numbers");
            return;
        }

        if (kind == "circle" ? points.Count != 2 : points.Count < 2)
        {
            image.Fault(
                FaultKind.Malformed,
                place,
                $"is a {kind} with {Counted.Of(points.Count, "point")}; it takes {(kind == "circle" ? "two, the centre and one on the circle" : "at least two")}"
            );
            return;
        }

        if (kind == "circle")
        {
            var (x, y) = points[0];
            var radius = Math.Sqrt(Math.Pow(points[1].X - x, 2) + Math.Pow(points[1].Y - y, 2));
            points = [(x - radius, y - radius), (x + radius, y + radius)];
        }

        var (left, top) = (points.Min(point => point.X), points.Min(point => point.Y));
        image.Boxes.Add(
            new(label, left, top, points.Max(point => point.X) - left, points.Max(point => point.Y) - top, place)
        );
    }

    private static int Size(JsonElement root, string name) =>
        LabelJson.Number(root, name) is >= 1 and <= int.MaxValue and var size ? (int)size : 0;
}
