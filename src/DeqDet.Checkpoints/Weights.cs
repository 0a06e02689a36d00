using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Checkpoints;

/// <summary>Takes tensors from a file only if all of them fit.</summary>
public static class Weights
{
    /// <summary>
    /// Compares names, shapes and kinds (Boolean, integer, floating point) with what is expected. Floating-point numbers may be
    /// stored in another precision, integers in another width.
    /// </summary>
    /// <param name="path">The file, for the message.</param>
    /// <param name="stored">What it holds.</param>
    /// <param name="expected">What it should hold; names must differ.</param>
    /// <exception cref="CheckpointError">
    /// One message with everything that is missing, unexpected, or of another shape or kind, each on a line of its own.
    /// </exception>
    public static void Check(
        string path,
        IReadOnlyCollection<StoredTensor> stored,
        IReadOnlyCollection<ExpectedTensor> expected
    )
    {
        var found = stored.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        var wanted = expected.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        var missing = new List<string>();
        var different = new List<string>();
        foreach (var tensor in expected.Where(tensor => tensor.Needed))
        {
            if (!found.TryGetValue(tensor.Name, out var candidate))
            {
                missing.Add($"{tensor.Name} {TensorShape.Text(tensor.Shape)}");
            }
            else if (!candidate.Shape.SequenceEqual(tensor.Shape) || Kind(candidate.Type) != Kind(tensor.Type))
            {
                different.Add(
                    $"{tensor.Name} is {candidate.Type.ShortName()} {TensorShape.Text(candidate.Shape)}, "
                        + $"should be {tensor.Type.ShortName()} {TensorShape.Text(tensor.Shape)}"
                );
            }
        }
        var unexpected = stored
            .Where(tensor => !wanted.Contains(tensor.Name))
            .Select(tensor => $"{tensor.Name} {TensorShape.Text(tensor.Shape)}")
            .ToList();
        if (missing.Count + different.Count + unexpected.Count > 0)
        {
            var problem = new StringBuilder(
                "its tensors do not fit; is it a checkpoint of another model or another number of classes?"
            );
            Append(problem, "missing", missing);
            Append(problem, "unexpected", unexpected);
            Append(problem, "of another shape or kind", different);
            throw new CheckpointError(path, problem.ToString());
        }
    }

    /// <summary>
    /// Checks all tensors of a file (see <see cref="Check"/>) and that the needed ones are finite, then loads these, in the expected
    /// types, to <paramref name="device"/> (default: the CPU). Either all come back or none.
    /// </summary>
    /// <returns>New tensors by name, without gradient, in no dispose scope; the caller disposes them.</returns>
    /// <exception cref="CheckpointError">They do not fit, hold NaN or infinity, or the file's numbers are damaged.</exception>
    public static Dictionary<string, Tensor> Load(
        ITensorFile file,
        IReadOnlyCollection<ExpectedTensor> expected,
        Device? device = null
    ) => Load(file.Path, file.Tensors, expected, device);

    /// <summary>The same for a part of a file's tensors.</summary>
    public static Dictionary<string, Tensor> Load(
        string path,
        IReadOnlyCollection<StoredTensor> stored,
        IReadOnlyCollection<ExpectedTensor> expected,
        Device? device = null
    )
    {
        Check(path, stored, expected);
        var found = stored.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        FiniteNumbers.Check(path, expected.Where(tensor => tensor.Needed).Select(tensor => found[tensor.Name]));
        var loaded = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            foreach (var tensor in expected.Where(tensor => tensor.Needed))
            {
                loaded.Add(tensor.Name, LoadAs(found[tensor.Name], tensor.Type, device));
            }
            return loaded;
        }
        catch
        {
            foreach (var tensor in loaded.Values)
            {
                tensor.Dispose();
            }
            throw;
        }
    }

    private static Tensor LoadAs(StoredTensor stored, ElementType type, Device? device)
    {
        using var scope = NewDisposeScope();
        var tensor = Tensors.Load(stored, device);
        if (stored.Type != type)
        {
            tensor = tensor.to_type(
                Tensors.ToScalarType(type) ?? throw new ArgumentException($"TorchSharp has no {type.ShortName()}")
            );
            if (tensor.is_floating_point() && !isfinite(tensor).all().item<bool>())
            {
                throw new CheckpointError(
                    stored.Path,
                    $"tensor '{stored.Name}' holds numbers that are too large for the type {type.ShortName()}"
                );
            }
        }
        return tensor.DetachFromDisposeScope();
    }

    private static int Kind(ElementType type) =>
        type switch
        {
            ElementType.Bool => 0,
            ElementType.Float16 or ElementType.BFloat16 or ElementType.Float32 or ElementType.Float64 => 1,
            _ => 2,
        };

    private static void Append(StringBuilder problem, string what, List<string> lines)
    {
        if (lines.Count > 0)
        {
            problem.Append($"\n  {what} ({lines.Count}):");
            foreach (var line in lines)
            {
                problem.Append($"\n    {line}");
            }
        }
    }
}
