using DeqDet;
using DeqDet.Bench;
using DeqDet.Settings;

// One entry a benchmark: its name, its arguments, and what runs it.
(string Name, string Usage, Action<string[]> Run)[] benchmarks =
[
    (
        "evaluation",
        "[FOLDER] [REPEATS]   COCO evaluation of 5,000 images and 500,000 detections",
        EvaluationBenchmark.Run
    ),
    (
        "loader",
        "FOLDER [SAMPLES] [BATCH] [WORKERS] [RUNS] [CONFIG]   training samples of 800 x 1333 from COCO's images",
        LoaderBenchmark.Run
    ),
];

var chosen = benchmarks.FirstOrDefault(b => args.Length > 0 && b.Name == args[0]);
if (chosen.Run is null)
{
    Console.Error.WriteLine("usage: dotnet run -c Release --project bench/DeqDet.Bench -- BENCHMARK");
    foreach (var (name, usage, _) in benchmarks)
    {
        Console.Error.WriteLine($"  {name} {usage}");
    }
    return 2;
}
try
{
    chosen.Run(args[1..]);
    return 0;
}
catch (InputError error)
{
    Console.Error.WriteLine($"error: {error.Message}");
    return 2;
}
