namespace DeqDet.Checkpoints;

/// <summary>A model's weights among the tensors of a list.</summary>
/// <param name="Tensors">Under the model's own names, in the file's order.</param>
/// <param name="Notices">What was left out of the names, or left aside: each a sentence for people.</param>
public sealed record NamedWeights(IReadOnlyList<StoredTensor> Tensors, IReadOnlyList<string> Notices)
{
    /// <summary>The same, with those tensors of another list that are not among them: averages often lack buffers.</summary>
    public NamedWeights CompletedFrom(NamedWeights other)
    {
        var names = Tensors.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        var missing = other.Tensors.Where(tensor => !names.Contains(tensor.Name)).ToList();
        return missing.Count == 0
            ? this
            : new(
                [.. Tensors, .. missing],
                [
                    .. Notices,
                    $"without an average, and taken from the trained weights: {WeightNames.Summary([.. missing.Select(tensor => tensor.Name)])}",
                ]
            );
    }
}

/// <summary>
/// Names as a model gives them to its tensors, without what training programs put in front: wrappers for several devices
/// (<c>module.</c>), for compilation (<c>_orig_mod.</c>), modules around the model (<c>model.</c>), and the part it plays beside
/// another one (<c>student.</c> and <c>teacher.</c>, MoCo's <c>encoder_q.</c> and <c>encoder_k.</c>).
/// </summary>
public static class WeightNames
{
    private static readonly string[] Wrappers = ["module", "model", "net", "network"];

    // Of two networks: the one that is trained, and its average over training.
    private static readonly string[] Trained = ["student", "encoder_q"];
    private static readonly string[] Averaged = ["teacher", "encoder_k", "ema", "model_ema", "ema_model"];

    // Wrappers of single modules, which stand anywhere in a name.
    private static readonly string[] Inner = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

    // How often an average was updated.
    private static readonly string[] Counters = ["steps", "n_averaged", "num_updates", "updates", "initted", "decay"];

    private const string BufferPrefix = "ema_";
    private const int MaxShown = 6;

    /// <summary>Finds the weights. Names without anything in front come back as they are.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="stored">A list of tensors; names must differ.</param>
    /// <param name="averaged">Whether averages over training are wanted in the place of the trained weights.</param>
    /// <exception cref="CheckpointError">It holds two lists that both fit, or averages are wanted and it has none.</exception>
    public static NamedWeights Select(string path, IReadOnlyList<StoredTensor> stored, bool averaged)
    {
        var list = new WeightList(path, stored);
        list.Drop(Counters);
        list.LeaveOut(Inner);
        while (list.Strip(Wrappers) || list.KeepOne(Trained, Averaged, averaged)) { }
        list.Drop(Counters);
        list.Buffers(BufferPrefix, averaged);
        return averaged && !list.HasAverages
            ? throw new CheckpointError(
                path,
                "has no averaged weights: no list such as ema_state_dict or model_ema, and no names that start with 'ema_', 'ema.' or "
                    + $"'teacher.'; it holds {Summary([.. stored.Select(tensor => tensor.Name)])}"
            )
            : list.ToWeights();
    }

    /// <summary>
    /// What names begin with, for messages: <c>encoder.* (200 tensors), decoder.* (30 tensors), queue and 2 more</c>.
    /// </summary>
    public static string Summary(IReadOnlyCollection<string> names)
    {
        var groups = names
            .GroupBy(name => name.Split('.')[0], StringComparer.Ordinal)
            .OrderByDescending(group => group.Count())
            .Select(group => group.Count() == 1 ? group.First() : $"{group.Key}.* ({group.Count()} tensors)")
            .ToList();
        return names.Count == 0
            ? "no tensors"
            : string.Join(", ", groups.Take(MaxShown))
                + (groups.Count > MaxShown ? $" and {groups.Count - MaxShown} more" : "");
    }
}
