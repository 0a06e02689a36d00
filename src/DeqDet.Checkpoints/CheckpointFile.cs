using static TorchSharp.torch;

namespace DeqDet.Checkpoints;

/// <summary>
/// A training checkpoint: one safetensors file with the weights under their official names, what is needed to resume under
/// names that start with <c>optimiser.</c> or <c>training.</c>, and a <see cref="CheckpointInfo"/> as metadata. Any reader of
/// safetensors can use its weights.
/// </summary>
public sealed class CheckpointFile : IDisposable
{
    private static readonly string[] StatePrefixes = ["optimiser.", "training."];

    private readonly SafetensorsFile _file;

    private CheckpointFile(SafetensorsFile file)
    {
        _file = file;
        Info = CheckpointInfo.FromMetadata(file.Path, file.Metadata);
        Weights = [.. file.Tensors.Where(tensor => !IsState(tensor.Name))];
        State = [.. file.Tensors.Where(tensor => IsState(tensor.Name))];
    }

    /// <summary>The file's path as given.</summary>
    public string Path => _file.Path;

    /// <summary>Settings, classes, progress and so on.</summary>
    public CheckpointInfo Info { get; }

    /// <summary>The model's tensors.</summary>
    public IReadOnlyList<StoredTensor> Weights { get; }

    /// <summary>What resuming needs: the optimiser's averages and the like. Empty in a published file.</summary>
    public IReadOnlyList<StoredTensor> State { get; }

    /// <summary>
    /// Writes a checkpoint in the given order; tensors may lie on any device. An existing file is replaced only when the new one
    /// is complete.
    /// </summary>
    /// <param name="path">Where to.</param>
    /// <param name="tensors">Weights under their official names; everything else with one of the two prefixes.</param>
    /// <param name="info">Settings, classes, progress and so on.</param>
    /// <exception cref="CheckpointError">
    /// A tensor holds NaN or infinity, so that nothing could be done with the file; or the system refuses to write there. An existing
    /// file stays as it is.
    /// </exception>
    public static void Write(string path, IEnumerable<(string Name, Tensor Tensor)> tensors, CheckpointInfo info)
    {
        var list = tensors.ToList();
        if (FiniteNumbers.NotFinite(list) is { Count: > 0 } names)
        {
            throw new CheckpointError(path, $"is not written: {FiniteNumbers.Holding(names)}");
        }
        SafetensorsWriter.Write(
            path,
            [.. list.Select(entry => Tensors.ToWrite(entry.Name, entry.Tensor))],
            info.ToMetadata()
        );
    }

    /// <summary>Opens a checkpoint; its tensors stay in the mapped file until it is disposed.</summary>
    /// <exception cref="CheckpointError">It cannot be read or is no checkpoint of this program.</exception>
    public static CheckpointFile Open(string path)
    {
        var file = SafetensorsFile.Open(path);
        try
        {
            return new CheckpointFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Unmaps the file, so that it can be replaced (Windows replaces none that is mapped); its tensors cannot be read any more.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>Whether a tensor is no weight but what only resuming needs.</summary>
    public static bool IsState(string name) =>
        StatePrefixes.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal));
}
