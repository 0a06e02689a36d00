using System.IO.Enumeration;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace DeqDet.Data.Shapes;

/// <summary>How a generated data set takes its place in a folder, and what of that folder is let alone.</summary>
internal static partial class ShapesFolder
{
    private const int MostNamed = 4;

    private static readonly TimeSpan abandoned = TimeSpan.FromHours(1);

    /// <summary>The full path of a folder; where it is a link, of what it points to, so that the link stays.</summary>
    public static string Resolve(string folder)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var place = new DirectoryInfo(folder);
        try
        {
            return place.LinkTarget is null ? folder : place.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
        }
        catch (IOException error)
        {
            throw new InputError(
                $"{folder}: the link leads nowhere ({error.Message}); choose another folder with --data"
            );
        }
    }

    /// <summary>Refuses a folder that holds something else, or other files where those of the data set have to go.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="wanted">Files of the data set, relative to it.</param>
    /// <exception cref="InputError">Says what is in the way.</exception>
    public static void RefuseForeign(string folder, IReadOnlyList<string> wanted)
    {
        if (!File.Exists(folder) && (!Directory.Exists(folder) || IsEmpty(folder)))
        {
            return;
        }

        if (File.Exists(folder) || !MadeFiles.TryRead(folder, out var made))
        {
            var why = File.Exists(Path.Combine(folder, ShapesDataSet.StampName))
                ? $"holds other files than these settings make, without a list of what was made ({MadeFiles.Name}), so nothing in it is replaced"
                : $"is in use but holds no shapes data set ({ShapesDataSet.StampName} is missing), so nothing is written there";
            throw new InputError(
                $"{folder} {why}. Choose another folder with --data, or move this one away; to train on pictures that it holds, name settings for them, "
                    + "such as configs/finetune_r18.json."
            );
        }

        var folders = wanted.Select(path => Path.GetDirectoryName(path)!).Where(name => name.Length > 0).Distinct();
        var inTheWay = folders
            .Where(name => IsThere(Path.Combine(folder, name)) && !IsPlainFolder(Path.Combine(folder, name)))
            .Concat(wanted.Where(path => IsThere(Path.Combine(folder, path)) && !made.IsOurs(folder, path)))
            .ToList();
        if (inTheWay.Count > 0)
        {
            throw new InputError(
                $"{folder}: {Some(inTheWay)} {(inTheWay.Count == 1 ? "is" : "are")} not as generated, but in the place of what the data set needs; "
                    + $"nothing was changed. Move {(inTheWay.Count == 1 ? "it" : "them")} away, or choose another folder with --data"
            );
        }
    }

    /// <summary>A name beside the folder that nobody else has.</summary>
    public static string NewPart(string folder) => $"{folder}.part-{Guid.NewGuid():N}";

    /// <summary>Removes what generations that were killed have left beside the folder.</summary>
    /// <returns>What of that could not be removed, having something else in it.</returns>
    public static IReadOnlyList<string> RemoveAbandoned(string folder)
    {
        var parent = new DirectoryInfo(Path.GetDirectoryName(folder)!);
        if (!parent.Exists)
        {
            return [];
        }

        var notices = new List<string>();
        foreach (var part in parent.EnumerateDirectories($"{Path.GetFileName(folder)}.part-*"))
        {
            var list = new FileInfo(Path.Combine(part.FullName, MadeFiles.Name));
            if (
                part.LinkTarget is null
                && PartName().IsMatch(part.Name)
                && list.Exists
                && DateTime.UtcNow - list.LastWriteTimeUtc > abandoned
            )
            {
                MadeFiles.Discard(part.FullName);
                if (Directory.Exists(part.FullName))
                {
                    notices.Add(
                        $"{part.FullName}: left by a generation that was interrupted, with other files in it; they stay"
                    );
                }
            }
        }

        return notices;
    }

    /// <summary>Lets one process at a time put a data set into a folder.</summary>
    public static IDisposable Lock(string folder, CancellationToken cancellation)
    {
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(folder)))[..32];
        var file = Path.Combine(Path.GetTempPath(), $"deqdet-shapes-{key}.lock");
        while (true)
        {
            try
            {
                // never deleted: between its removal and its making two processes could hold two files of one name
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
            }
            catch (IOException) when (File.Exists(file))
            {
                cancellation.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(50));
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }

    /// <summary>
    /// Moves a generated data set into the folder, in the place of what was made there before. At every moment the list in the folder names
    /// all files of ours, and the stamp is only there when all others are.
    /// </summary>
    public static void Replace(string part, string folder, IReadOnlyList<string> wanted)
    {
        if (!Directory.Exists(folder))
        {
            Directory.Move(part, folder);
            return;
        }

        RefuseForeign(folder, wanted);
        if (!MadeFiles.TryRead(part, out var made))
        {
            throw new IOException($"{part} was changed while it was made.");
        }

        var all = new MadeFiles();
        all.Add(made);
        if (MadeFiles.TryRead(folder, out var before))
        {
            all.Add(before);
            all.Save(folder);
            RemoveStamp(folder, before);
            before.Remove(folder);
        }

        all.Save(folder);
        foreach (var path in made.Paths.OrderBy(path => path == ShapesDataSet.StampName))
        {
            var target = Path.Combine(folder, path);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            if (path == ShapesDataSet.StampName)
            {
                made.Save(folder);
            }

            File.Move(Path.Combine(part, path), target);
        }
    }

    /// <summary>A line on what else is in the folder; none when there is nothing.</summary>
    public static IReadOnlyList<string> Kept(string folder)
    {
        var ours = MadeFiles.TryRead(folder, out var made) ? made.Paths.ToHashSet(StringComparer.Ordinal) : [];
        var others = new FileSystemEnumerable<string>(
            folder,
            (ref FileSystemEntry entry) => Path.GetRelativePath(folder, entry.ToFullPath()).Replace('\\', '/'),
            new() { RecurseSubdirectories = true, AttributesToSkip = 0 }
        )
        {
            ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory || IsLink(ref entry),
            ShouldRecursePredicate = (ref FileSystemEntry entry) => !IsLink(ref entry),
        }
            .Where(path => path != MadeFiles.Name && !ours.Contains(path))
            .Order(StringComparer.Ordinal)
            .ToList();
        return others.Count == 0
            ? []
            :
            [
                $"{folder}: {Some(others)} {(others.Count == 1 ? "was" : "were")} not made with the shapes data set and "
                    + $"{(others.Count == 1 ? "stays" : "stay")} there",
            ];
    }

    private static void RemoveStamp(string folder, MadeFiles made)
    {
        if (made.IsOurs(folder, ShapesDataSet.StampName))
        {
            File.Delete(Path.Combine(folder, ShapesDataSet.StampName));
        }
    }

    private static bool IsLink(ref FileSystemEntry entry) => entry.Attributes.HasFlag(FileAttributes.ReparsePoint);

    private static bool IsEmpty(string folder) => !Directory.EnumerateFileSystemEntries(folder).Any();

    // A link whose target is missing exists, too.
    private static bool IsThere(string path) => Path.Exists(path) || new FileInfo(path).LinkTarget is not null;

    private static bool IsPlainFolder(string path) =>
        Directory.Exists(path) && new DirectoryInfo(path).LinkTarget is null;

    private static string Some(List<string> paths) =>
        string.Join(", ", paths.Take(MostNamed))
        + (paths.Count > MostNamed ? $" and {paths.Count - MostNamed} more" : "");

    [GeneratedRegex(@"\.part-[0-9a-f]{32}$")]
    private static partial Regex PartName();
}
