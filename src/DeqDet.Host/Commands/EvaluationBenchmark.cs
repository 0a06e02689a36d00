using DeqDet.Benchmarks;
using DeqDet.Data;
using DeqDet.Kernels;
using Microsoft.FSharp.Core;
using TorchSharp;

namespace DeqDet.Host.Commands;

/// <summary>Loading and evaluating a validation set of COCO's size, as the command <c>evaluate</c> does it.</summary>
public static class EvaluationBenchmark
{
    /// <summary>
    /// Times it without a report and with one; the first run of each includes compiling the code. The files are made where they are not there,
    /// and stay: the same ones on every machine.
    /// </summary>
    /// <param name="made">The validation set to make.</param>
    /// <param name="folder">Where its files lie.</param>
    /// <param name="pairs">How often.</param>
    /// <param name="rates">What the machine can do.</param>
    /// <param name="report">Called with each timing.</param>
    /// <exception cref="InputError">The files cannot be written or read.</exception>
    public static void Run(
        SyntheticValidation made,
        string folder,
        Pairs pairs,
        Rates rates,
        FSharpFunc<Timing, Unit> report
    )
    {
        var request = new EvaluateRequest(Path.Combine(folder, "gt.json"), Path.Combine(folder, "dt.json"));
        if (!File.Exists(request.GroundTruth) || !File.Exists(request.Detections))
        {
            made.Write(folder);
        }

        var what = $"{Counted.Of(made.Images, "image")}, {Counted.Of(made.Detections, "detection")}";
        Time(what, request);
        Time($"{what}, with --report", request with { Report = Path.Combine(folder, "report.html") });

        void Time(string name, EvaluateRequest asked)
        {
            var workload = FuncConvert.FromAction<Stages>(_ => EvaluateCommand.Run(asked, TextWriter.Null));
            var runs = PairsModule.repeat(
                pairs,
                SubjectModule.clock(),
                FuncConvert.FromFunc<int, Sample>(_ => SampleModule.take(torch.CPU, workload))
            );
            report.Invoke(TimingModule.alone("evaluate", name, rates, new("evaluate", Precision.Fp32, null), runs));
        }
    }
}
