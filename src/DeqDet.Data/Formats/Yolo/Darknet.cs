namespace DeqDet.Data.Formats.Yolo;

/// <summary>
/// Darknet's description of a data set, as CVAT exports it: <c>obj.data</c> with lines <c>names = obj.names</c>, <c>train = train.txt</c> and
/// <c>valid = valid.txt</c>, whose lists name the images.
/// </summary>
internal static class Darknet
{
    private const long MostBytes = 1 << 20;

    /// <summary>The file of a folder; null where there is none.</summary>
    public static string? FileOf(string root) =>
        Directory
            .EnumerateFiles(root, "*.data")
            .Order(StringComparer.Ordinal)
            .FirstOrDefault(file => new FileInfo(file).Length < MostBytes);

    /// <summary>Reads it, and the list of classes that it names.</summary>
    /// <exception cref="InputError">It names no classes, or they are not there.</exception>
    public static YoloYaml Read(string file)
    {
        var root = Path.GetDirectoryName(file)!;
        var said = TextFile
            .Lines(file, MostBytes)
            .Select(line => line.Split('=', 2))
            .Where(pair => pair.Length == 2 && pair[1].Trim().Length > 0)
            .GroupBy(pair => pair[0].Trim().ToLowerInvariant())
            .ToDictionary(group => group.Key, group => group.First()[1].Trim());
        var names =
            said.TryGetValue("names", out var entry)
            && YoloPlaces.Find(root, null, entry) is { } named
            && File.Exists(named)
                ? named
                : YoloNames.FileOf(root)
                    ?? throw new InputError(
                        $"{file}: has no \"names\" that is there; write names = obj.names, with a class name a line"
                    );
        return new(
            null,
            PartNames
                .All.Where(said.ContainsKey)
                .GroupBy(name => PartNames.RoleOf(name)!.Value)
                .ToDictionary(group => group.Key, IReadOnlyList<string> (group) => [said[group.First()]]),
            YoloNames.Read(names),
            0
        );
    }
}
