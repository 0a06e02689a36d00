using System.Text.Json;
using DeqDet.Coco;
using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Images;
using DeqDet.Model;
using DeqDet.Reports;
using DeqDet.Settings;
using DeqDet.Solver;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using static TorchSharp.torch;

namespace DeqDet.Host.Commands;

/// <summary>`detect`: what a checkpoint finds in images, as JSON and as pictures.</summary>
public static class DetectCommand
{
    /// <summary>An image that was looked at: the path as the user gave it, its size, what was found.</summary>
    private sealed record Seen(
        string File,
        string Picture,
        int Width,
        int Height,
        IReadOnlyList<Finding> Found,
        IReadOnlyList<Report> Refinement
    );

    /// <summary>Runs the command. Images that cannot be read are named and left out; the others are done first.</summary>
    /// <exception cref="InputError">The checkpoint is missing or damaged, or some image could not be read.</exception>
    public static void Run(DetectRequest request, TextWriter output)
    {
        var (files, passedOver) = ImageSearch.Find(request.Images);
        foreach (var notice in passedOver)
        {
            output.WriteLine($"note: {notice}");
        }

        var device = ComputeDevice.Choose(DeviceChoice.Auto);
        ComputeDevice.UseThreads(null);
        using var interruption = new Interruption();
        var model = TrainedModel.Load(request.Checkpoint, request.Solver, device);
        if (request.WarmStart && OptionModule.IsNone(model.Settings.Detector.Solver.Tolerance))
        {
            throw new InputError(
                "--warm-start needs a tolerance, without which nothing tells whether a start was good; for example: --tolerance 0.02"
            );
        }

        CreateFolder(request.Out);
        var pictures = PictureNames(files);
        var seen = new List<Seen>();
        var refused = new List<string>();
        var refinements = new Refinements();
        using var frames = request.WarmStart ? new FrameSequence(model.Detector, device) : null;
        foreach (var file in files)
        {
            if (interruption.Token.IsCancellationRequested)
            {
                break;
            }

            try
            {
                var image = ImageFile.Load(file);
                using var batch = ImageFiles.Batch(image, model.Settings.Data);
                var prediction =
                    frames?.Next(batch, interruption.Token)
                    ?? Prediction.Of(model.Detector, batch, device, interruption.Token)[0];
                if (interruption.Token.IsCancellationRequested)
                {
                    // a refinement that was cut short is no result
                    break;
                }

                var found = prediction.Findings.Where(finding => finding.Score >= request.Threshold).ToList();
                refinements.Add(prediction.Refinement);
                var picture = Path.Combine(request.Out, pictures[file]);
                Draw(model, image, found).Save(picture);
                seen.Add(new(file, pictures[file], image.Width, image.Height, found, prediction.Refinement));
                output.WriteLine($"{file}: {Told(model, found)} -> {picture}");
            }
            catch (InputError error)
            {
                refused.Add(error.Message);
                output.WriteLine($"skipped: {error.Message}");
            }
        }

        var json = Path.Combine(request.Out, "results.json");
        AtomicFile.Write(json, stream => Write(model, seen, stream));
        output.WriteLine(
            $"{seen.Sum(image => image.Found.Count)} detections of at least {request.Threshold:0.##} in {seen.Count} images: {json}"
        );
        if (refinements.Told(model.Settings.Detector.Solver) is { } told)
        {
            output.WriteLine(told);
        }

        if (frames is not null)
        {
            output.WriteLine(
                $"warm start: {frames.Warm} of {seen.Count} images began at the equilibrium of the one before, {frames.Failed} failed and began anew"
            );
        }

        if (refused.Count > 0)
        {
            throw new InputError($"{refused.Count} of {files.Count} images could not be used; the first: {refused[0]}");
        }
    }

    private static Picture Draw(TrainedModel model, RgbImage image, IReadOnlyList<Finding> found) =>
        Picture.Annotate(
            image,
            [
                .. found
                    .OrderBy(finding => finding.Score)
                    .Select(finding => new DrawnBox(
                        finding.Box,
                        finding.Label,
                        model.Classes[finding.Label].Name,
                        finding.Score
                    )),
            ]
        );

    private static string Told(TrainedModel model, IReadOnlyList<Finding> found) =>
        found.Count == 0
            ? "nothing"
            : string.Join(
                ", ",
                found
                    .GroupBy(finding => finding.Label)
                    .OrderBy(group => group.Key)
                    .Select(group => $"{group.Count()} {model.Classes[group.Key].Name}")
            );

    // The image's own name with .png; where two images share one, they are numbered.
    private static Dictionary<string, string> PictureNames(IReadOnlyList<string> files)
    {
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            var stem = Path.GetFileNameWithoutExtension(file);
            var name = $"{stem}.png";
            for (var i = 2; !taken.Add(name); i++)
            {
                name = $"{stem}-{i}.png";
            }

            names.Add(file, name);
        }

        return names;
    }

    private static void CreateFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"--out {folder}: cannot be made ({error.Message}); choose another folder");
        }
    }

    // How many applications each query took, and how far it then still was from being a fixed point.
    private static void WriteRefinement(Utf8JsonWriter writer, IReadOnlyList<Report> queries)
    {
        if (queries.Count == 0)
        {
            return;
        }

        writer.WriteStartObject("refinement");
        writer.WriteNumber("steps", Refinements.Steps(queries));
        writer.WriteNumber("settled", Refinements.Settled(queries));
        writer.WriteStartArray("query_steps");
        foreach (var query in queries)
        {
            writer.WriteNumberValue(query.Evaluations);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("query_residuals");
        foreach (var query in queries)
        {
            if (double.IsFinite(query.RelativeResidual))
            {
                writer.WriteNumberValue((float)query.RelativeResidual);
            }
            else
            {
                writer.WriteNullValue();
            }
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    // COCO's layout, so that tools which read annotations can read it: boxes are [x, y, width, height] in px of the image.
    private static void Write(TrainedModel model, IReadOnlyList<Seen> images, Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, new() { Indented = true });
        writer.WriteStartObject();
        writer.WriteStartArray("images");
        for (var i = 0; i < images.Count; i++)
        {
            writer.WriteStartObject();
            writer.WriteNumber("id", i + 1);
            writer.WriteString("file_name", images[i].File);
            writer.WriteNumber("width", images[i].Width);
            writer.WriteNumber("height", images[i].Height);
            writer.WriteString("picture", images[i].Picture);
            WriteRefinement(writer, images[i].Refinement);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartArray("categories");
        foreach (var category in model.Classes)
        {
            writer.WriteStartObject();
            writer.WritePropertyName("id");
            category.Id.Write(writer);
            writer.WriteString("name", category.Name);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartArray("annotations");
        var id = 0;
        for (var i = 0; i < images.Count; i++)
        {
            foreach (var finding in images[i].Found)
            {
                writer.WriteStartObject();
                writer.WriteNumber("id", ++id);
                writer.WriteNumber("image_id", i + 1);
                writer.WritePropertyName("category_id");
                model.Classes[finding.Label].Id.Write(writer);
                writer.WriteStartArray("bbox");
                writer.WriteNumberValue(finding.Box.X1);
                writer.WriteNumberValue(finding.Box.Y1);
                writer.WriteNumberValue(finding.Box.X2 - finding.Box.X1);
                writer.WriteNumberValue(finding.Box.Y2 - finding.Box.Y1);
                writer.WriteEndArray();
                writer.WriteNumber("score", finding.Score);
                writer.WriteNumber("query", finding.Query);
                if (finding.Refinement is { } refinement)
                {
                    DetectionsWriter.WriteRefinement(writer, new(refinement.Evaluations, refinement.RelativeResidual));
                }

                writer.WriteEndObject();
            }
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
