using DeqDet.Checkpoints;
using static TorchSharp.torch;

namespace DeqDet.Detection;

/// <summary>Starts a detector's backbone from published weights.</summary>
public static class BackboneWeights
{
    /// <summary>
    /// Loads the backbone from a file that <see cref="BackboneNames.Convert"/> knows. Swin classifiers have no normalisation of
    /// the levels' outputs; where the file lacks it, it is left out of the result. Counters and index tables that nothing computes
    /// with may be in the file or not.
    /// </summary>
    /// <param name="path">A .pth or safetensors file.</param>
    /// <param name="expected">What the model wants; only names that start with <c>backbone.</c> are looked at.</param>
    /// <param name="device">Where to; the CPU by default.</param>
    /// <returns>New tensors by name; the caller disposes them.</returns>
    /// <exception cref="CheckpointError">The file cannot be read, is of another kind, or does not fit.</exception>
    public static Dictionary<string, Tensor> Load(
        string path,
        IEnumerable<ExpectedTensor> expected,
        Device? device = null
    )
    {
        using var file = TensorFile.Open(path);
        var wanted = expected
            .Where(tensor => tensor.Name.StartsWith("backbone.", StringComparison.Ordinal))
            .ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        var stored = BackboneNames
            .Convert(file)
            .Where(tensor => wanted.ContainsKey(tensor.Name) || !BackboneNames.IsBookkeeping(tensor.Name))
            .ToArray();
        foreach (var name in wanted.Keys.Except(stored.Select(tensor => tensor.Name)).Where(BackboneNames.IsOutputNorm))
        {
            wanted.Remove(name);
        }
        return Weights.Load(path, stored, wanted.Values, device);
    }
}
