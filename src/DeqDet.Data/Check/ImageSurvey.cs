using System.Security.Cryptography;
using DeqDet.Coco;
using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data.Check;

/// <summary>Looks at the image files of a part: their headers, or all of their pixels.</summary>
internal static class ImageSurvey
{
    /// <summary>Checks every file; what is found is noted in the order of the images, however many threads look.</summary>
    /// <returns>The formats found, and how many files have each.</returns>
    public static IReadOnlyList<KeyValuePair<string, int>> Check(
        string part,
        string folder,
        IReadOnlyList<ListedImage> images,
        bool decode,
        IssueLog log
    )
    {
        var found = new (string? Format, IssueKind? Kind, string Text)[images.Count];
        Parallel.For(0, images.Count, i => found[i] = Look(folder, images[i], decode));
        var missing = new Lazy<MissingImages>(() => MissingImages.In(folder));
        for (var i = 0; i < found.Length; i++)
        {
            if (found[i].Kind is { } kind)
            {
                log.Add(
                    kind,
                    part,
                    kind == IssueKind.MissingImage ? missing.Value.Explain(images[i].FileName) : found[i].Text,
                    images[i].FileName
                );
            }
        }

        return
        [
            .. found
                .Where(entry => entry.Format is not null)
                .CountBy(entry => entry.Format!)
                .OrderByDescending(entry => entry.Value),
        ];
    }

    /// <summary>Notes image files of a folder that none of the parts names.</summary>
    /// <param name="part">The parts with this folder.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="named">What they name, relative to it.</param>
    /// <param name="others">What other parts name, as paths.</param>
    /// <param name="log">Receives what is found.</param>
    public static void CheckUnnamed(
        string part,
        string folder,
        IReadOnlyList<string> named,
        IEnumerable<string> others,
        IssueLog log
    )
    {
        var real = new RealPaths();
        var paths = named
            .Select(name => ImageNames.PathOf(folder, name))
            .Concat(others)
            .Select(real.Of)
            .ToHashSet(StringComparer.Ordinal);
        var missing = new MissingImages(folder, named.Where(name => !File.Exists(ImageNames.PathOf(folder, name))));
        var (files, _) = FolderFiles.Of(folder);
        foreach (var file in files.Where(file => ImageSearch.IsNamedAsImage(file.Path) && !paths.Contains(file.Real)))
        {
            log.Add(IssueKind.UnnamedFile, part, missing.ExplainUnnamed(Path.GetRelativePath(folder, file.Path)));
        }
    }

    /// <summary>Notes files with the same bytes, within a part and across parts.</summary>
    public static void CheckDoubled(IReadOnlyList<(string Part, string Path, string Name)> files, IssueLog log)
    {
        files = [.. files.Where(file => File.Exists(file.Path))];
        foreach (var named in files.GroupBy(file => file.Path))
        {
            foreach (var other in named.DistinctBy(file => file.Part).Skip(1))
            {
                log.Add(IssueKind.SharedFile, other.Part, $"{other.Name} is in {named.First().Part} too", other.Name);
            }
        }

        var present = files.DistinctBy(file => file.Path).ToList();
        // Most differ in their length or in their last bytes.
        var alike = Alike(Alike([present], file => $"{new FileInfo(file.Path).Length}"), file => Key(file.Path, 4096));
        foreach (var same in Alike(alike, file => Key(file.Path, long.MaxValue)))
        {
            var first = same[0];
            foreach (var other in same.Skip(1))
            {
                var within = other.Part == first.Part;
                log.Add(
                    within ? IssueKind.DoubledFile : IssueKind.SharedFile,
                    other.Part,
                    $"{other.Name} is {first.Name}{(within ? "" : $" of {first.Part}")}",
                    other.Name
                );
            }
        }
    }

    private static List<List<T>> Alike<T>(List<List<T>> groups, Func<T, string> key) =>
        [.. groups.SelectMany(group => group.GroupBy(key).Select(same => same.ToList()).Where(same => same.Count > 1))];

    private static (string?, IssueKind?, string) Look(string folder, in ListedImage image, bool decode)
    {
        var path = ImageNames.PathOf(folder, image.FileName);
        if (!File.Exists(path))
        {
            return (null, IssueKind.MissingImage, "");
        }

        try
        {
            var header = ImageHeader.Read(path);
            var notes = decode ? ImageFile.Load(path).Notes : [];
            var (kind, text) = Compare(header, image);
            return kind is null && notes.Count > 0
                ? (header.Format, IssueKind.FlawedImage, $"{image.FileName}: {notes[0]}")
                : (header.Format, kind, text);
        }
        catch (InputError error)
        {
            return (null, IssueKind.UnreadableImage, Brief(error.Message, path, image.FileName));
        }
    }

    private static (IssueKind?, string) Compare(ImageHeader header, in ListedImage image)
    {
        var stored = (header.Width, header.Height);
        var upright = header.SwapsSides ? (header.Height, header.Width) : stored;
        var stated = (image.Width, image.Height);
        return (header.Orientation == 1, stated == upright, stated == stored) switch
        {
            (true, true, _) => (null, ""),
            (false, true, true) => (IssueKind.PerhapsTurned, $"{image.FileName}: orientation {header.Orientation}"),
            (false, true, false) => (IssueKind.Turned, $"{image.FileName}: orientation {header.Orientation}"),
            (false, false, true) => (IssueKind.NotTurned, $"{image.FileName}: orientation {header.Orientation}"),
            _ => (
                IssueKind.OtherSize,
                $"{image.FileName}: {header.Width} x {header.Height} px, stated {image.Width} x {image.Height}"
            ),
        };
    }

    /// <summary>"FOLDER/NAME: reason; remedy" as "NAME: reason", where the remedy is said for all of them together.</summary>
    public static string Brief(string message, string path, string name)
    {
        var reason = message.StartsWith(path, StringComparison.Ordinal) ? message[path.Length..] : $": {message}";
        var end = reason.IndexOf(';');
        return name + (end < 0 ? reason : reason[..end]);
    }

    /// <summary>A fingerprint of a file's last bytes; of a file that cannot be read, its own name.</summary>
    private static string Key(string path, long length)
    {
        try
        {
            using var file = File.OpenRead(path);
            file.Seek(-Math.Min(length, file.Length), SeekOrigin.End);
            return Convert.ToHexString(SHA256.HashData(file));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return path;
        }
    }
}
