using DeqDet.Benchmarks;
using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Kernels;
using DeqDet.Model;
using DeqDet.Reports;
using DeqDet.Settings;
using Microsoft.FSharp.Core;
using TorchSharp;
using RunSettings = DeqDet.Settings.Settings;

namespace DeqDet.Host.Commands;

/// <summary>`bench`: how long things take, compared by turns in one process.</summary>
public static class BenchCommand
{
    private const string StandardModel = "configs/deqdet_r50_2x_coco.json";
    private static readonly TimeSpan timeForPairs = TimeSpan.FromSeconds(20);

    /// <summary>Runs the benchmarks that were asked for, and prints each timing as soon as it is there.</summary>
    /// <exception cref="InputError">
    /// The machine cannot do what was asked for, a file is missing or damaged, or a module to compare with cannot be used.
    /// </exception>
    public static void Run(BenchRequest request, TextWriter output)
    {
        CheckThreads(request.Threads?.Value);
        string?[] inputs = [request.Config?.Value, request.Checkpoint?.Value, request.Against?.Value];
        var isOurs = Outputs.IsReport(BenchmarkJson.FirstMember);
        Outputs.Check("--json", request.Json?.Value, inputs.OfType<string>(), isOurs);
        var place = LibTorch.Load();
        var device = ComputeDevice.Choose(request.Device, request.Tf32);
        ComputeDevice.UseThreads(request.Threads?.Value);
        CheckPrecision(request.Precision, device);
        using var against = request.Against is { Value: var file } ? ScriptedApplication.Load(file, device) : null;
        var (settings, model) = Load(request, device);
        try
        {
            var peak = new Peak(device, device.type != DeviceType.CPU || Computation.Supports(Precision.Bf16));
            Print(BenchmarkText.machine(Describe(place, device, peak.Seen)));
            var subject = model is null ? null : SubjectOf(request, settings, model, peak, device);
            if (subject is not null)
            {
                output.WriteLine(BenchmarkText.subject(subject));
            }

            var timings = new List<Timing>();
            foreach (var kind in request.Benchmarks)
            {
                Time(kind, timings.Add);
            }

            if (request.Json is { Value: var path })
            {
                BenchmarkJson.save(path, Describe(place, device, peak.Seen), subject, timings);
            }

            void Time(BenchmarkKind kind, Action<Timing> add)
            {
                var report = FuncConvert.FromAction<Timing>(timing =>
                {
                    add(timing);
                    output.WriteLine();
                    Print(BenchmarkText.timing(timing));
                });
                var pairs = PairsOf(request);
                if (kind.IsStepBenchmark)
                {
                    StepBenchmark.run(
                        subject!,
                        against is null ? null : FSharpOption<ScriptedApplication>.Some(against),
                        report
                    );
                }
                else if (kind.IsImageBenchmark)
                {
                    ImageBenchmark.run(subject!, report);
                }
                else if (kind.IsTrainBenchmark)
                {
                    TrainingBenchmark.run(subject!, report);
                }
                else if (kind.IsEvaluateBenchmark)
                {
                    var folder = Path.Combine(Path.GetTempPath(), "deqdet-bench-evaluation");
                    EvaluationBenchmark.Run(new(), folder, pairs, peak.Seen, report);
                }
                else if (request.Benchmarks.Length > 1 && !Directory.Exists(settings.Data.Root))
                {
                    output.WriteLine();
                    output.WriteLine(
                        $"note: loader is left out, there is no {settings.Data.Root}; name a data set with --data DIR"
                    );
                }
                else
                {
                    LoaderBenchmark.run(settings.Data, request.Seed, pairs, peak.Seen, report);
                }
            }
        }
        finally
        {
            if (model is not null)
            {
                DetectorModule.dispose(model);
            }
        }

        void Print(IEnumerable<string> lines)
        {
            foreach (var line in lines)
            {
                output.WriteLine(line);
            }
        }
    }

    // More threads than the machine can run at a time wait for each other, and what is measured is the waiting.
    private static void CheckThreads(int? threads)
    {
        if (threads > Environment.ProcessorCount)
        {
            throw new InputError(
                $"--threads {threads}: this process may use {Counted.Of(Environment.ProcessorCount, "core")}; "
                    + $"for example: --threads {Processor.UsableCores}"
            );
        }
    }

    private static void CheckPrecision(Precision precision, torch.Device device)
    {
        if (device.type == DeviceType.CPU && Computation.Lacking(precision) is { } lacking)
        {
            throw new InputError(
                $"--precision {precision.ToString().ToLowerInvariant()}: this processor ({Processor.Name ?? "of unknown name"}) lacks {lacking}; use --precision fp32"
            );
        }
    }

    // Settings with what was asked for in their place, and a detector where one is timed.
    private static (RunSettings Settings, Detector? Detector) Load(BenchRequest request, torch.Device device)
    {
        var isNeeded = request.Benchmarks.Any(kind => !kind.IsLoaderBenchmark && !kind.IsEvaluateBenchmark);
        if (request.Checkpoint is { Value: var checkpoint })
        {
            var model = TrainedModelModule.loadTrainable(checkpoint, device);
            var own = Changed(model.Settings, request);
            CheckMemory(request, own);
            return (own, DetectorModule.withSettings(own.Detector, model.Detector));
        }

        var settings = Changed(SettingsFile.load(request.Config?.Value ?? StandardModel, []), request);
        CheckMemory(request, settings);
        return (settings, isNeeded ? SubjectModule.initialise(settings.Detector, request.Seed, device) : null);
    }

    // The system would end a process that takes more memory than there is.
    private static void CheckMemory(BenchRequest request, RunSettings settings)
    {
        var (detector, images, size) = (settings.Detector, request.Images, SizeOf(request, settings));
        var needed = request
            .Benchmarks.Select(kind =>
                kind.IsStepBenchmark ? Memory.ofStep(detector, images, size)
                : kind.IsImageBenchmark ? Memory.ofImage(detector, images, size)
                : kind.IsTrainBenchmark ? Memory.ofTraining(detector, images, size)
                : 0
            )
            .Max();
        var there = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (needed > there)
        {
            throw new InputError(
                $"bench: {Counted.Of(detector.Queries.Count, "query", "queries")} and {Counted.Of(images, "image")} of {size} take about "
                    + $"{Human.Bytes((long)needed)}, but the machine has {Human.Bytes(there)}; use a smaller --size, fewer --queries or --images"
            );
        }
    }

    private static ImageSize SizeOf(BenchRequest request, RunSettings settings) =>
        request.Size?.Value ?? ImageBatching.largestSize(settings.Data);

    private static RunSettings Changed(RunSettings settings, BenchRequest request) =>
        SubjectModule.adapt(request.Queries, request.Tolerance, request.Data, settings);

    private static Subject SubjectOf(
        BenchRequest request,
        RunSettings settings,
        Detector detector,
        Peak peak,
        torch.Device device
    ) =>
        new(
            settings,
            detector,
            request.Checkpoint is { Value: var checkpoint } ? checkpoint : $"random weights of seed {request.Seed}",
            request.Images,
            SizeOf(request, settings),
            request.Precision,
            request.Seed,
            device,
            PairsOf(request),
            FuncConvert.FromFunc(peak.Look)
        );

    private static Pairs PairsOf(BenchRequest request) =>
        request.Pairs is { Value: var count } ? Pairs.NewExactly(count) : Pairs.NewWithin(timeForPairs);

    private static Machine Describe(LibTorchPlace place, torch.Device device, Rates rates) =>
        new(
            Processor.Name ?? "unknown processor",
            Environment.ProcessorCount,
            torch.get_num_threads(),
            place.Version ?? LibTorch.VersionOfTorchSharp,
            device.ToString(),
            Computation.Best.Instructions.ToString(),
            rates
        );
}
