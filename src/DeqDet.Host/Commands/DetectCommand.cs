using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Images;
using DeqDet.Reports;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace DeqDet.Host.Commands;

/// <summary>`detect`: what a checkpoint finds in images, as JSON, as pictures, and in the formats of labelling tools.</summary>
public static class DetectCommand
{
    /// <summary>
    /// Runs the command. Images that cannot be read are named and left out; the others are done first. Results are kept whatever happens,
    /// and say which images are missing.
    /// </summary>
    /// <returns>0 when every image was looked at; what a shell expects of an interrupted program otherwise.</returns>
    /// <exception cref="InputError">The checkpoint is missing or damaged, or some image could not be read.</exception>
    public static int Run(DetectRequest request, TextWriter output)
    {
        var (files, passedOver) = ImageSearch.Find(request.Images);
        foreach (var notice in passedOver)
        {
            output.WriteLine($"note: {notice}");
        }

        var device = ComputeDevice.Choose(request.Device, request.Tf32);
        ComputeDevice.UseThreads(request.Threads?.Value);
        using var interruption = new Interruption();
        using var session = Open(request.Checkpoint, request.Solver, request.Precision, request.Ema, device, output);
        var model = session.Model;
        if (request.WarmStart && OptionModule.IsNone(model.Settings.Detector.Solver.Tolerance))
        {
            throw new InputError(
                "--warm-start needs a tolerance, without which nothing tells whether a start was good; for example: --tolerance 0.02"
            );
        }

        var filter = new ScoreFilter(model, request.Threshold is { Value: var asked } ? asked : null);
        Outputs.MakeFolder("--out", request.Out);
        var json = Path.Combine(request.Out, "results.json");
        var pictures = PictureNames(request.Out, json, files);
        var proposals = Proposals.Of(request.Out, request.Formats, model.Classes, request.Images, files);
        foreach (var notice in proposals.Notices)
        {
            output.WriteLine($"note: {notice}");
        }

        proposals.Start();
        var results = new DetectionResults(json, model.Classes, files, proposals.Write);
        var refused = new List<string>();
        var refinements = new Refinements();
        // a budget is an image's own, and a frame begins where the one before it ended
        var batchSize =
            request.WarmStart || OptionModule.IsSome(model.Settings.Detector.Solver.BudgetMs)
                ? 1
                : model.Settings.Evaluation.BatchSize;
        using var frames = request.WarmStart ? new FrameSequence(session) : null;
        try
        {
            foreach (var group in ImageReader.Groups(files, batchSize))
            {
                var images = group.Select(read => read.Image).OfType<RgbImage>();
                using var predictions = (
                    frames is null
                        ? session.PredictEach(images, batchSize, interruption.Token)
                        : images.Select(image => Next(frames, image))
                ).GetEnumerator();
                foreach (var read in group)
                {
                    interruption.Token.ThrowIfCancellationRequested();
                    try
                    {
                        var image = read.Image ?? throw read.Refusal!;
                        predictions.MoveNext();
                        Keep(read.File, image, predictions.Current);
                    }
                    catch (InputError error)
                    {
                        refused.Add(error.Message);
                        output.WriteLine($"skipped: {error.Message}");
                    }
                }
            }
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            // a refinement that was cut short is no result: its image is one of the missing
        }
        finally
        {
            results.Write();
        }

        output.WriteLine(
            $"{Counted.Of(results.Images.Sum(image => image.Found.Count), "detection")} {filter.Words} in {Counted.Of(results.Images.Count, "image")}: {json}"
        );
        foreach (var place in proposals.Places)
        {
            output.WriteLine(place);
        }

        if (refinements.Summary(model.Settings.Detector.Solver) is { Value: var summary })
        {
            output.WriteLine(summary);
        }

        if (frames is not null)
        {
            output.WriteLine(
                $"warm start: {frames.Warm} of {Counted.Of(results.Images.Count, "image")} began at the equilibrium of the one before, {frames.Failed} failed and began anew"
            );
        }

        if (interruption.Token.IsCancellationRequested)
        {
            output.WriteLine(
                $"interrupted: {results.Missing.Count} of {Counted.Of(files.Count, "image")} missing, named in {json}"
            );
            return interruption.ExitCode;
        }

        return refused.Count == 0
            ? 0
            : throw new InputError(
                $"{refused.Count} of {Counted.Of(files.Count, "image")} could not be used; the first: {refused[0]}"
            );

        Prediction Next(FrameSequence frames, RgbImage image)
        {
            using var batch = ImageBatching.ofImages(model.Settings.Data, ListModule.OfSeq([image]));
            return frames.Next(batch, interruption.Token);
        }

        void Keep(string file, RgbImage image, Prediction prediction)
        {
            foreach (var notice in image.Notes)
            {
                output.WriteLine($"note: {file}: {notice}");
            }

            var found = prediction.Findings.Where(filter.Keeps).ToList();
            refinements.Add(prediction.Refinement);
            var picture = Path.Combine(request.Out, pictures[file]);
            Draw(image, found).Save(picture);
            var detected = new DetectedImage(
                file,
                pictures[file],
                image.Width,
                image.Height,
                found,
                prediction.Refinement
            );
            proposals.Add(detected);
            results.Add(detected);
            output.WriteLine($"{file}: {Summary(found)} -> {picture}");
        }
    }

    /// <summary>A session over a checkpoint, with what a command line changes of how the equilibrium is solved for and what is computed with.</summary>
    /// <exception cref="InputError">The checkpoint cannot be used, or something is to be changed of a model that has no equilibrium.</exception>
    public static DetectorSession Open(
        string checkpoint,
        SolverRequest solver,
        FSharpOption<Model.NumberKind>? precision,
        bool averaged,
        TorchSharp.torch.Device device,
        TextWriter output
    )
    {
        var model = CheckpointInput.Load(checkpoint, averaged, device, output);
        try
        {
            var change = FuncConvert.FromFunc(
                (Model.DetectorSettings settings) =>
                    solver.Over(precision is null ? settings : settings.WithPrecision(precision.Value))
            );
            return DetectorSession.Of(TrainedModelModule.withDetectorSettings(change, model), device);
        }
        catch
        {
            TrainedModelModule.dispose(model);
            throw;
        }
    }

    private static Picture Draw(RgbImage image, IReadOnlyList<Finding> found) =>
        Picture.Annotate(
            image,
            [
                .. found
                    .OrderBy(finding => finding.Score)
                    .Select(finding => new DrawnBox(finding.Box, finding.Label, finding.Name, finding.Score)),
            ]
        );

    private static string Summary(IReadOnlyList<Finding> found) =>
        found.Count == 0
            ? "nothing"
            : string.Join(
                ", ",
                found
                    .GroupBy(finding => finding.Label)
                    .OrderBy(group => group.Key)
                    .Select(group => $"{group.Count()} {group.First().Name}")
            );

    // The image's own name with .png; numbered where two images share one, or a file of that name is an input or not of our making.
    private static Dictionary<string, string> PictureNames(string folder, string results, IReadOnlyList<string> files)
    {
        var ours = File.Exists(results)
            ? DetectionResults.PicturesOf(results)
                ?? throw new InputError(
                    $"--out {folder}: holds a {Path.GetFileName(results)} that `detect` did not write; choose another folder"
                )
            : new HashSet<string>();
        Outputs.CheckInputs("--out", results, files);
        var inputs = files.Select(Outputs.Real).ToHashSet(StringComparer.Ordinal);
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            var stem = Path.GetFileNameWithoutExtension(file);
            var name = $"{stem}.png";
            for (var i = 2; !IsFree(name) || !taken.Add(name); i++)
            {
                name = $"{stem}-{i}.png";
            }

            names.Add(file, name);
        }

        return names;

        bool IsFree(string name)
        {
            var path = Path.Combine(folder, name);
            return !Path.Exists(path) || (ours.Contains(name) && !inputs.Contains(Outputs.Real(path)));
        }
    }
}
