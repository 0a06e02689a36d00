using System.Diagnostics;
using DeqDet.Data;
using DeqDet.Settings;

namespace DeqDet.Bench;

/// <summary>
/// The loader alone: training samples of the published models (decoded, flipped, resized to 800 x 1333, normalised, padded and put into
/// batches) made as fast as the workers can, nothing kept in memory, nobody computing beside them.
/// </summary>
internal static class LoaderBenchmark
{
    private const long Seed = 1;

    /// <summary>
    /// Arguments: the folder of a data set in COCO's layout (annotations/instances_train2017.json, train2017/), samples of a run (default
    /// 504), images a batch (default 2, as the reference has on a GPU), workers (default 0: one a core), runs (default 3), and the settings
    /// file (default: the DEQDet of 12 epochs). The first run includes compiling the code.
    /// </summary>
    public static void Run(string[] arguments)
    {
        if (arguments.Length == 0)
        {
            throw new InputError("loader: name a folder with annotations/instances_train2017.json and train2017/");
        }

        var (samples, batchSize) = (Number(arguments, 1, 504, 1), Number(arguments, 2, 2, 1));
        var (workers, runs) = (Number(arguments, 3, 0, 0), Number(arguments, 4, 3, 1));
        var config = arguments.Length > 5 ? arguments[5] : "configs/deqdet_r50_1x_coco.json";
        var settings = SettingsFile
            .load(config, [$"data.root={arguments[0]}", $"data.workers={workers}", "data.cache_mb=0"])
            .Data;
        var data = DataPart.Find(settings.Root, settings.Train).Load().ForTraining(settings.Filter);
        var loader = new DataLoader(data, settings);
        Console.WriteLine($"cores {Environment.ProcessorCount}, {data.Images.Count} images, {samples} samples a run");
        for (var run = 1; run <= runs; run++)
        {
            using var process = Process.GetCurrentProcess();
            var (cpu, allocated) = (process.TotalProcessorTime, GC.GetTotalAllocatedBytes());
            var clock = Stopwatch.StartNew();
            var pixels = Load(loader, samples, batchSize);
            var seconds = clock.Elapsed.TotalSeconds;
            process.Refresh();
            Console.WriteLine(
                $"run {run}: {samples / seconds:0.0} samples/s, CPU {(process.TotalProcessorTime - cpu).TotalMilliseconds / samples:0.00} ms, "
                    + $"allocated {(GC.GetTotalAllocatedBytes() - allocated) / 1e6 / samples:0.00} MB and "
                    + $"{pixels / 1e6 / samples:0.00} million padded pixels a sample, peak memory {process.PeakWorkingSet64 / 1_000_000} MB"
            );
        }
    }

    // Epoch after epoch until there are enough; returns the number of pixels delivered, padding included.
    private static long Load(DataLoader loader, int samples, int batchSize)
    {
        long pixels = 0;
        var left = samples;
        for (var epoch = 0; left > 0; epoch++)
        {
            using var batches = loader.Train(new(epoch, 0), batchSize, Seed, CancellationToken.None);
            while (left > 0 && batches.TryNext(out var batch))
            {
                using (batch)
                {
                    left -= batch!.Images.Count;
                    pixels += (long)batch.Images.Count * batch.Width * batch.Height;
                }
            }
        }

        return pixels;
    }

    private static int Number(string[] arguments, int position, int otherwise, int low) =>
        arguments.Length <= position ? otherwise
        : int.TryParse(arguments[position], out var number) && number >= low ? number
        : throw new InputError($"loader: '{arguments[position]}' is no whole number of at least {low}");
}
