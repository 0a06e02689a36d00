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
/// settings, seed, epoch and batch number; workers and prefetching only change when it is ready.
/// </summary>
public sealed class DataLoader
{
    private const long AugmentationStream = 0x5A3B_1E01;

    private readonly CocoDataset data;
    private readonly DataSettings settings;
    private readonly Normalisation normalisation;
    private readonly ImageCache cache;

    // A few pictures of a few sizes.
    private readonly PixelBuffers buffers = new(limit: 64L << 20);

    /// <summary>A loader of a data set. Decoded images stay in memory, up to the settings' limit, as long as the loader lives.</summary>
    public DataLoader(CocoDataset data, DataSettings settings)
    {
        (this.data, this.settings) = (data, settings);
        normalisation = new(settings.Normalise);
        cache = new(data.Images.Count, (long)settings.CacheMb << 20, Decode);
    }

    /// <summary>The data set.</summary>
    public CocoDataset Data => data;

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
        return Start(plan, (indices, token) => TrainBatch(indices, seed, from.Epoch, token), cancellation);
    }

    /// <summary>All images once, without augmentation, for evaluation. Dispose the result, and every batch.</summary>
    public PrefetchingLoader<int[], Batch> Evaluation(int batchSize, CancellationToken cancellation)
    {
        var sizes = data.Images.Select(image => (image.Width, image.Height)).ToArray();
        return Start(EpochPlan.BySize(sizes, batchSize), EvaluationBatch, cancellation);
    }

    /// <summary>One training batch: image i of an epoch is varied the same way in whatever batch it is.</summary>
    public Batch TrainBatch(IReadOnlyList<int> indices, long seed, int epoch, CancellationToken cancellation) =>
        Collate(
            indices,
            (index, example) =>
            {
                var random = SplitMix64.For(seed, AugmentationStream, epoch, index);
                return Augmentation.Draw(settings.Augment, settings.Resize, random).Apply(example);
            },
            cancellation
        );

    /// <summary>One batch for evaluation or detection.</summary>
    public Batch EvaluationBatch(IReadOnlyList<int> indices, CancellationToken cancellation) =>
        Collate(
            indices,
            (_, example) => example.Resized(new(settings.Resize.ShortSide, settings.Resize.LongMax)),
            cancellation
        );

    private PrefetchingLoader<int[], Batch> Start(
        IEnumerable<int[]> plan,
        Func<int[], CancellationToken, Batch> make,
        CancellationToken cancellation
    )
    {
        var workers = settings.Workers > 0 ? settings.Workers : Environment.ProcessorCount;
        return new(plan, make, workers, 2 * workers, cancellation);
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
