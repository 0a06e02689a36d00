using DeqDet.Data.Export;
using DeqDet.Detection;
using DeqDet.Export;
using DeqDet.Images;
using DeqDet.Reports;
using DeqDet.Reports.Pages;
using DeqDet.Verification;
using Microsoft.FSharp.Core;
using TorchSharp;

namespace DeqDet.Host.Commands.Exporting;

/// <summary>A folder with a page that runs a detector in the browser.</summary>
public static class WebExport
{
    // detections that a GPU has to find again
    private const int Expected = 5;

    /// <summary>Writes the folder, wholly or not at all.</summary>
    /// <param name="folder">The folder, new or empty.</param>
    /// <param name="name">What the page calls the detector.</param>
    /// <param name="form">How the model is written.</param>
    /// <param name="info">What the model says of itself.</param>
    /// <param name="model">The detector.</param>
    /// <param name="runtime">The files of ONNX Runtime Web.</param>
    /// <exception cref="InputError">The folder is not empty, or cannot be written.</exception>
    public static void Write(
        string folder,
        string name,
        Form form,
        ExportInfo info,
        TrainedModel model,
        IReadOnlyDictionary<string, byte[]> runtime
    ) =>
        NewFolder.Fill(
            folder,
            made =>
            {
                var file = Path.Combine(made, WebPage.ModelFile);
                ExportFile.write(file, form, info, model);
                PageOf(name, info, new FileInfo(file).Length, CheckOf(info, model)).Write(made);
                var place = Path.Combine(made, WebPage.RuntimeFolder);
                Directory.CreateDirectory(place);
                foreach (var (part, bytes) in runtime)
                {
                    File.WriteAllBytes(Path.Combine(place, part), bytes);
                }

                File.WriteAllText(Path.Combine(place, "LICENSE.txt"), WebRuntime.Licence);
            }
        );

    private static WebPage PageOf(string name, ExportInfo info, long bytes, WebCheck check)
    {
        var (steps, tolerance) = info.Iteration?.Value switch
        {
            Iteration.Unrolled unrolled => (unrolled.applications, null),
            Iteration.Looped looped => (looped.applications, OptionModule.ToNullable(looped.tolerance)),
            _ => ((int?)null, (double?)null),
        };
        return new(
            name,
            info.Model,
            ExportInfoModule.describe(info),
            [.. info.Classes.Zip(info.Thresholds, (known, threshold) => (known.Name, threshold))],
            new(
                info.Input.ShortSide,
                info.Input.LongMax,
                info.Input.Multiple,
                [.. info.Input.Mean],
                [.. info.Input.Std]
            ),
            steps,
            tolerance,
            bytes,
            check
        );
    }

    // What the detector itself finds, iterated as the file does it.
    private static WebCheck CheckOf(ExportInfo info, TrainedModel model)
    {
        var alike = TrainedModelModule.withDetectorSettings(
            FuncConvert.FromFunc((Model.DetectorSettings settings) => ExportCase.alike(info.Iteration, settings)),
            model
        );
        var picture = ExportCase.picture(1, 160, 120);
        using var session = DetectorSession.Over(alike, torch.CPU);
        return new(
            PngWriter.Encode(picture.Pixels, picture.Width, picture.Height),
            [.. session.Detect(picture).Take(Expected)]
        );
    }
}
