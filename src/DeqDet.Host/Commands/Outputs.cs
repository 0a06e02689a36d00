using DeqDet.Checkpoints;
using DeqDet.Detection;

namespace DeqDet.Host.Commands;

/// <summary>
/// Files that a command is about to write: never one that it reads, and never one that this program did not make. What stands in the
/// way is named before the work begins.
/// </summary>
public static class Outputs
{
    private const int HeadBytes = 4096;
    private const string ResultsStart = "[{\"image_id\":";

    /// <summary>Sees to it that a file may be written.</summary>
    /// <param name="argument">The argument that names it, for messages.</param>
    /// <param name="path">The file; null: none was asked for.</param>
    /// <param name="inputs">Files that the command reads.</param>
    /// <param name="isOurs">Whether the first characters of an existing file are those of one that this program wrote.</param>
    /// <exception cref="InputError">It is an input, somebody else's, a folder, or lies in a folder that is not there.</exception>
    public static void Check(string argument, string? path, IEnumerable<string> inputs, Func<string, bool> isOurs)
    {
        if (path is null)
        {
            return;
        }

        CheckInputs(argument, path, inputs);
        if (Directory.Exists(path))
        {
            throw new InputError($"{argument} {path}: is a folder; name a file in it");
        }

        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
        {
            throw new InputError($"{argument} {path}: there is no folder {folder}; make it, or name another file");
        }

        if (File.Exists(path) && new FileInfo(path).Length > 0 && !isOurs(Head(path)))
        {
            throw new InputError(
                $"{argument} {path}: exists and was not written by this command; remove it, or name another file"
            );
        }
    }

    /// <summary>Refuses a file that the command reads.</summary>
    public static void CheckInputs(string argument, string path, IEnumerable<string> inputs)
    {
        var real = Real(path);
        if (inputs.Any(input => Real(input) == real))
        {
            throw new InputError(
                $"{argument} {path}: is one of the files that are read, and would be overwritten; name another file"
            );
        }
    }

    /// <summary>Makes a folder for outputs.</summary>
    /// <exception cref="InputError">It cannot be made.</exception>
    public static void MakeFolder(string argument, string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError(
                $"{argument} {folder}: cannot be made ({error.Message}); choose another folder",
                error
            );
        }
    }

    /// <summary>Sees to it that files can be written into a folder, before there are any to write.</summary>
    /// <exception cref="InputError">The system refuses.</exception>
    public static void CheckWritable(string argument, string folder)
    {
        var file = Path.Combine(folder, $".{Guid.NewGuid():N}.tmp");
        try
        {
            new FileStream(
                file,
                FileMode.CreateNew,
                FileAccess.Write,
                FileShare.None,
                1,
                FileOptions.DeleteOnClose
            ).Dispose();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError(
                $"{argument} {folder}: nothing can be written there ({error.Message.Replace(file, folder)}); choose another folder",
                error
            );
        }
    }

    /// <summary>Full path behind all links.</summary>
    public static string Real(string path)
    {
        var full = Path.GetFullPath(path);
        try
        {
            var target = File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
            return Path.GetDirectoryName(target) is { } folder && Directory.Exists(folder)
                ? Path.Combine(
                    new DirectoryInfo(folder).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? folder,
                    Path.GetFileName(target)
                )
                : target;
        }
        catch (IOException)
        {
            // a link that leads nowhere or in a circle is itself
            return full;
        }
    }

    /// <summary>Whether a file begins as a COCO results list does that this program writes: without any white space.</summary>
    public static bool IsResults(string head) =>
        head == "[]"
        || (head.StartsWith(ResultsStart, StringComparison.Ordinal) && !char.IsWhiteSpace(head[ResultsStart.Length]));

    /// <summary>Whether a file begins as a JSON report of this program does: an object with this key first.</summary>
    public static Func<string, bool> IsReport(string firstKey) =>
        head =>
        {
            var text = head.TrimStart();
            return text.StartsWith('{')
                && text[1..].TrimStart().StartsWith($"\"{firstKey}\"", StringComparison.Ordinal);
        };

    /// <summary>Whether a file begins as this program's pages do.</summary>
    public static bool IsPage(string head) =>
        head.StartsWith("<!doctype html>", StringComparison.Ordinal)
        && head.Contains("default-src 'none'", StringComparison.Ordinal);

    /// <summary>Whether weights that stand in a file may be replaced by others: this program's detectors and backbones may.</summary>
    public static bool IsConverted(string path)
    {
        try
        {
            using var file = TensorFile.Open(path);
            return !KnownModels.isDetector(file) || DetectorFileModule.hasOwnInfo(file);
        }
        catch (CheckpointError)
        {
            return false;
        }
    }

    private static string Head(string path)
    {
        try
        {
            using var reader = new StreamReader(path);
            var head = new char[HeadBytes];
            return new(head, 0, reader.ReadBlock(head));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"{path}: cannot be read or written ({error.Message})", error);
        }
    }
}
