using DeqDet.Checkpoints;
using DeqDet.Detection;
using DeqDet.Reports;
using TorchSharp;

namespace DeqDet.Host.Commands;

/// <summary>How commands open checkpoints.</summary>
public static class CheckpointInput
{
    /// <summary>
    /// Opens a checkpoint of any origin, or the one of a work folder, and notes what was left out of the names of its weights or left
    /// aside.
    /// </summary>
    /// <param name="checkpoint">A file or a work folder.</param>
    /// <param name="averaged">Whether the averaged weights are taken, of a checkpoint that holds both.</param>
    /// <param name="output">Where the notes go.</param>
    /// <exception cref="InputError">It is missing or damaged, or holds no averaged weights where they are asked for.</exception>
    public static ITensorFile Open(string checkpoint, bool averaged, TextWriter output)
    {
        var file = TensorFile.Open(WorkFolderModule.checkpointOf(checkpoint), averaged);
        foreach (var notice in file.Notices)
        {
            output.WriteLine($"note: {Human.Path(file.Path)}: {notice}");
        }
        return file;
    }

    /// <summary>The same, with the detector in it loaded to a device; the file is closed again.</summary>
    /// <exception cref="InputError">Also: it holds no detector, or weights that do not fit or are not finite.</exception>
    public static TrainedModel Load(string checkpoint, bool averaged, torch.Device device, TextWriter output)
    {
        using var file = Open(checkpoint, averaged, output);
        return TrainedModelModule.ofFile(file, device);
    }
}
