namespace DeqDet.Images;

/// <summary>The one path of a file or folder that has no link in it.</summary>
public static class RealPath
{
    private const int MostLinks = 40; // as systems have it

    /// <summary>
    /// The full path with every link on the way replaced by what it points to. Parts that are not there stay as they are, and so does a link
    /// that leads nowhere or in a circle.
    /// </summary>
    public static string Of(string path) => Of(Path.GetFullPath(path), MostLinks);

    private static string Of(string full, int left)
    {
        var root = Path.GetPathRoot(full)!;
        var current = root;
        var parts = full[root.Length..].Split([Path.DirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < parts.Length; i++)
        {
            var next = Path.Combine(current, parts[i]);
            if (new FileInfo(next).LinkTarget is { } target && left > 0)
            {
                var onward = Path.GetFullPath(Path.Combine([current, target, .. parts[(i + 1)..]]));
                return Of(onward, left - 1);
            }

            current = next;
        }

        return current;
    }
}

/// <summary>Real paths of many files in few folders: each folder is looked up once.</summary>
public sealed class RealPaths
{
    private readonly Dictionary<string, string> folders = new(StringComparer.Ordinal);

    /// <summary>As <see cref="RealPath.Of(string)"/>.</summary>
    public string Of(string path)
    {
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full);
        if (folder is null)
        {
            return full;
        }

        if (!folders.TryGetValue(folder, out var real))
        {
            folders.Add(folder, real = RealPath.Of(folder));
        }

        var file = Path.Combine(real, Path.GetFileName(full));
        return new FileInfo(file).LinkTarget is null ? file : RealPath.Of(file);
    }
}
