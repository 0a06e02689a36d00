namespace DeqDet.Checkpoints.PyTorch;

/// <summary>A dictionary of a checkpoint that holds tensors under their names.</summary>
/// <param name="Key">The keys that lead to it, joined by dots; empty for the outermost dictionary itself.</param>
/// <param name="Items">Names and tensors.</param>
internal sealed record StateDict(string Key, PickleDict Items)
{
    /// <summary>Keys under which programs keep a model's weights, in the order in which they are looked for.</summary>
    private static readonly string[] Usual =
    [
        "state_dict",
        "model_state_dict",
        "model",
        "net",
        "network",
        "module",
        "model_state",
        "net_state_dict",
        "params",
        "weights",
        "student",
    ];

    private static readonly string[] AverageWords = ["ema", "teacher", "swa", "averaged"];

    // Beside the weights: what resuming needs and what people read. Tensors in there are no weights.
    private static readonly string[] OtherWords =
    [
        "meta",
        "scheduler",
        "schedulers",
        "scaler",
        "amp",
        "hub",
        "callbacks",
        "loops",
        "rng",
        "args",
        "cfg",
        "config",
    ];

    private const int MaxKeyLength = 128;

    /// <summary>Whether the key says that these weights are averages over training, and not the trained ones themselves.</summary>
    public bool IsAverage => Words(Key).Any(AverageWords.Contains);

    /// <summary>Its place among the usual keys; the outermost dictionary comes after them, unknown keys last.</summary>
    public int Rank =>
        Key == ""
            ? Usual.Length
            : Key.Split('.')
                .Select(part => Array.FindIndex(Usual, key => key.Equals(part, StringComparison.OrdinalIgnoreCase)))
                .Select(place => place < 0 ? UnknownRank : place)
                .Min();

    /// <summary>The rank of all keys that are not usual.</summary>
    public const int UnknownRank = int.MaxValue;

    /// <summary>The number of tensors.</summary>
    public int Count => Items.Items.Count(item => item.Value is PickleTensor);

    /// <summary>How a message names it.</summary>
    public override string ToString() =>
        $"{(Key == "" ? "the outermost dictionary" : $"'{Key}'")} ({Count} {(Count == 1 ? "tensor" : "tensors")})";

    /// <summary>
    /// All state dicts of a checkpoint in the file's order: the outermost dictionary, those directly in it and those one deeper. Each
    /// dictionary is looked at once, however many times it is referred to.
    /// </summary>
    public static List<StateDict> Find(PickleDict root, MemoryBudget budget)
    {
        var seen = new HashSet<PickleDict>(ReferenceEqualityComparer.Instance);
        var found = new List<StateDict>();
        Look("", root, 2);
        return found;

        void Look(string key, PickleDict dict, int depth)
        {
            if (!seen.Add(dict))
            {
                return;
            }
            if (dict.Items.Any(item => item.Value is PickleTensor))
            {
                found.Add(new(key, dict));
            }
            if (depth > 0)
            {
                foreach (var (name, value) in dict.Items)
                {
                    if (value is PickleDict inner && name is PickleText { Length: <= MaxKeyLength } text)
                    {
                        budget.Charge(200 + 4 * (key.Length + text.Length));
                        var part = text.ToString();
                        if (!IsOther(part))
                        {
                            Look(key == "" ? part : $"{key}.{part}", inner, depth - 1);
                        }
                    }
                }
            }
        }
    }

    private static bool IsOther(string key) =>
        Words(key).Any(word => word.StartsWith("optim", StringComparison.Ordinal) || OtherWords.Contains(word));

    private static string[] Words(string key) => key.ToLowerInvariant().Split('_', '-', '.', ' ');
}
