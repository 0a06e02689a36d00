using DeqDet.Coco;

namespace DeqDet.Data.Export;

/// <summary>The formats that a data set can be written in.</summary>
public enum ExportFormat
{
    /// <summary>COCO: annotations/instances_PART.json, and a folder of images a part.</summary>
    Coco,

    /// <summary>YOLO: images/PART, labels/PART, data.yaml, classes.txt.</summary>
    Yolo,

    /// <summary>Pascal VOC: JPEGImages, Annotations, ImageSets/Main.</summary>
    Voc,

    /// <summary>LabelMe: a folder a part, a JSON file beside each image.</summary>
    LabelMe,
}

/// <summary>Where everything goes in each format. Nothing is read or written here.</summary>
public static class ExportLayout
{
    private const string YoloImages = "images";

    /// <summary>The files of a data set in a format.</summary>
    public static ExportPlan Plan(ExportSet set, ExportFormat format)
    {
        var (parts, lost) =
            format == ExportFormat.Coco ? (set.Parts, []) : ExportLosses.Representable(set.Parts, format);
        var plan = format switch
        {
            ExportFormat.Coco => Coco(set.Classes, parts),
            ExportFormat.Yolo => Yolo(set.Classes, parts),
            ExportFormat.Voc => Voc(set.Classes, parts),
            _ => LabelMe(set.Classes, parts),
        };
        var names = format == ExportFormat.Coco ? [] : ClassNames.Notices(set.Classes);
        return plan with
        {
            Notices = [.. set.Notices, .. ExportLosses.Outlines(set), .. lost, .. names, .. plan.Notices],
        };
    }

    private static ExportPlan Coco(IReadOnlyList<ObjectClass> classes, IReadOnlyList<ExportPart> parts)
    {
        var (images, files, renamed) = (new List<ExportedImage>(), new List<ExportedFile>(), new Renamed());
        foreach (var part in parts)
        {
            var names = part.Images.Select(image => ExportNames.Below(image.Name)).ToList();
            if (names.Distinct(StringComparer.OrdinalIgnoreCase).Count() < names.Count)
            {
                var stems = ExportNames.Stems(names);
                names = [.. names.Select((name, i) => stems[i] + Path.GetExtension(name))];
            }

            images.AddRange(part.Images.Select((image, i) => Copy(part, image, $"{part.Name}/{names[i]}")));
            renamed.Add(part.Images, names);
            var written = part.Images.Select((image, i) => image with { Name = names[i] }).ToList();
            files.Add(
                new(
                    $"annotations/instances_{part.Name}.json",
                    stream => AnnotationWriter.Write(stream, classes, written)
                )
            );
        }

        return new(parts, images, files, renamed.Notices);
    }

    private static ExportPlan Yolo(IReadOnlyList<ObjectClass> classes, IReadOnlyList<ExportPart> parts)
    {
        var (images, files, renamed) = (new List<ExportedImage>(), new List<ExportedFile>(), new Renamed());
        foreach (var part in parts)
        {
            var stems = ExportNames.Stems(part.Images.Select(image => WithoutImages(image.Name)));
            for (var i = 0; i < stems.Count; i++)
            {
                var image = part.Images[i];
                images.Add(Copy(part, image, $"{YoloImages}/{part.Name}/{stems[i]}{Path.GetExtension(image.Name)}"));
                files.Add(ExportedFile.Text($"labels/{part.Name}/{stems[i]}.txt", YoloText.Labels(image)));
            }

            renamed.Add(part.Images, [.. part.Images.Select((image, i) => stems[i] + Path.GetExtension(image.Name))]);
        }

        var folders = Folders(parts);
        files.Add(ExportedFile.Text("classes.txt", YoloText.Classes(classes)));
        files.Add(ExportedFile.Text("data.yaml", YoloText.DataYaml(folders, classes)));
        string[] alone = folders.Any(entry => entry.Key == "val")
            ? []
            : ["there is no part for validation: data.yaml has no val, which YOLO's programs ask for"];
        return new(parts, images, files, [.. renamed.Notices, .. alone]);
    }

    private static ExportPlan Voc(IReadOnlyList<ObjectClass> classes, IReadOnlyList<ExportPart> parts)
    {
        var (images, files, renamed) = (new List<ExportedImage>(), new List<ExportedFile>(), new Renamed());
        var names = ClassNames.Plain(classes);
        // one folder of images for all parts
        var stems = ExportNames.Stems(parts.SelectMany(part => part.Images).Select(image => image.Name));
        var done = 0;
        foreach (var part in parts)
        {
            var own = stems.Skip(done).Take(part.Images.Count).ToList();
            done += own.Count;
            var named = part.Images.Select((image, i) => own[i] + Path.GetExtension(image.Name)).ToList();
            for (var i = 0; i < own.Count; i++)
            {
                var image = part.Images[i] with { Name = named[i] };
                images.Add(Copy(part, part.Images[i], $"JPEGImages/{named[i]}"));
                files.Add(new($"Annotations/{own[i]}.xml", stream => VocXml.Write(stream, image, names)));
            }

            renamed.Add(part.Images, named);
            files.Add(
                ExportedFile.Text($"ImageSets/Main/{part.Name}.txt", string.Concat(own.Select(stem => stem + "\n")))
            );
        }

        files.Add(ExportedFile.Text("classes.txt", YoloText.Classes(classes)));
        return new(parts, images, files, renamed.Notices);
    }

    private static ExportPlan LabelMe(IReadOnlyList<ObjectClass> classes, IReadOnlyList<ExportPart> parts)
    {
        var (images, files, renamed) = (new List<ExportedImage>(), new List<ExportedFile>(), new Renamed());
        var names = ClassNames.Plain(classes);
        foreach (var part in parts)
        {
            var stems = ExportNames.Stems(part.Images.Select(image => image.Name));
            var named = part.Images.Select((image, i) => stems[i] + Path.GetExtension(image.Name)).ToList();
            for (var i = 0; i < stems.Count; i++)
            {
                var (image, beside) = (part.Images[i], named[i][(named[i].LastIndexOf('/') + 1)..]);
                images.Add(Copy(part, image, $"{part.Name}/{named[i]}"));
                files.Add(
                    new($"{part.Name}/{stems[i]}.json", stream => LabelMeJson.Write(stream, image, beside, names))
                );
            }

            renamed.Add(part.Images, named);
        }

        files.Add(ExportedFile.Text("classes.txt", YoloText.Classes(classes)));
        return new(parts, images, files, renamed.Notices);
    }

    private static ExportedImage Copy(ExportPart part, ExportImage image, string target) =>
        new(part.PathOf(image), target);

    // YOLO's programs find labels by replacing the last folder "images" of a path.
    private static string WithoutImages(string name) =>
        string.Join(
            '/',
            ExportNames.Below(name).Split('/').Select(part => part == YoloImages ? YoloImages + "-" : part)
        );

    // What data.yaml says. Its readers know train, val and test alone: where no part is called like that, all are to train on.
    private static List<(string Key, IReadOnlyList<string> Folders)> Folders(IReadOnlyList<ExportPart> parts)
    {
        var keys = parts.Select(part => part.Name.TrimEnd("0123456789-".ToCharArray())).ToList();
        var isKnown = keys.Any(key => key is "train" or "val" or "test");
        return
        [
            .. parts
                .Select(
                    (part, i) =>
                        (
                            Key: !isKnown ? "train"
                            : keys[i] is "train" or "val" or "test" ? keys[i]
                            : part.Name,
                            Folder: $"{YoloImages}/{part.Name}"
                        )
                )
                .GroupBy(entry => entry.Key)
                .Select(group => (group.Key, (IReadOnlyList<string>)[.. group.Select(entry => entry.Folder)])),
        ];
    }

    /// <summary>Counts images that go by another name from now on.</summary>
    private sealed class Renamed
    {
        private int count;
        private string first = "";

        public IReadOnlyList<string> Notices =>
            count == 0 ? [] : [$"{Counted.Of(count, "image gets", "images get")} another name, the first: {first}"];

        public void Add(IReadOnlyList<ExportImage> images, IReadOnlyList<string> names)
        {
            for (var i = 0; i < names.Count; i++)
            {
                if (images[i].Name.Replace('\\', '/') != names[i])
                {
                    first = count++ == 0 ? $"{images[i].Name} is {names[i]}" : first;
                }
            }
        }
    }
}
