using System.IO.Enumeration;

namespace DeqDet.Images;

/// <summary>A file of a folder.</summary>
/// <param name="Path">Its path as it was reached, beginning with the folder's.</param>
/// <param name="Real">The same without links; no two files of a listing share it.</param>
public readonly record struct FolderFile(string Path, string Real);

/// <summary>
/// The files of a folder and of all folders below it, each real file once, in ordinal order. Links are followed, but a folder is visited only
/// once, however many ways lead to it, and a link to a folder above the one that is listed is not followed: it would lead in a circle.
/// A file or folder that is there itself is listed by its own path, not by that of a link to it.
/// </summary>
public sealed class FolderFiles
{
    private readonly string above;
    private readonly HashSet<string> visited = new(StringComparer.Ordinal);
    private readonly HashSet<string> listed = new(StringComparer.Ordinal);
    private readonly List<FolderFile> files = [];
    private readonly List<string> problems = [];
    private readonly SortedSet<string> links = new(StringComparer.Ordinal);

    private FolderFiles(string folder)
    {
        var real = RealPath.Of(folder);
        above = Path.EndsInDirectorySeparator(real) ? real : real + Path.DirectorySeparatorChar;
        Visit(folder, real);
        while (links.Min is { } link)
        {
            links.Remove(link);
            Follow(link);
        }
    }

    /// <summary>The files of a folder, and what could not be listed: one line each.</summary>
    public static (IReadOnlyList<FolderFile> Files, IReadOnlyList<string> Problems) Of(string folder)
    {
        var all = new FolderFiles(folder);
        return ([.. all.files.OrderBy(file => file.Path, StringComparer.Ordinal)], all.problems);
    }

    // What is no link comes first, whatever its name; links wait.
    private void Visit(string folder, string real)
    {
        if (!visited.Add(real))
        {
            return;
        }

        var below = new List<string>();
        try
        {
            var entries = new FileSystemEnumerable<(string Name, bool IsFolder, bool IsLink)>(
                folder,
                (ref FileSystemEntry entry) =>
                    (
                        entry.FileName.ToString(),
                        entry.IsDirectory,
                        entry.Attributes.HasFlag(FileAttributes.ReparsePoint)
                    ),
                new() { AttributesToSkip = 0, IgnoreInaccessible = false }
            );
            foreach (var (name, isFolder, isLink) in entries)
            {
                if (isLink)
                {
                    links.Add(Path.Combine(folder, name));
                }
                else if (isFolder)
                {
                    below.Add(name);
                }
                else if (listed.Add(Path.Combine(real, name)))
                {
                    files.Add(new(Path.Combine(folder, name), Path.Combine(real, name)));
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            problems.Add($"{folder}: cannot be listed ({error.Message.TrimEnd('.')})");
        }

        foreach (var name in below)
        {
            Visit(Path.Combine(folder, name), Path.Combine(real, name));
        }
    }

    private void Follow(string link)
    {
        var real = RealPath.Of(link);
        if (Directory.Exists(real))
        {
            var end = Path.EndsInDirectorySeparator(real) ? real : real + Path.DirectorySeparatorChar;
            if (end != above && above.StartsWith(end, StringComparison.Ordinal))
            {
                problems.Add($"{link}: a link to a folder above it, which is not followed");
            }
            else
            {
                Visit(link, real);
            }
        }
        else if (!File.Exists(real) || new FileInfo(real).LinkTarget is not null)
        {
            problems.Add($"{link}: a link to nothing");
        }
        else if (listed.Add(real))
        {
            files.Add(new(link, real));
        }
    }
}
