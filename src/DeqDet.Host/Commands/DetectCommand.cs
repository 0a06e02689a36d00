using System.Diagnostics;
using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Images;
using DeqDet.Reports;
using Microsoft.FSharp.Core;
using Spectre.Console;

namespace DeqDet.Host.Commands;

/// <summary>`detect`: what a checkpoint finds in images and videos, as JSON, as pictures, and in the formats of labelling tools.</summary>
public static class DetectCommand
{
    /// <summary>
    /// Runs the command. What cannot be read is named and left out; the others are done first. Results are kept whatever happens, and say which
    /// images are missing.
    /// </summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="console">Where progress is shown.</param>
    /// <param name="list">Standard input, for a list of what to look at.</param>
    /// <param name="output">Where lines go.</param>
    /// <param name="searchPath">Folders in which ffmpeg is looked for; null: those of PATH.</param>
    /// <returns>0 when everything was looked at; what a shell expects of an interrupted program otherwise.</returns>
    /// <exception cref="InputError">The checkpoint is missing or damaged, or something could not be read or written.</exception>
    public static int Run(
        DetectRequest request,
        IAnsiConsole console,
        TextReader list,
        TextWriter output,
        string? searchPath = null
    )
    {
        var display = new DetectDisplay(console, output, TimeProvider.System);
        if (request.Checkpoint is null)
        {
            return FirstLook(request, console, list, output, searchPath, display);
        }

        var sources = SourceSearch.Find(request.Images, list);
        foreach (var notice in sources.Notices)
        {
            display.Line($"note: {notice}");
        }

        if (request.Refinement && sources.Videos is [var moving, ..])
        {
            throw new InputError(
                $"--refinement shows how an image was refined, and {moving.Name} is not one; name images alone, or a frame that was saved as one"
            );
        }

        var ffmpeg = sources is { Images.Count: 0, Videos: [var video, ..] }
            ? Ffmpeg.Require(video.Name, searchPath)
            : Ffmpeg.Find(searchPath);
        if (sources.Images.Count == 0 && request.Formats.Length > 0)
        {
            throw new InputError(
                "--format: labels are of images; what is found in a video is in its .jsonl, a line a frame"
            );
        }

        var device = ComputeDevice.Choose(request.Device, request.Tf32);
        ComputeDevice.UseThreads(request.Threads?.Value);
        using var interruption = new Interruption();
        using var session = Open(
            request.Checkpoint.Value,
            request.Solver,
            request.Precision,
            request.Ema,
            device,
            output
        );
        var solver = session.Model.Settings.Detector.Solver;
        if (request.WarmStart && OptionModule.IsNone(solver.Tolerance))
        {
            throw new InputError(
                "--warm-start needs a tolerance, without which nothing tells whether a start was good; for example: --tolerance 0.02"
            );
        }

        session.Times = new();
        var filter = new ScoreFilter(session.Model, request.Threshold is { Value: var asked } ? asked : null);
        var setup = new DetectSetup(session, request, filter, display, new(), interruption.Token);
        Outputs.MakeFolder("--out", request.Out);
        Outputs.CheckWritable("--out", request.Out);
        var inputs = sources
            .Images.Concat(
                sources.Videos.Where(source => source.Kind == VideoKind.File).Select(source => source.Target)
            )
            .ToList();
        var names = DetectionFiles.Names(request.Out, inputs);
        var start = Stopwatch.GetTimestamp();
        var (refused, done) = (new List<string>(), 0);
        var images = sources.Images.Count > 0 ? new ImageRun(setup, sources.Images, names) : null;
        if (images is not null)
        {
            images.Run();
            Tell(images, setup);
            refused.AddRange(images.Refused);
            done += images.Images.Count;
        }

        foreach (var source in sources.Videos)
        {
            if (interruption.Token.IsCancellationRequested)
            {
                break;
            }

            done += Look(setup, ffmpeg, source, names, refused);
        }

        var what = images is null ? "frame" : "image";
        foreach (
            var line in PartTimesText
                .Lines(session.Times, done, what, Stopwatch.GetElapsedTime(start))
                .Prepend(setup.Refinements.Summary(solver) is { Value: var summary } ? summary : "")
                .Where(line => line.Length > 0)
        )
        {
            display.Line(line);
        }

        if (interruption.Token.IsCancellationRequested)
        {
            display.Line(
                images is { Missing.Count: > 0 and var missing }
                    ? $"interrupted: {missing} of {Counted.Of(sources.Images.Count, "image")} missing, named in {images.Json}"
                    : "interrupted: what was done until now is kept"
            );
            return interruption.ExitCode;
        }

        var all = sources.Images.Count + sources.Videos.Count;
        return refused.Count == 0
            ? 0
            : throw new InputError(
                $"{refused.Count} of {(sources.Videos.Count == 0 ? Counted.Of(all, "image") : Counted.Of(all, "source"))} could not be used; the first: {refused[0]}"
            );
    }

    // What comes with the program, so that there is something to see before anything is trained.
    private static int FirstLook(
        DetectRequest request,
        IAnsiConsole console,
        TextReader list,
        TextWriter output,
        string? searchPath,
        DetectDisplay display
    )
    {
        string[] pictures = [.. CarriedWeights.pictures().Select(Human.Path)];
        var checkpoint = CarriedWeights.named(CarriedWeights.Shapes)!.Value;
        display.Line(
            $"no checkpoint is named: the small detector of drawn shapes that comes with the program looks at the {Counted.Of(pictures.Length, "picture")} that come with it"
        );
        var code = Run(request.Over(checkpoint, pictures), console, list, output, searchPath);
        if (code == 0)
        {
            display.Line("");
            display.Line($"now open {Path.Combine(request.Out, FoundGallery.FileName)} in a browser; then");
            foreach (
                var (command, what) in new[]
                {
                    request.Refinement
                        ? ("detect shapes PICTURE --refinement", "the same of a drawing of your own")
                        : ("detect --refinement", "how the detections came about, step by step"),
                    ("serve shapes", "a page on which to drop pictures"),
                    ("train", "trains this detector anew, from nothing"),
                    ("train configs/finetune_r18.json --data FOLDER", "one for pictures of your own"),
                }
            )
            {
                display.Line($"  deqdet {command, -46} {what}");
            }

            display.Line($"from the sources deqdet is {Human.Command("...")}");
        }

        return code;
    }

    private static void Tell(ImageRun images, DetectSetup setup)
    {
        setup.Display.Line(
            $"{Counted.Of(images.Images.Sum(image => image.Found.Count), "detection")} {setup.Filter.Words} in {Counted.Of(images.Images.Count, "image")}: {images.Json}"
        );
        foreach (var place in images.Places)
        {
            setup.Display.Line(place);
        }

        TellStarts(setup, images.Images.Count, "image", images.Starts.Warm, images.Starts.Failed);
    }

    // Frames that were looked at.
    private static int Look(
        DetectSetup setup,
        Ffmpeg? ffmpeg,
        VideoSource source,
        OutputNames names,
        List<string> refused
    )
    {
        var stem = Path.Combine(setup.Request.Out, names.Take(source.Stem, VideoRun.VideoEnding, VideoRun.LogEnding));
        try
        {
            var outcome = VideoRun.Run(setup, ffmpeg ?? Ffmpeg.Require(source.Name, ""), source, stem);
            setup.Display.Line(
                $"{source.Name}: {Counted.Of(outcome.Detections, "detection")} {setup.Filter.Words} in {Counted.Of(outcome.Frames, "frame")} -> {stem}{VideoRun.VideoEnding}, {Path.GetFileName(stem)}{VideoRun.LogEnding}"
            );
            TellStarts(setup, outcome.Frames, "frame", outcome.Warm, outcome.Failed);
            foreach (var fault in outcome.Faults)
            {
                setup.Display.Line($"ended early: {fault}");
            }

            // one source is one that could not be used, whatever befell it
            refused.AddRange(outcome.Faults.Take(1));
            return outcome.Frames;
        }
        catch (InputError error)
        {
            refused.Add(error.Message);
            setup.Display.Line($"skipped: {error.Message}");
            return 0;
        }
    }

    private static void TellStarts(DetectSetup setup, int all, string what, int warm, int failed)
    {
        if (setup.Request.WarmStart)
        {
            setup.Display.Line(
                $"warm start: {warm} of {Counted.Of(all, what)} began at the equilibrium of the one before, {failed} failed and began anew"
            );
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
}
