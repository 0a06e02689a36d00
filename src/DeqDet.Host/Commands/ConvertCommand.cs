using DeqDet.Checkpoints;
using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Model;
using DeqDet.Reports;
using DeqDet.Settings;
using Microsoft.FSharp.Core;
using TorchSharp;

namespace DeqDet.Host.Commands;

/// <summary>`convert`: between official PyTorch checkpoints and this program's, and backbones under a detector's names.</summary>
public static class ConvertCommand
{
    private const ulong DeadWeightsSeed = 0;

    /// <summary>Runs the command. The file to write is replaced only when the new one is complete.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="version">The program's version.</param>
    /// <param name="output">Where it says what it wrote.</param>
    /// <exception cref="InputError">The file to read is damaged, unknown or does not fit; or the other cannot be written.</exception>
    public static void Run(ConvertRequest request, string version, TextWriter output)
    {
        var pth = IsPth(request.Out);
        var path = WeightsByName.ofName(
            PackageSourceModule.ofMachine(CancellationToken.None),
            FuncConvert.FromAction<string>(notice => output.WriteLine($"note: {notice}")),
            request.In
        )
            is { Value: var named }
            ? named
            : WorkFolderModule.checkpointOf(request.In);
        if (request.Decoder && pth)
        {
            throw new InputError(
                $"{request.Out}: a decoder without its backbone is no official detector; write a .safetensors file"
            );
        }
        Outputs.CheckInputs("convert", request.Out, [path]);
        using var file = CheckpointInput.Open(path, request.Ema, output);
        var what = KnownModels.isDetector(file)
            ? Detector(file, request, pth, version, output)
            : Backbone(file, request, pth, output);
        var bytes = new FileInfo(request.Out).Length;
        output.WriteLine($"{request.Out}: {what}, {Human.Bytes(bytes)}");
        if (!KnownModels.isDetector(file))
        {
            output.WriteLine(
                $"train from it: {Human.Command($"train --set {Shell.quote($"backbone.weights={request.Out}")}")}"
            );
        }
    }

    private static bool IsPth(string path) =>
        Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".pth" or ".pt" => true,
            ".safetensors" => false,
            _ => throw new InputError(
                $"{path}: the ending of the file to write decides its format; use .safetensors or .pth"
            ),
        };

    private static string Detector(
        ITensorFile file,
        ConvertRequest request,
        bool pth,
        string version,
        TextWriter output
    )
    {
        var detector = DetectorFileModule.withVersion(
            version,
            DetectorFileModule.read(request.Config, request.Classes, file)
        );
        FiniteNumbers.Check(file.Path, detector.Weights);
        var official = OfficialTensors.ofDetector(detector.Settings.Detector);
        var live = official
            .Where(tensor => !tensor.Dead)
            .Where(tensor =>
                !(request.Decoder && tensor.Spec.Name.StartsWith(BackboneNames.prefix, StringComparison.Ordinal))
            )
            .ToList();
        CheckOut(request);
        if (pth)
        {
            if (detector.Settings.Detector.Queries.Inject)
            {
                output.WriteLine(
                    $"note: {request.In} was trained with injected contents (queries.inject), of which the official code knows nothing: it would compute something else"
                );
            }
            WriteOfficial(request, detector, official);
        }
        else
        {
            var stored = detector.Weights.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
            var info = request.Decoder ? ForOthers(detector) : detector.Info;
            SafetensorsWriter.Write(
                request.Out,
                [.. live.Select(tensor => Copied(stored[tensor.Spec.Name], request.Half))],
                info.ToMetadata()
            );
        }
        var dead = official.Count() - live.Count;
        return $"{ModelNames.Of(detector.Settings.Detector)}, {detector.Info.Classes.Count} classes, {live.Count} tensors"
            + (
                dead == 0 ? ""
                : pth ? $" and {dead} that only the official code wants"
                : $" (without {dead} that only the official code wants)"
            );
    }

    // A decoder is made to be handed on: where its data lay is no matter of those who start from it.
    private static CheckpointInfo ForOthers(DetectorFile detector)
    {
        var (info, root) = (detector.Info, detector.Settings.Data.Root);
        var training = info.Training.DeepClone().AsObject();
        training.Remove("data");
        return new(
            SettingsFile.toJson(
                SettingsModule.withDataRoot(
                    Path.GetFileName(Path.TrimEndingDirectorySeparator(root)),
                    detector.Settings
                )
            ),
            info.Classes,
            info.Progress,
            info.Seed,
            info.Version,
            training
        );
    }

    // The official code loads strictly: it misses also what it never reads.
    private static void WriteOfficial(
        ConvertRequest request,
        DetectorFile detector,
        IEnumerable<OfficialTensor> official
    )
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(DeadWeightsSeed, torch.CPU);
        var stored = detector.Weights.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        PthWriter.Write(
            request.Out,
            [
                .. official
                    .Select(tensor => tensor.Spec)
                    .Select(spec =>
                        stored.TryGetValue(spec.Name, out var tensor) && tensor.Shape.SequenceEqual(spec.Shape)
                            ? Copied(tensor, request.Half)
                            : Tensors.ToWrite(spec.Name, InitialiserModule.draw(generator, spec))
                    ),
            ],
            DetectorFileModule.toMeta(detector)
        );
    }

    private static string Backbone(ITensorFile file, ConvertRequest request, bool pth, TextWriter output)
    {
        var (kind, backbone) = KnownModels.findBackbone(file);
        if ((request.Config ?? request.Classes) is not null || request.Decoder)
        {
            throw new InputError(
                $"{file.Path}: holds a backbone, {ModelNames.Of(kind)}; --config, --classes and --decoder are for whole detectors"
            );
        }
        var input = backbone.Input is { Value: var seen } ? BackboneInputModule.toMetadata(seen) : [];
        if (pth && input.Any())
        {
            throw new InputError(
                $"{request.Out}: the backbone in {file.Path} was trained with images as {BackboneInputModule.describe(backbone.Input!.Value)}, "
                    + "which a .pth file cannot say; write a .safetensors file"
            );
        }
        foreach (var notice in backbone.Notices)
        {
            output.WriteLine($"note: {Human.Path(file.Path)}: {notice}");
        }
        FiniteNumbers.Check(file.Path, backbone.Tensors);
        TensorToWrite[] list = [.. backbone.Tensors.Select(tensor => Copied(tensor, request.Half))];
        CheckOut(request);
        if (pth)
        {
            PthWriter.Write(request.Out, list);
        }
        else
        {
            SafetensorsWriter.Write(request.Out, list, input.ToDictionary(entry => entry.Item1, entry => entry.Item2));
        }
        return $"backbone {ModelNames.Of(kind)}, {list.Length} tensors";
    }

    // Loaded and rounded when its turn comes, so that one tensor at a time is in memory.
    private static TensorToWrite Copied(StoredTensor tensor, bool half) =>
        half && tensor.Type is (ElementType.Float32 or ElementType.Float64 or ElementType.BFloat16)
            ? new(tensor.Name, ElementType.Float16, tensor.Shape, stream => WriteHalf(tensor, stream))
            : TensorToWrite.Of(tensor);

    private static void WriteHalf(StoredTensor stored, Stream stream)
    {
        using var scope = torch.NewDisposeScope();
        var tensor = Tensors.Load(stored).to_type(torch.ScalarType.Float16);
        if (!torch.isfinite(tensor).all().item<bool>())
        {
            throw new CheckpointError(
                stored.Path,
                $"tensor '{stored.Name}' holds numbers that are too large for float16; convert without --fp16"
            );
        }
        Tensors.ToWrite(stored.Name, tensor).WriteTo(stream);
    }

    private static void CheckOut(ConvertRequest request) =>
        Outputs.Check("convert", request.Out, [], _ => Outputs.IsConverted(request.Out));
}
