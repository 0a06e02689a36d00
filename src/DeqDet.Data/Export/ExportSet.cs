using DeqDet.Coco;

namespace DeqDet.Data.Export;

/// <summary>A data set that is to be written: its parts with one list of classes.</summary>
/// <param name="Classes">The classes; a label is a place among them.</param>
/// <param name="Parts">The parts, none without images.</param>
/// <param name="Notices">What was put together on the way, a line each.</param>
public sealed record ExportSet(
    IReadOnlyList<ObjectClass> Classes,
    IReadOnlyList<ExportPart> Parts,
    IReadOnlyList<string> Notices
)
{
    private static readonly Dictionary<string, string> usualNames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["training"] = "train",
        ["valid"] = "val",
        ["validation"] = "val",
        ["dev"] = "val",
        ["testing"] = "test",
    };

    /// <summary>
    /// Puts parts together. Where their classes differ they are the same by name, in the order of the first part that has them; ids are kept as
    /// long as they differ. Parts get the usual names (train, val, test) where they have a known other one. A class without boxes that only
    /// groups the others is left out, as in training.
    /// </summary>
    /// <param name="parts">Name, folder of images, annotations, and whether class 0 only groups the others.</param>
    /// <exception cref="InputError">No part has an image.</exception>
    public static ExportSet Of(
        IReadOnlyList<(string Name, string ImageFolder, AnnotationFile File, bool FirstIsGroup)> parts
    )
    {
        var notices = new List<string>();
        var places = Enumerable.Range(0, parts.Count).ToLookup(i => parts[i].File.Images.Any(image => image.IsUsable));
        notices.AddRange(places[false].Select(i => $"{parts[i].File.Path}: lists no image, and is left out"));
        var kept = places[true].ToList();
        if (kept.Count == 0)
        {
            throw new InputError(
                $"{string.Join(", ", parts.Select(part => part.File.Path))}: no image can be used; `data check` says what is wrong"
            );
        }

        parts = [.. kept.Select(i => parts[i])];

        var leavesOut = parts.All(part => part.FirstIsGroup && !part.File.Label.Contains(0));
        if (leavesOut)
        {
            var group = parts[0].File.Classes[0];
            notices.Add($"the class {group.Id} {group.Name} has no boxes and only groups the others; it is left out");
        }

        var lists = parts
            .Select(part => (IReadOnlyList<ObjectClass>)[.. part.File.Classes.Skip(leavesOut ? 1 : 0)])
            .ToList();
        var (classes, labels) = Merge(lists, notices);
        return new(
            classes,
            [
                .. parts.Select(
                    (part, i) =>
                        new ExportPart(
                            kept[i],
                            NameOf(parts, i),
                            part.ImageFolder,
                            Relabelled(ExportImage.Of(part.File), labels[i], leavesOut ? 1 : 0)
                        )
                ),
            ],
            notices
        );
    }

    private static (IReadOnlyList<ObjectClass>, List<int[]>) Merge(
        List<IReadOnlyList<ObjectClass>> lists,
        List<string> notices
    )
    {
        // a part without annotations may list no classes
        var stated = lists.Where(list => list.Count > 0).ToList();
        if (stated.Count > 0 && stated.All(list => list.SequenceEqual(stated[0])))
        {
            return (stated[0], [.. lists.Select(list => Enumerable.Range(0, list.Count).ToArray())]);
        }

        var all = lists.SelectMany(list => list).DistinctBy(kind => kind.Name, StringComparer.Ordinal).ToList();
        if (stated.Count > 1)
        {
            notices.Add($"the parts list different classes; by their names they are {all.Count}");
        }

        if (all.DistinctBy(kind => kind.Id).Count() < all.Count)
        {
            all = [.. all.Select((kind, i) => new ObjectClass(i + 1, kind.Name))];
            notices.Add("classes of different parts have the same id; all are numbered anew from 1");
        }

        var label = all.Select((kind, i) => (kind.Name, i)).ToDictionary(StringComparer.Ordinal);
        return (all, [.. lists.Select(list => list.Select(kind => label[kind.Name]).ToArray())]);
    }

    private static IReadOnlyList<ExportImage> Relabelled(
        IReadOnlyList<ExportImage> images,
        int[] labels,
        int leftOut
    ) =>
        [
            .. images.Select(image =>
                image with
                {
                    Boxes = [.. image.Boxes.Select(box => box with { Label = labels[box.Label - leftOut] })],
                }
            ),
        ];

    // Two parts of one name are told apart by a number.
    private static string NameOf(
        IReadOnlyList<(string Name, string ImageFolder, AnnotationFile File, bool FirstIsGroup)> parts,
        int place
    )
    {
        var before = parts.Take(place).Count(part => Usual(part.Name) == Usual(parts[place].Name));
        return before == 0 ? Usual(parts[place].Name) : $"{Usual(parts[place].Name)}-{before + 1}";
    }

    private static string Usual(string name) =>
        usualNames.GetValueOrDefault(name) ?? ExportNames.Below(ClassNames.Plain(name)).Replace('/', '-');
}
