using System.IO.Enumeration;

namespace DeqDet.Images;

/// <summary>
/// Files by a pattern: <c>*</c> and <c>?</c> stand for any characters and for one within a name, a part <c>**</c> for any number of folders.
/// For shells that leave patterns alone, and for lists of paths. As in shells, names that begin with a dot are only meant where the pattern's
/// part does; folders are entered through links by a part of their own, not by <c>**</c>.
/// </summary>
public static class Glob
{
    private const string AnyFolders = "**";

    /// <summary>Whether a text has a sign of a pattern in it.</summary>
    public static bool IsPattern(string text) => text.AsSpan().IndexOfAny('*', '?') >= 0;

    /// <summary>Whether a name, one part of a path, fits a part of a pattern; case matters.</summary>
    public static bool Fits(string part, string name) =>
        (name[0] != '.' || part[0] == '.')
        && FileSystemName.MatchesSimpleExpression(part.Replace("\\", "\\\\"), name, ignoreCase: false);

    /// <summary>The files that fit, in natural order, each once; folders that cannot be listed have none.</summary>
    public static IReadOnlyList<string> Files(string pattern)
    {
        var root = Path.GetPathRoot(pattern) ?? "";
        var parts = pattern[root.Length..]
            .Split(
                [Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar],
                StringSplitOptions.RemoveEmptyEntries
            );
        return [.. Below(root, parts).Distinct(StringComparer.Ordinal).Order(NaturalOrder.Instance)];
    }

    private static IEnumerable<string> Below(string folder, ReadOnlyMemory<string> parts)
    {
        if (parts.IsEmpty)
        {
            return [];
        }

        var (part, rest) = (parts.Span[0], parts[1..]);
        if (part == AnyFolders)
        {
            // no folder, or one and then any number again; at the end of a pattern it stands for every file
            var here = Below(folder, rest.IsEmpty ? new[] { "*" } : rest);
            return here.Concat(
                Names(folder, folders: true, links: false)
                    .Where(name => Fits("*", name))
                    .SelectMany(name => Below(Path.Combine(folder, name), parts))
            );
        }

        if (!IsPattern(part))
        {
            var path = Path.Combine(folder, part);
            return !rest.IsEmpty ? Below(path, rest)
                : File.Exists(path) ? [path]
                : [];
        }

        var fitting = Names(folder, folders: !rest.IsEmpty, links: true).Where(name => Fits(part, name));
        return rest.IsEmpty
            ? fitting.Select(name => Path.Combine(folder, name))
            : fitting.SelectMany(name => Below(Path.Combine(folder, name), rest));
    }

    private static List<string> Names(string folder, bool folders, bool links)
    {
        try
        {
            var place = new DirectoryInfo(folder.Length == 0 ? "." : folder);
            return
            [
                .. place
                    .EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = 0 })
                    .Where(entry => (links || entry.LinkTarget is null) && Directory.Exists(entry.FullName) == folders)
                    .Select(entry => entry.Name),
            ];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
