using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace DeqDet.Data.Shapes;

/// <summary>
/// The list of the files that the generator wrote into a folder, with the SHA-256 of each, kept there as <c>shapes.files</c> in the format of
/// <c>sha256sum</c>. What is not listed, was changed since, or lies behind a link is somebody else's, and is never removed or written over.
/// </summary>
internal sealed class MadeFiles
{
    /// <summary>Name of the list in its folder.</summary>
    public const string Name = "shapes.files";

    private readonly HashSet<(string Path, string Hash)> entries = [];

    /// <summary>The listed paths, relative to the folder, with slashes.</summary>
    public IEnumerable<string> Paths => entries.Select(entry => entry.Path).Distinct(StringComparer.Ordinal);

    /// <summary>The list of a folder; false when there is none.</summary>
    public static bool TryRead(string folder, [NotNullWhen(true)] out MadeFiles? made)
    {
        made = null;
        var list = new FileInfo(Path.Combine(folder, Name));
        if (!list.Exists || list.LinkTarget is not null)
        {
            return false;
        }

        made = new();
        foreach (var line in File.ReadLines(list.FullName))
        {
            if (Parse(line) is { } entry)
            {
                made.entries.Add(entry);
            }
        }

        return made.entries.Count > 0;
    }

    /// <summary>Adds a file.</summary>
    /// <returns>Its line of the list.</returns>
    public string Add(string path, ReadOnlySpan<byte> content)
    {
        var entry = (path, Hash: Convert.ToHexStringLower(SHA256.HashData(content)));
        entries.Add(entry);
        return Line(entry);
    }

    /// <summary>Adds all of another list.</summary>
    public void Add(MadeFiles other) => entries.UnionWith(other.entries);

    /// <summary>Writes the list into a folder.</summary>
    public void Save(string folder) =>
        AtomicFile.Write(
            Path.Combine(folder, Name),
            stream =>
            {
                foreach (var entry in entries.OrderBy(entry => entry.Path, StringComparer.Ordinal))
                {
                    stream.Write(Encoding.UTF8.GetBytes(Line(entry)));
                }
            }
        );

    /// <summary>Whether a file of a folder exists, is no link, and equals the listed one byte by byte.</summary>
    public bool IsOurs(string folder, string path)
    {
        var file = new FileInfo(Path.Combine(folder, path));
        if (!file.Exists || file.LinkTarget is not null || IsBehindLink(folder, path))
        {
            return false;
        }

        using var stream = file.OpenRead();
        return entries.Contains((path, Convert.ToHexStringLower(SHA256.HashData(stream))));
    }

    /// <summary>Removes those files of a folder that are ours, and the folders of theirs that are empty then.</summary>
    public void Remove(string folder) => Remove(folder, path => IsOurs(folder, path));

    /// <summary>
    /// Removes a half-made folder, of which no name but ours is known: all listed files, whole or not, the list, and the folder itself unless
    /// there is something else in it.
    /// </summary>
    public static void Discard(string folder)
    {
        if (TryRead(folder, out var made))
        {
            made.Remove(folder, path => File.Exists(Path.Combine(folder, path)) && !IsBehindLink(folder, path));
            File.Delete(Path.Combine(folder, Name));
        }

        RemoveIfEmpty(folder);
    }

    /// <summary>Whether a folder on the way to a file is a link.</summary>
    private static bool IsBehindLink(string folder, string path) =>
        Path.GetDirectoryName(path) is { Length: > 0 } parent
        && new DirectoryInfo(Path.Combine(folder, parent)).LinkTarget is not null;

    private void Remove(string folder, Func<string, bool> isOurs)
    {
        foreach (var path in Paths.Where(isOurs))
        {
            File.Delete(Path.Combine(folder, path));
        }

        foreach (var parent in Paths.Select(path => Path.GetDirectoryName(path)!).Distinct().Where(p => p.Length > 0))
        {
            RemoveIfEmpty(Path.Combine(folder, parent));
        }
    }

    private static void RemoveIfEmpty(string folder)
    {
        var place = new DirectoryInfo(folder);
        if (place.Exists && place.LinkTarget is null && !place.EnumerateFileSystemInfos().Any())
        {
            place.Delete();
        }
    }

    private static string Line((string Path, string Hash) entry) => $"{entry.Hash}  {entry.Path}\n";

    // The files are at most one folder deep; a list that somebody wrote cannot lead out of it.
    private static (string, string)? Parse(string line)
    {
        const int hashLength = 64;
        if (line.Length < hashLength + 3 || line[hashLength] != ' ')
        {
            return null;
        }

        var path = line[(hashLength + 2)..];
        var parts = path.Split('/');
        var inside = parts.Length <= 2 && parts.All(part => part is not ("" or "." or "..") && !part.Contains('\\'));
        return inside && !Path.IsPathRooted(path) ? (path, line[..hashLength]) : null;
    }
}
