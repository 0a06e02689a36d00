using DeqDet.Checkpoints;
using DeqDet.Checkpoints.Onnx;
using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Export;
using DeqDet.Reports;
using Microsoft.FSharp.Core;
using TorchSharp;
using ExportRequest = DeqDet.CommandLine.ExportRequest;
using ExportRuntime = DeqDet.Export.Runtime;

namespace DeqDet.Host.Commands;

/// <summary>`export`: a detector as an ONNX file.</summary>
public static class ExportCommand
{
    private const string Ending = ".onnx";

    /// <summary>Runs the command. The file to write is replaced only when the new one is complete.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="version">The program's version.</param>
    /// <param name="output">Where it says what it wrote.</param>
    /// <exception cref="InputError">The checkpoint cannot be read, what is asked for does not go with it, or the file cannot be written.</exception>
    public static void Run(ExportRequest request, string version, TextWriter output)
    {
        if (!Path.GetExtension(request.Out).Equals(Ending, StringComparison.OrdinalIgnoreCase))
        {
            throw new InputError($"{request.Out}: the file to write is an ONNX file; let its name end in {Ending}");
        }

        var checkpoint = WorkFolderModule.checkpointOf(request.Checkpoint);
        Outputs.Check("export", request.Out, [checkpoint], _ => IsExported(request.Out));
        var model = CheckpointInput.Load(checkpoint, averaged: false, torch.CPU, output);
        try
        {
            Write(request, checkpoint, model, version, output);
        }
        finally
        {
            TrainedModelModule.dispose(model);
        }
    }

    private static void Write(
        ExportRequest request,
        string checkpoint,
        TrainedModel model,
        string version,
        TextWriter output
    )
    {
        var form = FormOf(request);
        var settings = model.Settings.Detector;
        var iteration = ExportFile.iteration(settings, DepthOf(request.Depth));
        if (iteration is not null && !settings.Solver.Scheme.IsPicardScheme)
        {
            output.WriteLine(
                "note: the checkpoint's settings look for the equilibrium by a method that remembers; the file iterates plainly, which needs more steps"
            );
        }

        var info = ExportInfoModule.ofModel(
            version,
            Path.GetFileName(checkpoint),
            ExportFile.hash(checkpoint),
            form,
            iteration,
            model
        );
        ExportFile.write(request.Out, form, info, model);
        output.WriteLine(
            $"{request.Out}: {info.Model}, {Counted.Of(model.Classes.Length, "class", "classes")}, {ExportInfoModule.describe(info)}, operators {form.Operators}, {Human.Bytes(new FileInfo(request.Out).Length)}"
        );
        output.WriteLine(
            $"compare it with the checkpoint: {Human.Command($"verify {Shell.quote(request.Out)} --checkpoint {Shell.quote(request.Checkpoint)}")}"
        );
    }

    private static Form FormOf(ExportRequest request) =>
        new(
            request.Opset?.Value ?? FormModule.standard.Operators,
            request.Numbers switch
            {
                { IsFp16Numbers: true } => WeightForm.Half,
                { IsInt8Numbers: true } => WeightForm.Bytes,
                _ => WeightForm.Single,
            },
            request.Runtime switch
            {
                { IsTensorRtRuntime: true } => ExportRuntime.TensorRt,
                { IsWebRuntime: true } => ExportRuntime.Web,
                _ => ExportRuntime.Standard,
            }
        );

    private static Depth DepthOf(ExportDepth depth) =>
        depth switch
        {
            ExportDepth.StepsDepth steps => Depth.NewSteps(steps.Item),
            ExportDepth.ToleranceDepth tolerance => Depth.NewTolerance(tolerance.Item),
            _ => Depth.AsSettings,
        };

    // Whether a file may be replaced: one that this command wrote.
    private static bool IsExported(string path)
    {
        try
        {
            using var file = OnnxFile.Open(path);
            return ExportInfoModule.ofMetadata(path, file.Metadata) is not null;
        }
        catch (CheckpointError)
        {
            return false;
        }
    }
}
