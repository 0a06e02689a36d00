using DeqDet.Data.Shapes;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>The folder of a checkpoint's data set.</summary>
/// <param name="Root">The folder; as written in the settings where the data set stands there, or nowhere.</param>
/// <param name="Notice">A line for the user where it is another than the one written, or perhaps not the one that is meant; else null.</param>
public sealed record DataRoot(string Root, string? Notice)
{
    /// <summary>
    /// Finds the data set of a checkpoint's settings, whose root is mostly relative to the folder that the training was started in. Tried are
    /// the root as written, from the current folder; the same from each folder above the checkpoint, the nearest first; and the folder that
    /// the checkpoint itself says it was trained on. So a generated data set is only drawn anew where none stands.
    /// </summary>
    /// <param name="data">The checkpoint's data settings.</param>
    /// <param name="checkpoint">The checkpoint file or its folder.</param>
    /// <param name="trainedOn">The image folder in the checkpoint's account of its training; null where it has none.</param>
    /// <exception cref="InputError">It stands nowhere, and is none that can be generated: names every place.</exception>
    public static DataRoot Locate(DataSettings data, string checkpoint, string? trainedOn)
    {
        var written = Path.GetFullPath(data.Root);
        var recorded = trainedOn is null ? null : RootOf(trainedOn, data.Train.Images);
        List<string> places = [written, .. Above(checkpoint, data.Root)];
        if (recorded is not null)
        {
            places.Add(recorded);
        }

        places = [.. places.Distinct(StringComparer.Ordinal)];
        var found = places.FirstOrDefault(place => Stands(place, data));
        if (found is null)
        {
            return data.Shapes is not null
                ? new(data.Root, null)
                : throw new InputError(
                    $"{data.Root}: the model's data set is not there; looked for in {string.Join(", ", places)}. Name its folder with --data"
                );
        }

        return found != written ? new(found, $"the data set {data.Root} is the one in {found}")
            : data.Shapes is null && recorded is not null && recorded != written && Stands(recorded, data)
                ? new(data.Root, $"{data.Root} is the one in {written}; the model was trained on the one in {recorded}")
            : new(data.Root, null);
    }

    /// <summary>The root that an image folder belongs to.</summary>
    private static string RootOf(string imageFolder, string images)
    {
        var below = images.Split('/', '\\', StringSplitOptions.RemoveEmptyEntries);
        var parts = imageFolder.Split('/', '\\');
        var depth = parts.Length > below.Length && parts[^below.Length..].SequenceEqual(below) ? below.Length : 1;
        return Path.GetFullPath(Path.Combine([imageFolder, .. Enumerable.Repeat("..", depth)]));
    }

    private static IEnumerable<string> Above(string checkpoint, string root)
    {
        if (Path.IsPathRooted(root))
        {
            yield break;
        }

        for (
            var folder = Path.GetDirectoryName(Path.GetFullPath(checkpoint));
            folder is not null;
            folder = Path.GetDirectoryName(folder)
        )
        {
            yield return Path.GetFullPath(Path.Combine(folder, root));
        }
    }

    // A generated data set has to be that of the settings; another one would have to be drawn anew.
    private static bool Stands(string place, DataSettings data) =>
        data.Shapes?.Value is { } shapes ? ShapesDataSet.IsMade(place, shapes) : DataPart.IsThereIn(place, data.Val);
}
