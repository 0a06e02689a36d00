using DeqDet.Checkpoints;
using DeqDet.Model;
using DeqDet.Settings;
using RunSettings = DeqDet.Settings.Settings;

namespace DeqDet.Detection;

/// <summary>Recognises models by the names and shapes of their tensors.</summary>
public static class KnownModels
{
    private const string ClassLayer = ".fc_cls.weight";
    private const string Backbone = "backbone.";

    private static readonly string[] Backbones =
    [
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "swin_t",
        "swin_s",
        "swin_b",
    ];

    /// <summary>Whether the tensors are those of a whole detector, not of a backbone alone.</summary>
    public static bool IsDetector(ITensorFile file) =>
        file.Tensors.Any(tensor => tensor.Name.StartsWith("roi_head.", StringComparison.Ordinal));

    /// <summary>The settings of a file, for as many classes as the detector's tensors are made for.</summary>
    /// <exception cref="InputError">The settings are wrong, or the detector has no classifier.</exception>
    public static RunSettings Settings(ITensorFile file, string config)
    {
        var layer = file.Tensors.FirstOrDefault(tensor =>
            tensor.Name.EndsWith(ClassLayer, StringComparison.Ordinal) && tensor.Shape is [> 0, _]
        );
        return layer is null
            ? throw new CheckpointError(file.Path, $"has no classifier: no tensor '*{ClassLayer}' of two dimensions")
            : SettingsFile.load(config, [$"classes={layer.Shape[0]}"]);
    }

    /// <summary>The first of the official models in configs/ that a detector's tensors fit.</summary>
    /// <returns>Its settings, for as many classes as the detector has, and the settings file's name without ending.</returns>
    /// <exception cref="CheckpointError">They fit none: what is wrong with the nearest one.</exception>
    public static (RunSettings Settings, string Name) Find(ITensorFile file)
    {
        var candidates = Directory
            .GetFiles(ConfigFolder(file.Path), "*.json")
            .Where(config => Path.GetFileName(config).Contains("x_coco", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(config =>
            {
                var settings = Settings(file, config);
                var expected = Expected(settings);
                return (config, settings, expected, Different: Differences(file.Tensors, expected));
            })
            .ToList();
        var (nearest, found, wanted, _) = candidates.MinBy(candidate => candidate.Different);
        var name = Path.GetFileNameWithoutExtension(nearest);
        try
        {
            Weights.Check(file.Path, file.Tensors, wanted);
            return (found, name);
        }
        catch (CheckpointError error)
        {
            throw new CheckpointError(
                file.Path,
                $"fits no official model; name the settings it was trained with by --config. Compared with the nearest, {name}, {error.Problem}",
                error
            );
        }
    }

    /// <summary>What a detector with these settings wants; dead tensors may be absent.</summary>
    public static IReadOnlyList<ExpectedTensor> Expected(RunSettings settings) =>
        [.. DetectorModule.specs(settings.Detector).Select(ExpectedWeights.Of)];

    /// <summary>
    /// The backbone of a file that <see cref="BackboneNames.Convert"/> knows: its tensors in the official order under
    /// <c>backbone.</c> names, without those that nothing computes with.
    /// </summary>
    /// <exception cref="CheckpointError">It is no backbone known here.</exception>
    public static (BackboneKind Kind, IReadOnlyList<StoredTensor> Tensors) FindBackbone(ITensorFile file)
    {
        var stored = BackboneNames
            .Convert(file)
            .Where(tensor => !BackboneNames.IsBookkeeping(tensor.Name))
            .ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        var (settings, expected, _) = Backbones
            .Select(kind =>
            {
                var settings = SettingsFile.parse(
                    kind,
                    $$"""{ "backbone": { "kind": "{{kind}}", "frozen_stages": -1 } }""",
                    []
                );
                var expected = Expected(settings)
                    .Where(tensor => tensor.Name.StartsWith(Backbone, StringComparison.Ordinal))
                    .Where(tensor => stored.ContainsKey(tensor.Name) || !BackboneNames.IsOutputNorm(tensor.Name))
                    .ToList();
                return (settings, expected, Different: Differences(stored.Values, expected));
            })
            .MinBy(candidate => candidate.Different);
        Weights.Check(file.Path, stored.Values, expected);
        return (
            settings.Detector.Backbone.Kind,
            [.. expected.Where(tensor => tensor.Needed).Select(tensor => stored[tensor.Name])]
        );
    }

    private static int Differences(IReadOnlyCollection<StoredTensor> stored, IReadOnlyList<ExpectedTensor> expected)
    {
        var wanted = expected.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        var names = stored.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        return stored.Count(tensor =>
                !wanted.TryGetValue(tensor.Name, out var other)
                || (other.Needed && !other.Shape.SequenceEqual(tensor.Shape))
            ) + expected.Count(tensor => tensor.Needed && !names.Contains(tensor.Name));
    }

    // The current folder's, or those of the repository that the program was built in.
    private static string ConfigFolder(string path)
    {
        for (var folder = new DirectoryInfo(Environment.CurrentDirectory); folder is not null; folder = folder.Parent)
        {
            if (Has(folder) is { } found)
            {
                return found;
            }
        }
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (Has(folder) is { } found)
            {
                return found;
            }
        }
        throw new CheckpointError(
            path,
            "the official settings (configs/deqdet_r50_1x_coco.json and others) are not found, so nothing tells which model it is; name its settings by --config"
        );

        static string? Has(DirectoryInfo folder)
        {
            var configs = Path.Combine(folder.FullName, "configs");
            return File.Exists(Path.Combine(configs, "deqdet_r50_1x_coco.json")) ? configs : null;
        }
    }
}
