namespace DeqDet.Benchmarks

open System.Threading
open DeqDet
open DeqDet.Data
open DeqDet.Kernels
open DeqDet.Settings
open TorchSharp

/// The loader alone: training samples (decoded, flipped, resized, normalised, padded and put into batches) made as fast as its threads
/// can, nothing kept in memory, nobody computing beside them.
module LoaderBenchmark =

    /// Samples of a run.
    let private samples = 504

    /// Images of a batch: the reference's on a GPU.
    let private batchSize = 2

    /// Epoch after epoch until there are enough; the pixels delivered, padding included.
    let private load (loader: DataLoader) (seed: int64) : int64 =
        let mutable pixels = 0L
        let mutable left = samples
        let mutable epoch = 0

        while left > 0 do
            use batches =
                loader.Train(DataPosition(epoch, 0), batchSize, seed, BatchShare.All, CancellationToken.None)

            let mutable isThere = true

            while isThere && left > 0 do
                match batches.TryNext() with
                | true, batch ->
                    use batch = batch
                    left <- left - batch.Images.Count
                    pixels <- pixels + int64 batch.Images.Count * int64 batch.Width * int64 batch.Height
                | _ -> isThere <- false

            epoch <- epoch + 1

        pixels

    /// Runs of the training part of a data set, the first of them including the compilation of code. Raises InputError where the data
    /// are missing or damaged.
    let run (settings: DataSettings) (seed: int64) (pairs: Pairs) (rates: Rates) (report: Timing -> unit) : unit =
        let settings = { settings with CacheMb = 0 }

        let data =
            DataPart.Find(settings.Root, settings.Train, settings.AutoSplit).Load().ForTraining settings.Filter

        let loader = DataLoader(data, settings)
        let mutable pixels = 0L
        let workload: Workload = fun _ -> pixels <- load loader seed

        let runs =
            Pairs.repeat pairs (Subject.clock ()) (fun _ -> Sample.take torch.CPU workload)

        let work: Work =
            {
                Name = "loader"
                Precision = Precision.Fp32
                Cost = None
            }

        let timing =
            Timing.alone "loader" $"{samples} training samples in batches of {batchSize}" rates work runs

        let images = Counted.Of(data.Images.Count, "image")
        let each number = number / float samples

        report
            { timing with
                Notes =
                    [
                        $"{float samples / timing.Ours.Seconds.Median:``0.0``} samples/s of {images}; each {1e3 * each timing.Ours.CpuSeconds:``0.00``} ms CPU, {each timing.Ours.Allocated / 1e6:``0.00``} MB managed, {each (float pixels) / 1e6:``0.00``} million padded pixels"
                    ]
            }
