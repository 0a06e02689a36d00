using DeqDet.Coco;

namespace DeqDet.Data.Formats;

/// <summary>Recognises the format of a data set by what is in its folder.</summary>
public static class DataFormats
{
    // The first that is whole is taken: from the one that says most of itself to the one that says least.
    private static readonly IDataFormat[] formats =
    [
        new CocoFormat(),
        new RoboflowFormat(),
        new Yolo.YoloFormat(),
        new Cvat.CvatFormat(),
        new Voc.VocFormat(),
        new LabelMe.LabelMeFormat(),
    ];

    // So many folders around it.
    private const int MostWrapping = 3;

    /// <summary>The data set of a folder, or of the only folder in it.</summary>
    /// <exception cref="InputError">There is none that is whole: says what was looked for, and what is missing of what is there.</exception>
    public static FoundData Recognise(string root)
    {
        var (data, halves) = Look(Path.GetFullPath(root));
        return data ?? throw Nothing(root, halves);
    }

    /// <summary>The same; null where there is none that is whole, with what is missing of what is there.</summary>
    internal static (FoundData? Data, IReadOnlyList<string> Halves) Look(string root)
    {
        var (place, found) = (root, LookIn(root));
        // An archive is often unpacked into a folder of its own.
        for (var depth = 0; depth < MostWrapping && found is { Data: null, Halves.Count: 0 }; depth++)
        {
            if (
                PartNames.OtherFoldersIn(place) is not [var only]
                || PartNames.FoldersIn(place).Count > 0
                || FolderImages.Any(place)
            )
            {
                break;
            }

            (place, found) = (only, LookIn(only));
        }

        return found;
    }

    private static (FoundData? Data, IReadOnlyList<string> Halves) LookIn(string root)
    {
        FoundData? taken = null;
        var (halves, others) = (new List<string>(), new List<string>());
        foreach (var format in formats)
        {
            var finding = Found(format, root, taken is not null);
            if (finding.Data is { } data)
            {
                if (taken is null)
                {
                    taken = data;
                }
                else
                {
                    others.Add(data.Format);
                }
            }
            else if (finding.Missing is { } missing)
            {
                halves.Add(missing);
            }
        }

        return (taken is null ? null : WithOthers(taken, others), halves);
    }

    /// <summary>What to say of a folder without a data set.</summary>
    internal static InputError Nothing(string root, IReadOnlyList<string> halves) =>
        halves.Count == 1 && halves[0].StartsWith(Path.GetFullPath(root), StringComparison.Ordinal)
            ? new(halves[0])
            : new($"{root}: {Missing(halves)}");

    /// <summary>What is missing, to follow a colon.</summary>
    internal static string Missing(IReadOnlyList<string> halves) =>
        halves.Count > 0
            ? $"no data set is complete: {string.Join("; ", halves)}"
            : "no data set of a format that is read; looked for "
                + string.Join(", ", formats.Select(format => $"{format.Name} ({format.LookedFor})"))
                + "; name files with --annotations FILE --images DIR, or another folder";

    // Once a format is taken, another one that is damaged is not worth an error.
    private static Finding Found(IDataFormat format, string root, bool isSecond)
    {
        try
        {
            return format.Find(root);
        }
        catch (InputError) when (isSecond)
        {
            return Finding.None;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"{root}: cannot be listed: {error.Message}");
        }
    }

    private static FoundData WithOthers(FoundData data, List<string> others) =>
        others.Count == 0
            ? data
            : data with
            {
                Parts =
                [
                    .. data.Parts.Select(part =>
                        part with
                        {
                            Part = part.Part with
                            {
                                Found =
                                [
                                    new AnnotationFault(
                                        FaultKind.SecondFormat,
                                        "",
                                        $"{data.Root} holds {string.Join(" and ", others)} annotations as well; {data.Format} is read, the first of "
                                            + string.Join(", ", formats.Select(format => format.Name))
                                    ),
                                    .. part.Part.Found,
                                ],
                            },
                        }
                    ),
                ],
            };
}
