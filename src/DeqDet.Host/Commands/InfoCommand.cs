using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DeqDet.Checkpoints;
using DeqDet.Checkpoints.Onnx;
using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Model;
using DeqDet.Reports;
using DeqDet.Reports.Training;
using DeqDet.Settings;

namespace DeqDet.Host.Commands;

/// <summary>`info`: what a checkpoint holds and how it was trained. Starts no libtorch.</summary>
public static class InfoCommand
{
    private const int ClassesShown = 12;

    /// <summary>Runs the command.</summary>
    /// <param name="request">What was asked for: a checkpoint of any origin, or a work folder.</param>
    /// <param name="output">Where the lines go.</param>
    /// <exception cref="InputError">It is missing, damaged or of no known kind.</exception>
    public static void Run(InfoRequest request, TextWriter output)
    {
        if (request.Page is { Value: var page })
        {
            Outputs.Check("--page", page, [], start => start.Contains("<title>Training ", StringComparison.Ordinal));
            TrainingPage.Save([request.Checkpoint, .. request.Others], page);
            output.WriteLine($"page: {Human.Path(page)} ({new FileInfo(page).Length / 1e6:0.0} MB)");
            return;
        }

        using var file = CheckpointInput.Open(request.Checkpoint, request.Ema, output);
        var lines = Known(file, request.Size?.Value);
        output.WriteLine(Human.Path(file.Path));
        foreach (var (name, text) in lines.Append(Form(file)).Concat(Inert(file)))
        {
            output.WriteLine($"  {name, -12}{text}");
        }
    }

    // A checkpoint of this program that does not fit its own settings is damaged; any other may be of some other model.
    private static List<(string, string)> Known(ITensorFile file, ImageSize? size)
    {
        try
        {
            return KnownModels.isDetector(file) ? Detector(file, size) : Backbone(file);
        }
        catch (CheckpointError) when (!DetectorFileModule.hasOwnInfo(file))
        {
            var lines = new List<(string, string)>
            {
                ("model", "unknown: its tensors fit no official model; convert lists the differences"),
                ("numbers", Grouped(file.Tensors.Sum(tensor => tensor.ElementCount))),
            };
            if ((file as PthFile)?.Classes is { } names)
            {
                lines.Add(("classes", $"{names.Count}: {Some([.. names.Select((n, i) => new ObjectClass(i, n))])}"));
            }
            return lines;
        }
    }

    private static List<(string, string)> Detector(ITensorFile file, ImageSize? size)
    {
        var detector = DetectorFileModule.read(null, null, file);
        var (settings, info) = (detector.Settings.Detector, detector.Info);
        var official = OfficialTensors.ofDetector(settings);
        var applied = FamilyModule.hasEquilibrium(settings)
            ? $"{settings.Solver.Steps} refinement steps"
            : $"{settings.Head.Stages} stages";
        var injected = settings.Queries.Inject ? " with injected contents" : "";
        var lines = new List<(string, string)>
        {
            ("model", $"{ModelNames.Of(settings)}, {settings.Queries.Count} queries{injected}, {applied}"),
            ("classes", $"{info.Classes.Count}: {Some(info.Classes)}"),
        };
        lines.AddRange(Counts(official, detector.Settings.Optimiser));
        lines.AddRange(ModelParts.Parameters(settings));
        lines.AddRange(ModelParts.Costs(settings, size ?? ImageBatching.largestSize(detector.Settings.Data)));
        lines.AddRange(Training(detector));
        return lines;
    }

    private static IEnumerable<(string, string)> Counts(
        IEnumerable<OfficialTensor> official,
        OptimiserSettings optimiser
    )
    {
        var parameters = official.Where(tensor => tensor.Spec.Role.IsParameter).ToList();
        var dead = Sum(tensor => tensor.Dead);
        (string Name, string Number, string Note)[] rows =
        [
            ("parameters", Grouped(Sum(_ => true)), "in all, as the official code counts"),
            ("", Grouped(Sum(IsTrained)), "trainable"),
            ("", Grouped(dead), "dead: nothing reads them, and they are not kept here"),
        ];
        var width = rows.Max(row => row.Number.Length);
        return rows.Select(row => (row.Name, $"{row.Number.PadLeft(width)}  {row.Note}"));

        bool IsTrained(OfficialTensor tensor) =>
            !tensor.Dead && tensor.Spec.Trainable && !OptimiserRules.isFrozen(optimiser, tensor.Spec.Name);

        long Sum(Func<OfficialTensor, bool> which) =>
            parameters.Where(which).Sum(tensor => tensor.Spec.Shape.Aggregate(1L, (product, size) => product * size));
    }

    private static IEnumerable<(string, string)> Training(DetectorFile detector)
    {
        var info = detector.Info;
        var training = info.Training;
        var epochs = Text(training["epochs"]) ?? Text(info.Progress.Epoch)!;
        yield return (
            "trained",
            info.Progress is { Epoch: 0, Step: 0 }
                ? "the file does not say how long"
                : $"{epochs} epochs, {Grouped(info.Progress.Step)} steps, seed {info.Seed}"
        );
        if (detector.IsOwn)
        {
            yield return (
                "precision",
                $"{TrainingPrecision.word(detector.Settings.Train.Precision)} in training (train.precision), "
                    + $"{(detector.Settings.Detector.Precision.IsFloat32 ? "fp32" : "bf16")} in predictions (precision)"
            );
        }
        var images = Text(training["images"]) is { } number ? $" ({number} images)" : "";
        if (Text(training["data"]) is { } data)
        {
            yield return ("data", Human.Path(data) + images);
        }
        if (Text(training["best_ap"]) is { } ap)
        {
            yield return ("best AP", ap);
        }
        if (Thresholds.read(detector.File.Path, info.Classes.Count, training) is { Value: var thresholds })
        {
            var shown = info
                .Classes.Zip(thresholds)
                .Take(ClassesShown)
                .Select(pair =>
                    $"{pair.First.Name} {pair.Second.Score:0.00}"
                    + (pair.Second.F1 is { } f1 ? $" (F1 {f1:0.00})" : " (as all classes together)")
                );
            yield return (
                "scores",
                "from which detect keeps: "
                    + string.Join(", ", shown)
                    + (thresholds.Length > ClassesShown ? ", ..." : "")
            );
        }
        var source = Text(training["source"]) is { } name ? $"{name}, model {Text(training["model"])}" : null;
        if ((source ?? detector.Settings.Weights.Load?.Value) is { } from)
        {
            yield return ("from", from);
        }
        if (info.Version != "")
        {
            yield return ("written by", $"DeqDet {info.Version}");
        }
        var state = detector.File.Tensors.Count - detector.Weights.Length;
        if (detector.IsOwn)
        {
            yield return (
                "resuming",
                state > 0 ? "possible: the optimiser's state is in it" : "not possible: weights only"
            );
        }
    }

    private static List<(string, string)> Backbone(ITensorFile file)
    {
        var (kind, backbone) = KnownModels.findBackbone(file);
        var lines = new List<(string, string)>
        {
            ("model", $"backbone {ModelNames.Of(kind)}, usable by --set backbone.weights={file.Path}"),
            ("numbers", Grouped(backbone.Tensors.Sum(tensor => tensor.ElementCount))),
        };
        if (backbone.Input is { Value: var input })
        {
            lines.Add(("input", BackboneInputModule.describe(input)));
        }
        return lines;
    }

    private static (string, string) Form(ITensorFile file)
    {
        var types = file
            .Tensors.GroupBy(tensor => tensor.Type)
            .OrderByDescending(group => group.Sum(tensor => tensor.ByteCount))
            .Select(group => group.Key.ShortName());
        var form = file switch
        {
            PthFile => "PyTorch",
            OnnxFile => "ONNX",
            _ => "safetensors",
        };
        var bytes = Human.Bytes(new FileInfo(file.Path).Length);
        return ("file", $"{form}, {bytes}, {file.Tensors.Count} tensors, {string.Join(" and ", types)}");
    }

    // Tensors are built from a few constructors; every other class or function named in the file stayed a name.
    private static IEnumerable<(string, string)> Inert(ITensorFile file)
    {
        if (file is not PthFile pth)
        {
            yield break;
        }
        var beside =
            pth.StateDictKey == "" ? [] : pth.TopLevelKeys.Where(key => key != pth.StateDictKey && key != "meta");
        if (beside.Any())
        {
            yield return ("skipped", $"beside the weights: {string.Join(", ", beside)}");
        }
        var foreign = pth
            .Globals.Where(global =>
                !global.StartsWith("torch", StringComparison.Ordinal) && global != "collections OrderedDict"
            )
            .Select(global => global.Replace(' ', '.'))
            .ToList();
        if (foreign.Count > 0)
        {
            yield return ("inert", $"named in the file, never run: {string.Join(", ", foreign)}");
        }
        if (pth.Skipped.Count > 0)
        {
            yield return ("no tensors", string.Join(", ", pth.Skipped));
        }
    }

    private static string Some(IReadOnlyList<ObjectClass> classes) =>
        string.Join(", ", classes.Take(ClassesShown).Select(c => c.Name))
        + (classes.Count > ClassesShown ? ", ..." : "");

    private static string Grouped(long number) => number.ToString("#,0", CultureInfo.InvariantCulture);

    private static string? Text(JsonNode? node) =>
        node?.GetValueKind() switch
        {
            JsonValueKind.String => node.GetValue<string>(),
            JsonValueKind.Number => double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture)
                .ToString("0.####", CultureInfo.InvariantCulture),
            _ => null,
        };
}
