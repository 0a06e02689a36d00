namespace DeqDet.Host.Commands;

/// <summary>The files of a folder that <c>detect</c> writes into: which of them earlier runs wrote, so that they may be replaced.</summary>
public static class DetectionFiles
{
    /// <summary>Names for the pictures and videos of a run.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="inputs">Files that are read; none of them is ever replaced.</param>
    /// <exception cref="InputError">The results of somebody else are in the folder, or one of the inputs would be overwritten.</exception>
    public static OutputNames Names(string folder, IReadOnlyList<string> inputs)
    {
        var results = ImageRun.JsonOf(folder);
        var ours = File.Exists(results)
            ? DetectionResults.PicturesOf(results)
                ?? throw new InputError(
                    $"--out {folder}: holds a {Path.GetFileName(results)} that `detect` did not write; choose another folder"
                )
            : new HashSet<string>();
        Outputs.CheckInputs("--out", results, inputs);
        var read = inputs.Select(Outputs.Real).ToHashSet(StringComparer.Ordinal);
        return new(name =>
        {
            var path = Path.Combine(folder, name);
            return !Path.Exists(path)
                || ((ours.Contains(name) || IsOfVideo(path)) && !read.Contains(Outputs.Real(path)));
        });
    }

    // A video and its lines are written together, and the lines say whose they are.
    private static bool IsOfVideo(string path) =>
        Path.GetExtension(path) is VideoRun.VideoEnding or VideoRun.LogEnding
        && FrameLog.IsOurs(Path.ChangeExtension(path, VideoRun.LogEnding));
}
