using System.Text.Json.Nodes;
using DeqDet.Checkpoints.PyTorch;

namespace DeqDet.Checkpoints;

/// <summary>
/// An open PyTorch checkpoint (.pth, .pt; zip or old stream format): the tensors of its state dict, left where they lie in the
/// mapped file, and the plain part of its metadata. The pickle in it is interpreted as data only (see
/// <see cref="PickleMachine"/>).
/// </summary>
public sealed class PthFile : ITensorFile
{
    private const int MaxKeyLength = 1024;

    private readonly MappedFile _file;
    private readonly Dictionary<string, StoredTensor> _byName;
    private readonly List<string> _topLevelKeys = [];

    private PthFile(MappedFile file, bool averaged, bool asSaved)
    {
        _file = file;
        var budget = new MemoryBudget(file.Path);
        var container = PthContainer.Read(file, budget);
        Globals = [.. container.Globals.Select(global => global.ToString()).Order(StringComparer.Ordinal)];
        if (container.Root is not PickleDict root)
        {
            var what = container.Root is PickleInert inert ? $"an object of {inert.What}" : "something else";
            throw new CheckpointError(file.Path, $"holds {what}, not a state dict; save model.state_dict() instead");
        }
        var choice = StateDictChoice.Of(file.Path, root, averaged, budget);
        var reader = new StateDictReader(file, container, budget);
        StateDictKey = choice.Taken.Key;
        (Tensors, Skipped) = reader.Read(choice.Taken.Items);
        Notices = choice.Notices;
        if (!asSaved)
        {
            var weights = WeightNames.Select(Path, Tensors, averaged && !choice.IsAverage);
            if (choice.Rest is { } rest)
            {
                weights = weights.CompletedFrom(
                    WeightNames.Select(Path, reader.Read(rest.Items).Tensors, averaged: false)
                );
            }
            (Tensors, Notices) = (weights.Tensors, [.. Notices, .. weights.Notices]);
        }
        _byName = Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        var plain = new PlainData(file.Path, budget);
        foreach (var (name, value) in root.Items)
        {
            if (name is PickleText { Length: <= MaxKeyLength } text)
            {
                budget.Charge(2 * text.Length + 100);
                _topLevelKeys.Add(text.ToString());
                if (text.Is("meta"u8) || (StateDictKey != "" && PlainData.IsScalar(value)))
                {
                    Metadata[text.ToString()] = plain.ToJson(value);
                }
            }
        }
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyList<StoredTensor> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Notices { get; }

    /// <summary>The keys of the outermost dictionary, such as meta and state_dict.</summary>
    public IReadOnlyList<string> TopLevelKeys => _topLevelKeys;

    /// <summary>
    /// The key under which the state dict was found (keys, joined by dots, where it lies deeper); empty if it is the outermost
    /// dictionary itself.
    /// </summary>
    public string StateDictKey { get; }

    /// <summary>
    /// What is plain data: <c>meta</c> (epoch, iter, dataset_meta, ...) and the outermost numbers and texts. Objects of unknown
    /// classes are left out.
    /// </summary>
    public JsonObject Metadata { get; } = [];

    /// <summary>Entries of the state dict that are plain data, not tensors; they are left out.</summary>
    public IReadOnlyList<string> Skipped { get; }

    /// <summary>"module name" of every class and function named in the pickle, in ordinal order; for reports.</summary>
    public IReadOnlyList<string> Globals { get; }

    /// <summary>The names of the classes the model was trained on, where the metadata tell them.</summary>
    public IReadOnlyList<string>? Classes
    {
        get
        {
            var meta = Metadata["meta"] as JsonObject;
            var dataset = meta?["dataset_meta"] as JsonObject;
            var classes = dataset?["CLASSES"] ?? dataset?["classes"] ?? meta?["CLASSES"];
            return
                classes is JsonArray list
                && list.All(item => item?.GetValueKind() == System.Text.Json.JsonValueKind.String)
                ? [.. list.Select(item => item!.GetValue<string>())]
                : null;
        }
    }

    /// <summary>
    /// Opens a checkpoint and checks where all its tensors lie; their numbers are checked when they are read. Their names are those in
    /// the file (<see cref="TensorFile.Open"/> gives the model's).
    /// </summary>
    /// <exception cref="CheckpointError">It cannot be read, is damaged or hostile, or has no state dict.</exception>
    public static PthFile Open(string path) => Open(path, averaged: false, asSaved: true);

    /// <summary>For <see cref="TensorFile.Open"/>.</summary>
    internal static PthFile OpenWeights(string path, bool averaged) => Open(path, averaged, asSaved: false);

    private static PthFile Open(string path, bool averaged, bool asSaved)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new PthFile(file, averaged, asSaved);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public StoredTensor? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="CheckpointError">There is none.</exception>
    public StoredTensor this[string name] => Find(name) ?? throw new CheckpointError(Path, $"has no tensor '{name}'");

    /// <summary>Unmaps the file; its tensors cannot be read any more.</summary>
    public void Dispose() => _file.Dispose();
}
