using System.Text.Json.Nodes;
using DeqDet.Checkpoints;
using DeqDet.Data;
using DeqDet.Settings;
using RunSettings = DeqDet.Settings.Settings;

namespace DeqDet.Detection;

/// <summary>A whole detector in a file of any origin, with what is known about it.</summary>
/// <param name="File">The open file.</param>
/// <param name="Settings">Its settings.</param>
/// <param name="Weights">Its tensors without what only resuming needs.</param>
/// <param name="Info">Classes, progress, seed, version and account of training; its settings are <paramref name="Settings"/>.</param>
/// <param name="IsOwn">Whether this program trained it.</param>
public sealed record DetectorFile(
    ITensorFile File,
    RunSettings Settings,
    IReadOnlyList<StoredTensor> Weights,
    CheckpointInfo Info,
    bool IsOwn
)
{
    private const string OwnKey = "deqdet";

    /// <summary>Recognises the detector and checks that all its tensors fit.</summary>
    /// <param name="file">An open file for which <see cref="KnownModels.IsDetector"/> holds; it stays the caller's.</param>
    /// <param name="config">A settings file, or null: the detector's own settings, or the official ones that fit.</param>
    /// <param name="classes">Names separated by commas, or an annotation file; null: what the file says, or COCO's 80.</param>
    /// <exception cref="InputError">It is damaged or does not fit; or its classes are not known.</exception>
    public static DetectorFile Read(ITensorFile file, string? config = null, string? classes = null)
    {
        var own = OwnInfo(file);
        var weights = own is null
            ? file.Tensors
            : [.. file.Tensors.Where(tensor => !CheckpointFile.IsState(tensor.Name))];
        var (settings, name) =
            config is not null ? (KnownModels.Settings(file, config), Path.GetFileNameWithoutExtension(config))
            : own is not null ? (SettingsFile.parse($"{file.Path} (settings)", own.Settings, []), "")
            : KnownModels.Find(file);
        DeqDet.Checkpoints.Weights.Check(file.Path, weights, KnownModels.Expected(settings));
        var info = (own ?? Official(file, name)) with { Settings = SettingsFile.toJson(settings) };
        var count = settings.Detector.Classes;
        info = info with { Classes = classes is null ? Known(file, info.Classes, count) : Given(file, classes, count) };
        return new(file, settings, weights, info, own is not null);
    }

    /// <summary>Whether this program wrote the file and said so in it.</summary>
    /// <exception cref="CheckpointError">What it said is damaged.</exception>
    public static bool HasOwnInfo(ITensorFile file) => OwnInfo(file) is not null;

    /// <summary>What the official programs and this one find beside the state dict of a PyTorch checkpoint.</summary>
    public JsonObject ToMeta() =>
        new()
        {
            ["epoch"] = Info.Progress.Epoch,
            ["iter"] = Info.Progress.Step,
            ["dataset_meta"] = new JsonObject
            {
                ["classes"] = new JsonArray([.. Info.Classes.Select(c => (JsonNode)JsonValue.Create(c.Name))]),
            },
            [OwnKey] = new JsonObject([
                .. Info.ToMetadata().Select(entry => KeyValuePair.Create(entry.Key, (JsonNode?)entry.Value)),
            ]),
        };

    private static CheckpointInfo? OwnInfo(ITensorFile file)
    {
        if (file is SafetensorsFile safetensors)
        {
            return safetensors.Metadata.ContainsKey("format") && safetensors.Metadata.ContainsKey("settings")
                ? CheckpointInfo.FromMetadata(file.Path, safetensors.Metadata)
                : null;
        }
        return Meta(file)?[OwnKey] is JsonObject own
            ? CheckpointInfo.FromMetadata(
                file.Path,
                own.Where(entry => entry.Value?.GetValueKind() == System.Text.Json.JsonValueKind.String)
                    .ToDictionary(entry => entry.Key, entry => entry.Value!.GetValue<string>())
            )
            : null;
    }

    private static JsonObject? Meta(ITensorFile file) => (file as PthFile)?.Metadata["meta"] as JsonObject;

    private static CheckpointInfo Official(ITensorFile file, string name)
    {
        var meta = Meta(file);
        var names = (file as PthFile)?.Classes ?? [];
        // the published order has COCO's ids, which no PyTorch checkpoint mentions
        IReadOnlyList<ObjectClass> classes = names.SequenceEqual(CocoClasses.All.Select(c => c.Name))
            ? CocoClasses.All
            : [.. names.Select((text, i) => new ObjectClass(i + 1, text))];
        var epoch = (int)Math.Clamp(Number("epoch"), 0, int.MaxValue);
        return new(
            "",
            classes,
            new(epoch, Math.Max(0, Number("iter"))),
            (ulong)Math.Max(0, Number("seed")),
            "",
            new()
            {
                ["source"] = Path.GetFileName(file.Path),
                ["model"] = name,
                ["epochs"] = epoch,
            }
        );

        long Number(string key) =>
            meta?[key] is JsonValue value && value.TryGetValue<long>(out var number) ? number : 0;
    }

    private static IReadOnlyList<ObjectClass> Known(ITensorFile file, IReadOnlyList<ObjectClass> classes, int count) =>
        classes.Count == count ? classes
        : classes.Count == 0 && count == CocoClasses.All.Count ? CocoClasses.All
        : throw new CheckpointError(
            file.Path,
            classes.Count == 0
                ? $"does not say what its {count} classes are; name them by --classes"
                : $"names {classes.Count} classes, but its classifier has {count}; name them by --classes"
        );

    private static IReadOnlyList<ObjectClass> Given(ITensorFile file, string classes, int count)
    {
        IReadOnlyList<ObjectClass> given = classes.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
            ? CocoDataset.Load(classes, ".").Categories
            : [.. classes.Split(',').Select((name, i) => new ObjectClass(i + 1, name.Trim()))];
        return given.Count == count
            ? given
            : throw new InputError(
                $"--classes {classes}: these are {given.Count} classes, but the classifier of {file.Path} has {count}"
            );
    }
}
