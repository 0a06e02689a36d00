using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Images;
using DeqDet.Model;
using DeqDet.Reports.Tracing;
using DeqDet.Settings;
using Microsoft.FSharp.Collections;
using Spectre.Console;
using RunSettings = DeqDet.Settings.Settings;
using RunSettingsModule = DeqDet.Settings.SettingsModule;

namespace DeqDet.Host.Commands;

/// <summary>`trace`: whether, how fast and how usefully a detector's queries settle, as a page, figures and tables.</summary>
public static class TraceCommand
{
    /// <summary>An image to follow.</summary>
    private sealed record Followed(string Name, Func<Batch> Load);

    /// <summary>A validation set.</summary>
    private sealed record Judged(CocoDataset Data, GroundTruth Truth, string Folder);

    /// <summary>Runs the command.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="console">Where progress is shown.</param>
    /// <param name="output">Where the summary goes.</param>
    /// <exception cref="InputError">
    /// The checkpoint, the images or the data are missing or malformed, or the model has no equilibrium.
    /// </exception>
    public static void Run(TraceRequest request, IAnsiConsole console, TextWriter output)
    {
        var device = ComputeDevice.Choose(request.Device, request.Tf32);
        ComputeDevice.UseThreads(request.Threads?.Value);
        using var interruption = new Interruption();
        using var session = DetectorSession.Of(
            CheckpointInput.Load(request.Checkpoint, averaged: false, device, output),
            device
        );
        var model = session.Model;
        var detector = model.Settings.Detector;
        if (!FamilyModule.hasEquilibrium(detector))
        {
            throw new InputError(
                $"{request.Checkpoint}: {ModelNames.Of(detector.Kind)} applies a fixed number of different stages, so there is no equilibrium to trace; "
                    + "name a checkpoint of a DEQDet"
            );
        }

        var (named, passedOver) = ImageSearch.Find(request.Images);
        foreach (var notice in passedOver)
        {
            output.WriteLine($"note: {notice}");
        }

        var settings =
            named.Count == 0 || request.Data is not null
                ? TestCommand.WithData(request.Data?.Value, request.Checkpoint, model, output)
                : model.Settings;
        var judged =
            named.Count == 0 || request.Data is not null ? Set(model, settings, output, interruption.Token) : null;
        var followed =
            named.Count > 0 ? Files(named, settings.Data) : First(judged!, settings.Data, request.ImageCount);
        var folder = new TraceFolder(request.Out);
        var summary = Path.Combine(request.Out, TraceFolder.Summary);
        Outputs.Check("--out", summary, [], Outputs.IsReport("checkpoint"));
        if (!File.Exists(summary) && folder.Existing is { Count: > 0 } others)
        {
            throw new InputError(
                $"--out {request.Out}: holds a {others[0]} that `trace` did not write; choose another folder"
            );
        }

        var tracer = new Tracer(session, Math.Max(request.Steps, detector.Solver.Steps + 1), interruption.Token);
        var screen = new Screen(console);
        var images = new List<TracedImage>();
        var following = new ProgressLine(screen, TimeProvider.System, "following", "images");
        foreach (var image in followed)
        {
            following.Report(images.Count, followed.Count);
            using var batch = image.Load();
            images.Add(tracer.Follow(image.Name, batch));
        }

        following.Report(followed.Count, followed.Count);
        var accuracy = judged is null ? null : Judge(tracer, judged, request.Evaluated, screen);
        var subject = new TraceSubject(
            request.Checkpoint,
            ModelNames.Of(detector),
            detector.Queries.Count,
            tracer.Trained,
            tracer.Applications,
            device.ToString()
        );
        var results = new TraceResults(subject, images, accuracy);
        var files = folder.Write(results);
        TraceText.Write(results, output);
        output.WriteLine();
        output.WriteLine($"page: {folder.Page} (beside it: {string.Join(", ", files.Skip(1))})");
    }

    private static Judged Set(
        TrainedModel model,
        RunSettings settings,
        TextWriter output,
        CancellationToken cancellation
    )
    {
        foreach (var notice in DataSets.Ensure(settings.Data, null, cancellation))
        {
            output.WriteLine($"note: {notice}");
        }

        var (data, truth) = DataSets.ForValidation(settings.Data, model.Classes);
        return data.Images.Count > 0
            ? new(data, truth, settings.Data.Root)
            : throw new InputError(
                $"{settings.Data.Root}: the validation set has no images; name some, or another --data"
            );
    }

    private static List<Followed> Files(IReadOnlyList<string> files, DataSettings settings) =>
        [
            .. files.Select(file => new Followed(
                file,
                () => ImageBatching.ofImages(settings, ListModule.OfSeq([ImageFile.Load(file)]))
            )),
        ];

    private static List<Followed> First(Judged judged, DataSettings settings, int count)
    {
        var loader = new DataLoader(judged.Data, settings);
        return
        [
            .. judged
                .Data.Images.Take(count)
                .Select(
                    (image, i) =>
                        new Followed(image.FileName, () => loader.EvaluationBatch([i], CancellationToken.None))
                ),
        ];
    }

    private static TracedAccuracy Judge(Tracer tracer, Judged judged, int limit, Screen screen)
    {
        var progress = new ProgressLine(screen, TimeProvider.System, "evaluating", "images");
        return tracer.Judge(judged.Data, judged.Truth, judged.Folder, limit, (done, all) => progress.Report(done, all));
    }
}
