using DeqDet.Checkpoints;
using DeqDet.Checkpoints.Onnx;
using DeqDet.CommandLine;
using DeqDet.Data.Export;
using DeqDet.Detection;
using DeqDet.Export;
using DeqDet.Host.Commands.Exporting;
using DeqDet.Host.Terminal;
using DeqDet.Reports;
using Microsoft.FSharp.Core;
using TorchSharp;
using ExportRequest = DeqDet.CommandLine.ExportRequest;
using ExportRuntime = DeqDet.Export.Runtime;

namespace DeqDet.Host.Commands;

/// <summary>`export`: a detector as an ONNX file, or as a page with that file in it.</summary>
public static class ExportCommand
{
    private const string Ending = ".onnx";

    /// <summary>Runs the command. The file to write is replaced only when the new one is complete; a folder is filled wholly or not at all.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="version">The program's version.</param>
    /// <param name="output">Where it says what it wrote.</param>
    /// <exception cref="InputError">The checkpoint cannot be read, what is asked for does not go with it, or the file cannot be written.</exception>
    public static void Run(ExportRequest request, string version, TextWriter output)
    {
        var isFile = Path.GetExtension(request.Out).Equals(Ending, StringComparison.OrdinalIgnoreCase);
        if (isFile && request.RuntimePackage is not null)
        {
            throw new InputError(
                $"--runtime: is for a page; name its folder in place of the ONNX file {request.Out}, which comes without a runtime"
            );
        }

        if (!isFile && !request.Runtime.IsWebRuntime)
        {
            throw new InputError(
                $"{request.Out}: the file to write is an ONNX file; let its name end in {Ending}, or ask for a page in a folder of that name: --for web"
            );
        }

        var checkpoint = WorkFolderModule.checkpointOf(request.Checkpoint);
        if (isFile)
        {
            Outputs.Check("export", request.Out, [checkpoint], _ => IsExported(request.Out));
            With(
                request,
                checkpoint,
                version,
                output,
                (form, info, model) => Write(request, form, info, model, output)
            );
        }
        else
        {
            NewFolder.Check(request.Out);
            using var interruption = new Interruption();
            var runtime = RuntimeSource
                .OfMachine(interruption.Token)
                .Files(request.RuntimePackage?.Value, output, interruption.Token);
            With(
                request,
                checkpoint,
                version,
                output,
                (form, info, model) => WritePage(request, form, info, model, runtime, output)
            );
        }
    }

    private static void With(
        ExportRequest request,
        string checkpoint,
        string version,
        TextWriter output,
        Action<Form, ExportInfo, TrainedModel> write
    )
    {
        var model = CheckpointInput.Load(checkpoint, averaged: false, torch.CPU, output);
        try
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
            write(form, info, model);
        }
        finally
        {
            TrainedModelModule.dispose(model);
        }
    }

    private static void Write(ExportRequest request, Form form, ExportInfo info, TrainedModel model, TextWriter output)
    {
        ExportFile.write(request.Out, form, info, model);
        output.WriteLine(
            $"{request.Out}: {About(info)}, operators {form.Operators}, {Human.Bytes(new FileInfo(request.Out).Length)}"
        );
        output.WriteLine(
            $"compare it with the checkpoint: {Human.Command($"verify {Shell.quote(request.Out)} --checkpoint {Shell.quote(request.Checkpoint)}")}"
        );
    }

    private static void WritePage(
        ExportRequest request,
        Form form,
        ExportInfo info,
        TrainedModel model,
        IReadOnlyDictionary<string, byte[]> runtime,
        TextWriter output
    )
    {
        // no path of this machine: the page may be for everybody
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(request.Checkpoint)));
        WebExport.Write(request.Out, name, form, info, model, runtime);
        var bytes = new DirectoryInfo(request.Out)
            .EnumerateFiles("*", SearchOption.AllDirectories)
            .Sum(file => file.Length);
        output.WriteLine($"{request.Out}: a page with {About(info)}, {Human.Bytes(bytes)}");
        output.WriteLine(
            $"open it through a file server, such as: {Human.Command($"serve {Shell.quote(request.Out)}")}"
        );
    }

    private static string About(ExportInfo info) =>
        $"{info.Model}, {Counted.Of(info.Classes.Length, "class", "classes")}, {ExportInfoModule.describe(info)}";

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
