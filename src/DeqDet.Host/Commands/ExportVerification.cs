using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Verification;
using Microsoft.FSharp.Core;
using SettingsOf = DeqDet.Settings.SettingsModule;

namespace DeqDet.Host.Commands;

/// <summary>`verify` of an ONNX file: against the checkpoint that it was made from.</summary>
public static class ExportVerification
{
    /// <summary>Whether a path is that of an ONNX file, there or not, and no folder.</summary>
    public static bool IsFor(string path) =>
        !Directory.Exists(path)
        && (File.Exists(path) || Path.GetExtension(path).Equals(".onnx", StringComparison.OrdinalIgnoreCase));

    /// <summary>The job of comparing the file.</summary>
    /// <exception cref="InputError">There is no such file or no checkpoint, or an argument is for folders only.</exception>
    public static Catalogue.Job Job(VerifyRequest request, TextWriter output, CancellationToken cancellation)
    {
        var path = request.Folder;
        if (!File.Exists(path))
        {
            throw new InputError($"{path}: there is no such file");
        }

        if (request.Only is not null)
        {
            throw new InputError("--only: chooses among golden files; an ONNX file is compared as a whole");
        }

        var checkpoint = request.Checkpoint?.Value ?? Beside(path);
        var validation = request.Data is { Value: var data }
            ? FSharpOption<FSharpFunc<TrainedModel, Validation>>.Some(
                FuncConvert.FromFunc(
                    (TrainedModel model) => Validation.Of(SettingsOf.withDataRoot(data, model.Settings), model.Classes)
                )
            )
            : null;
        return new(
            path,
            FuncConvert.FromFunc(() =>
                ExportCase.check(
                    path,
                    checkpoint,
                    validation,
                    FuncConvert.FromAction<string>(output.WriteLine),
                    cancellation
                )
            )
        );
    }

    // The checkpoint of the recorded name in the file's own folder.
    private static string Beside(string path)
    {
        var name = ExportCase.checkpointName(path);
        var file = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name);
        return File.Exists(file)
            ? file
            : throw new InputError(
                $"{path}: was made from {name}, which is not beside it; name it by --checkpoint FILE, or its work folder"
            );
    }
}
