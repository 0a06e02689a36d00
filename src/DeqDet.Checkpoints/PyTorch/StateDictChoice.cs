namespace DeqDet.Checkpoints.PyTorch;

/// <summary>Which of a checkpoint's state dicts the weights are taken from.</summary>
/// <param name="Taken">The one.</param>
/// <param name="Rest">Where tensors come from that it lacks; null: nowhere.</param>
/// <param name="IsAverage">Whether it holds averages; averages that were asked for can otherwise only be among its names.</param>
/// <param name="Notices">What a person should know about the choice, each a sentence.</param>
internal sealed record StateDictChoice(StateDict Taken, StateDict? Rest, bool IsAverage, IReadOnlyList<string> Notices)
{
    private const int MaxShown = 8;
    private const int MaxNameLength = 64;

    /// <summary>Chooses.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="root">The outermost dictionary.</param>
    /// <param name="averaged">Whether the averages over training are wanted, where there are some.</param>
    /// <param name="budget">Pays for the names that are looked at.</param>
    /// <exception cref="CheckpointError">There is none, or nothing tells which of several is meant.</exception>
    public static StateDictChoice Of(string path, PickleDict root, bool averaged, MemoryBudget budget)
    {
        var all = StateDict.Find(root, budget);
        var averages = all.Where(dict => dict.IsAverage).OrderBy(dict => dict.Rank).ToList();
        var trained = all.Where(dict => !dict.IsAverage).OrderBy(dict => dict.Rank).ToList();
        if (all.Count == 0)
        {
            throw new CheckpointError(path, WithoutTensors(root));
        }
        if (trained.Count == 0)
        {
            return new(averages[0], null, true, averaged ? [] : [$"it has averaged weights only: {averages[0]}"]);
        }
        var plain = Trained(path, trained, budget, out var others);
        if (!averaged || averages.Count == 0)
        {
            string[] notices =
            [
                .. plain.Rank == StateDict.UnknownRank ? [$"the weights are taken from {plain}"] : (string[])[],
                .. others.Count == 0 ? [] : (string[])[$"left aside: {Listed(others)}"],
                .. averages.Count == 0
                    ? []
                    : (string[])[$"left aside: averaged weights, {Listed(averages)}; --ema takes them"],
            ];
            return new(plain, null, false, notices);
        }
        return averages[0].Key == "ema_state_dict" && IsExchanged(root)
            ? new(
                plain,
                null,
                true,
                [$"the averaged weights are {plain}: MMEngine exchanges the two lists when it saves"]
            )
            : new(averages[0], plain, true, [$"the averaged weights are {averages[0]}"]);
    }

    // trained is not empty and in the order of ranks.
    private static StateDict Trained(
        string path,
        IReadOnlyList<StateDict> trained,
        MemoryBudget budget,
        out IReadOnlyList<StateDict> others
    )
    {
        // A loss or a step count beside an unusual key does not make the outermost dictionary a state dict.
        var largest = trained.Where(dict => dict.Rank == StateDict.UnknownRank).Select(dict => dict.Count);
        var candidates =
            trained[0].Key == "" && largest.Any(count => count > trained[0].Count) ? trained.Skip(1) : trained;
        var (best, rest) = (candidates.First(), candidates.Skip(1).Where(dict => dict.Key != "").ToList());
        if (best.Rank == StateDict.UnknownRank && rest.Count > 0)
        {
            throw new CheckpointError(
                path,
                $"has {rest.Count + 1} lists of tensors, none of them under a usual key: {Listed([best, .. rest])}; save the one that is meant alone"
            );
        }
        var names = Names(best, budget);
        foreach (var other in rest.Where(dict => dict.Rank < StateDict.UnknownRank))
        {
            if (names.SetEquals(Names(other, budget)))
            {
                throw new CheckpointError(
                    path,
                    $"has two lists of weights with the same names, {best} and {other}; save the one that is meant alone"
                );
            }
        }
        others = rest;
        return best;
    }

    private static HashSet<string> Names(StateDict dict, MemoryBudget budget)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (key, value) in dict.Items.Items)
        {
            if (key is PickleText text && value is PickleTensor)
            {
                budget.Charge(60 + 2 * text.Length);
                names.Add(text.ToString());
            }
        }
        return names;
    }

    private static string Listed(IReadOnlyList<StateDict> dicts) =>
        Shown(dicts.Select(dict => dict.ToString()), dicts.Count);

    private static string Shown(IEnumerable<string> texts, int count) =>
        string.Join(", ", texts.Take(MaxShown)) + (count > MaxShown ? $" and {count - MaxShown} more" : "");

    // MMEngine's EMAHook saves the averages under state_dict, ready for use, and the trained weights under ema_state_dict.
    private static bool IsExchanged(PickleDict root) =>
        root.Find("message_hub"u8) is not null
        || (root.Find("meta"u8) as PickleDict)?.Find("mmengine_version"u8) is not null;

    private static string WithoutTensors(PickleDict root)
    {
        var dict = (root.Find("state_dict"u8) ?? root.Find("model"u8)) as PickleDict ?? root;
        if (dict.Items.Count == 0)
        {
            return "has no tensors where a state dict should be; it is empty";
        }
        var keys = dict.Items.Select(item =>
            (item.Key is PickleText { Length: <= MaxNameLength } text ? $"'{text}'" : "...")
            + (item.Value is PickleInert inert ? $", {inert.Description}" : "")
        );
        return $"has no tensors where a state dict should be, but {Shown(keys, dict.Items.Count)}"
            + (
                dict.Items.Any(item => item.Value is PickleInert)
                    ? "; nothing of it was run. Of a model saved whole, save the state_dict() instead"
                    : ""
            );
    }
}
