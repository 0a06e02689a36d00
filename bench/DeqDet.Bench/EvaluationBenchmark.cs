using System.Diagnostics;
using DeqDet.Host.Commands;
using DeqDet.Settings;

namespace DeqDet.Bench;

/// <summary>Loading and evaluating a validation set of COCO's size, as the command <c>evaluate</c> does it.</summary>
internal static class EvaluationBenchmark
{
    /// <summary>
    /// Arguments: the folder of the files (made if they are not there; default: one in the system's folder for temporary files) and
    /// how often to repeat (default 3). The first time includes compiling the code. In the end once with a report and once again.
    /// </summary>
    public static void Run(string[] arguments)
    {
        var folder = arguments.Length > 0 ? arguments[0] : Path.Combine(Path.GetTempPath(), "deqdet-bench-evaluation");
        var repeats = 3;
        if (arguments.Length > 1 && !(int.TryParse(arguments[1], out repeats) && repeats > 0))
        {
            throw new InputError($"'{arguments[1]}' is no number of repeats");
        }
        var request = new EvaluateRequest(Path.Combine(folder, "gt.json"), Path.Combine(folder, "dt.json"));
        if (!File.Exists(request.GroundTruth) || !File.Exists(request.Detections))
        {
            Console.WriteLine($"writing {folder}");
            new SyntheticValidation().Write(folder);
        }
        Console.WriteLine(
            $"cores {Environment.ProcessorCount}, detections file {Mega(new FileInfo(request.Detections).Length)} MB"
        );
        for (var i = 0; i < repeats; i++)
        {
            Measure($"run {i + 1}", request, i == 0 ? Console.Out : TextWriter.Null);
        }
        var withReport = request with { Report = Path.Combine(folder, "report.html") };
        Measure("with --report", withReport, TextWriter.Null);
        Measure("again", withReport, TextWriter.Null);
    }

    private static void Measure(string what, EvaluateRequest request, TextWriter output)
    {
        using var process = Process.GetCurrentProcess();
        var cpu = process.TotalProcessorTime;
        var allocated = GC.GetTotalAllocatedBytes();
        var clock = Stopwatch.StartNew();
        EvaluateCommand.Run(request, output);
        clock.Stop();
        process.Refresh();
        Console.WriteLine(
            $"{what}: {clock.Elapsed.TotalSeconds:0.00} s, CPU {(process.TotalProcessorTime - cpu).TotalSeconds:0.00} s, "
                + $"allocated {Mega(GC.GetTotalAllocatedBytes() - allocated)} MB, peak memory {Mega(process.PeakWorkingSet64)} MB"
        );
    }

    private static long Mega(long bytes) => bytes / 1_000_000;
}
