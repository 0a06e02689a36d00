using DeqDet.Coco;
using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>Where training stands in the data: the batch with this number of this epoch comes next.</summary>
/// <param name="Epoch">Epoch, from 0.</param>
/// <param name="Batch">Batch of the epoch, from 0.</param>
public readonly record struct DataPosition(int Epoch, int Batch);

/// <summary>
/// Turns a data set into batches: decodes (or takes from memory), resizes, varies, normalises and pads. What a batch holds is a function of
/// settings, seed, epoch and batch number; workers and prefetching influence only when it is ready.
/// </summary>
public sealed class DataLoader
{
    private const long AugmentationStream = 0x5A3B_1E01;
    private const int MostWorkers = 8;

    private readonly CocoDataset data;
    private readonly DataSettings settings;
    private readonly Normalisation normalisation;
    private readonly ImageCache cache;
    private readonly Lazy<DataFingerprint> fingerprint;

    // A few pictures of a few sizes.
    private readonly PixelBuffers buffers = new(limit: 64L << 20);

    /// <summary>A loader of a data set. Decoded images stay in memory, up to the settings' limit, as long as the loader lives.</summary>
    public DataLoader(CocoDataset data, DataSettings settings)
    {
        (this.data, this.settings) = (data, settings);
        normalisation = new(settings.Normalise);
        fingerprint = new(() => DataFingerprint.Of(data));
        cache = new(data.Images.Count, (long)settings.CacheMb << 20, Decode);
    }

    /// <summary>The data set.</summary>
    public CocoDataset Data => data;

    /// <summary>What the data set is, in short; computed once.</summary>
    public DataFingerprint Fingerprint => fingerprint.Value;

    /// <summary>
    /// Threads that make batches: as many as are asked for, or by default (0) one a processor, of which eight are enough for any device that
    /// trains on them.
    /// </summary>
    public static int WorkersFor(int asked, int processors) => asked > 0 ? asked : Math.Min(processors, MostWorkers);

    /// <summary>Number of training batches an epoch has.</summary>
    public int BatchesPerEpoch(int batchSize) => EpochPlan.BatchCount(data.Images.Count, batchSize);

    /// <summary>
    /// The training batches from a position to the end of its epoch, made ahead on worker threads. Dispose the result, and every batch.
    /// </summary>
    /// <param name="from">Where to start.</param>
    /// <param name="batchSize">Images a batch.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="cancellation">Ends the work.</param>
    public PrefetchingLoader<int[], Batch> Train(
        DataPosition from,
        int batchSize,
        long seed,
        CancellationToken cancellation
    )
    {
        var landscape = data.Images.Select(image => image.IsLandscape).ToArray();
        var plan = EpochPlan.Shuffled(landscape, batchSize, seed, from.Epoch).Skip(from.Batch);
        return Start(
            plan,
            (indices, token) => TrainBatch(indices, seed, from.Epoch, token),
            indices => TrainFootprint(indices, seed, from.Epoch),
            cancellation
        );
    }

    /// <summary>All images once, without augmentation, for evaluation. Dispose the result, and every batch.</summary>
    public PrefetchingLoader<int[], Batch> Evaluation(int batchSize, CancellationToken cancellation)
    {
        var sizes = data
            .Images.Select(image => Normalisation.PaddedSize([Plain.Of(image.Width, image.Height)]))
            .ToArray();
        return Start(EpochPlan.BySize(sizes, batchSize), EvaluationBatch, EvaluationFootprint, cancellation);
    }

    /// <summary>One training batch: image i of an epoch is varied the same way in whatever batch it is.</summary>
    public Batch TrainBatch(IReadOnlyList<int> indices, long seed, int epoch, CancellationToken cancellation) =>
        Collate(indices, (index, example) => Drawn(seed, epoch, index).Apply(example), cancellation);

    /// <summary>One batch for evaluation or detection.</summary>
    public Batch EvaluationBatch(IReadOnlyList<int> indices, CancellationToken cancellation) =>
        Collate(indices, (_, example) => example.Resized(Plain), cancellation);

    /// <summary>What <see cref="TrainBatch"/> will occupy for the same arguments, known before any image is opened.</summary>
    public Footprint TrainFootprint(IReadOnlyList<int> indices, long seed, int epoch) =>
        FootprintOf(indices, (index, image) => Drawn(seed, epoch, index).SizeOf(image.Width, image.Height));

    /// <summary>What <see cref="EvaluationBatch"/> will occupy.</summary>
    public Footprint EvaluationFootprint(IReadOnlyList<int> indices) =>
        FootprintOf(indices, (_, image) => Plain.Of(image.Width, image.Height));

    private ResizeLimit Plain => new(settings.Resize.ShortSide, settings.Resize.LongMax);

    private Augmentation Drawn(long seed, int epoch, int index) =>
        Augmentation.Draw(settings.Augment, settings.Resize, SplitMix64.For(seed, AugmentationStream, epoch, index));

    // While a batch is made, the decoded images exist beside it.
    private Footprint FootprintOf(IReadOnlyList<int> indices, Func<int, DataImage, (int, int)> sizeOf)
    {
        var (width, height) = Normalisation.PaddedSize(indices.Select(index => sizeOf(index, data.Images[index])));
        var made = Batch.BytesOf(indices.Count, width, height);
        return new(made + indices.Sum(index => 3L * data.Images[index].Width * data.Images[index].Height), made);
    }

    private PrefetchingLoader<int[], Batch> Start(
        IEnumerable<int[]> plan,
        Func<int[], CancellationToken, Batch> make,
        Func<int[], Footprint> footprint,
        CancellationToken cancellation
    )
    {
        var workers = WorkersFor(settings.Workers, Environment.ProcessorCount);
        return new(plan, make, footprint, workers, 2 * workers, (long)settings.LoaderMb << 20, cancellation);
    }

    private Batch Collate(
        IReadOnlyList<int> indices,
        Func<int, Example, Example> transform,
        CancellationToken cancellation
    )
    {
        var pictures = new (ImageView, BatchImage)[indices.Count];
        var passing = new List<byte[]>(indices.Count);
        for (var i = 0; i < pictures.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var about = data.Images[indices[i]];
            var targets = about.Targets.ToArray();
            var image = cache.Get(indices[i], out var isKept);
            if (!isKept)
            {
                passing.Add(image.Pixels);
            }

            var example = transform(
                indices[i],
                new(image, [.. targets.Select(box => box.Box)], [.. targets.Select(box => box.Label)])
            );
            pictures[i] = (
                example.View,
                new(
                    about.Id,
                    about.FileName,
                    about.Width,
                    about.Height,
                    example.View.Width,
                    example.View.Height,
                    example.ScaleX,
                    example.ScaleY,
                    example.Boxes,
                    example.Labels
                )
            );
        }

        var batch = normalisation.Collate(pictures);
        passing.ForEach(buffers.Return);
        return batch;
    }

    private RgbImage Decode(int index)
    {
        var image = data.Images[index];
        return ImageFile.Load(data.PathOf(image), (image.Width, image.Height), buffers);
    }
}
