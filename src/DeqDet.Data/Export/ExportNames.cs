namespace DeqDet.Data.Export;

/// <summary>Names of files of labels, which go with the names of their images.</summary>
public static class ExportNames
{
    /// <summary>
    /// For each image name a path without ending, with slashes, that stays below whatever folder it is put into. Folders are kept. Where
    /// names differ in nothing but their ending, case or Unicode form (a.jpg, a.png), later ones are numbered: a, a-2.
    /// </summary>
    /// <param name="names">Names relative to a folder of images, with slashes or backslashes.</param>
    public static IReadOnlyList<string> Stems(IEnumerable<string> names)
    {
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var stems = new List<string>();
        foreach (var name in names)
        {
            var plain = Stem(name);
            var stem = plain;
            for (var i = 2; !taken.Add(Decomposition.Of(stem)); i++)
            {
                stem = $"{plain}-{i}";
            }

            stems.Add(stem);
        }

        return stems;
    }

    /// <summary>A name with slashes, without parts that lead elsewhere: "..", ".", empty ones, drives.</summary>
    public static string Below(string name)
    {
        var parts = name.Split('/', '\\')
            .Where(part => part.Length > 0 && part is not ("." or "..") && !(part.Length == 2 && part[1] == ':'))
            .ToList();
        return parts.Count == 0 ? "image" : string.Join('/', parts);
    }

    private static string Stem(string name)
    {
        var below = Below(name);
        // a name that is only an ending, as in ".jpg", keeps it
        return Path.ChangeExtension(below, null) is { Length: > 0 } stem && !stem.EndsWith('/') ? stem : below;
    }
}
