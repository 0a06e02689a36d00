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

    // Pictures whose sizes are drawn in search of the largest batch: less than a second.
    private const int MostCounted = 1_000_000;

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
    /// <param name="share">The part of every batch that is made.</param>
    /// <param name="cancellation">Ends the work.</param>
    public PrefetchingLoader<int[], Batch> Train(
        DataPosition from,
        int batchSize,
        long seed,
        BatchShare share,
        CancellationToken cancellation
    ) =>
        Start(
            Plan(batchSize, seed, from.Epoch).Skip(from.Batch),
            (indices, token) => TrainBatch(indices, share, seed, from.Epoch, token),
            indices => TrainFootprint(indices, share, seed, from.Epoch),
            cancellation
        );

    /// <summary>
    /// A batch as large as the largest that training will bring, all black, every picture with as many boxes as any has: what needs the most memory.
    /// Its size is that of the batches of the first epochs, as many as are counted in a second. Dispose it.
    /// </summary>
    /// <param name="batchSize">Images a batch.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epochs">Epochs of the run.</param>
    /// <param name="share">The part of every batch that is made.</param>
    public Batch Largest(int batchSize, long seed, int epochs, BatchShare share)
    {
        var counted = Math.Clamp(MostCounted / data.Images.Count, 1, epochs);
        var (count, width, height) = Enumerable
            .Range(0, counted)
            .SelectMany(epoch => Plan(batchSize, seed, epoch).Select(indices => SizeOf(indices, share, seed, epoch)))
            .MaxBy(size => Batch.BytesOf(size.Count, size.Width, size.Height));
        // four pictures may come together in one
        var pictures = settings.Augment.Mosaic is null ? 1 : 4;
        var boxes = pictures * data.Images.Max(image => image.Targets.Count());
        var about = data.Images[0];
        var picture = new BatchImage(
            about.Id,
            about.FileName,
            width,
            height,
            width,
            height,
            1,
            1,
            [.. Enumerable.Repeat(new Box(0, 0, width, height), boxes)],
            new int[boxes]
        );
        var batch = new Batch([.. Enumerable.Repeat(picture, count)], width, height);
        batch.Pixels.Clear();
        return batch;
    }

    /// <summary>All images once, without augmentation, for evaluation. Dispose the result, and every batch.</summary>
    public PrefetchingLoader<int[], Batch> Evaluation(int batchSize, CancellationToken cancellation) =>
        Evaluation(batchSize, BatchShare.All, cancellation);

    /// <summary>The same, of which one of several processes gets every so many batches.</summary>
    public PrefetchingLoader<int[], Batch> Evaluation(int batchSize, BatchShare share, CancellationToken cancellation)
    {
        var sizes = data
            .Images.Select(image => Normalisation.PaddedSize([Plain.Of(image.Width, image.Height)]))
            .ToArray();
        var plan = EpochPlan.BySize(sizes, batchSize).Where((_, number) => number % share.Size == share.Rank);
        return Start(plan, EvaluationBatch, EvaluationFootprint, cancellation);
    }

    /// <summary>One training batch: image i of an epoch is varied the same way in whatever batch it is.</summary>
    public Batch TrainBatch(IReadOnlyList<int> indices, long seed, int epoch, CancellationToken cancellation) =>
        TrainBatch(indices, BatchShare.All, seed, epoch, cancellation);

    /// <summary>A share of a training batch, padded to the size of the whole.</summary>
    public Batch TrainBatch(
        IReadOnlyList<int> indices,
        BatchShare share,
        long seed,
        int epoch,
        CancellationToken cancellation
    )
    {
        var (first, count) = share.Of(indices.Count);
        var place = new BatchPlace(first, [.. indices.Select(index => data.Images[index].FileName)], count > 0);
        return Collate(
            place.Counts ? [.. indices.Skip(first).Take(count)] : [indices[0]],
            (index, example) =>
            {
                var draw = Drawn(seed, epoch, index);
                var drawn = draw.Apply(
                    example,
                    [.. draw.Mosaic?.OthersOf(data.Images.Count).Select(Pictured) ?? []],
                    normalisation.Background
                );
                return place.Counts ? drawn : drawn with { Boxes = [], Labels = [] };
            },
            cancellation,
            PaddedSize(indices, seed, epoch),
            place.Counts ? place : place with { First = 0 }
        );
    }

    /// <summary>One batch for evaluation or detection.</summary>
    public Batch EvaluationBatch(IReadOnlyList<int> indices, CancellationToken cancellation) =>
        Collate(indices, (_, example) => example.Resized(Plain), cancellation);

    /// <summary>What <see cref="TrainBatch(IReadOnlyList{int}, BatchShare, long, int, CancellationToken)"/> will occupy for the same arguments, known before any image is opened.</summary>
    public Footprint TrainFootprint(IReadOnlyList<int> indices, BatchShare share, long seed, int epoch)
    {
        var (first, count) = share.Of(indices.Count);
        int[] own = [.. count > 0 ? indices.Skip(first).Take(count) : indices.Take(1)];
        return FootprintOf(
            own.SelectMany(index =>
                Drawn(seed, epoch, index).Mosaic?.OthersOf(data.Images.Count).Prepend(index) ?? [index]
            ),
            own.Length,
            PaddedSize(indices, seed, epoch)
        );
    }

    /// <summary>What <see cref="EvaluationBatch"/> will occupy.</summary>
    public Footprint EvaluationFootprint(IReadOnlyList<int> indices) =>
        FootprintOf(
            indices,
            indices.Count,
            Normalisation.PaddedSize(
                indices.Select(index => Plain.Of(data.Images[index].Width, data.Images[index].Height))
            )
        );

    private ResizeLimit Plain => new(settings.Resize.ShortSide, settings.Resize.LongMax);

    private Augmentation Drawn(long seed, int epoch, int index) =>
        Augmentation.Draw(settings.Augment, settings.Resize, SplitMix64.For(seed, AugmentationStream, epoch, index));

    private IReadOnlyList<int[]> Plan(int batchSize, long seed, int epoch) =>
        EpochPlan.Shuffled([.. data.Images.Select(image => image.IsLandscape)], batchSize, seed, epoch);

    private (int Width, int Height) PaddedSize(IReadOnlyList<int> indices, long seed, int epoch) =>
        Normalisation.PaddedSize(
            indices.Select(index =>
                Drawn(seed, epoch, index).SizeOf(data.Images[index].Width, data.Images[index].Height)
            )
        );

    private (int Count, int Width, int Height) SizeOf(int[] indices, BatchShare share, long seed, int epoch)
    {
        var (width, height) = PaddedSize(indices, seed, epoch);
        return (Math.Max(share.Of(indices.Length).Count, 1), width, height);
    }

    // While a batch is made, the decoded images exist beside it.
    private Footprint FootprintOf(IEnumerable<int> read, int count, (int Width, int Height) size)
    {
        var made = Batch.BytesOf(count, size.Width, size.Height);
        return new(made + read.Sum(index => 3L * data.Images[index].Width * data.Images[index].Height), made);
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
        CancellationToken cancellation,
        (int Width, int Height) atLeast = default,
        BatchPlace? place = null
    )
    {
        var pictures = new (ImageView, BatchImage)[indices.Count];
        var passing = new List<byte[]>(indices.Count);
        for (var i = 0; i < pictures.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var about = data.Images[indices[i]];
            var image = cache.Get(indices[i], out var isKept);
            if (!isKept)
            {
                passing.Add(image.Pixels);
            }

            var example = transform(indices[i], Pictured(about, image));
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

        var batch = normalisation.Collate(pictures, atLeast, place);
        passing.ForEach(buffers.Return);
        return batch;
    }

    private Example Pictured(int index) => Pictured(data.Images[index], cache.Get(index, out _));

    private static Example Pictured(DataImage about, RgbImage image)
    {
        var targets = about.Targets.ToArray();
        return new(image, [.. targets.Select(box => box.Box)], [.. targets.Select(box => box.Label)]);
    }

    private RgbImage Decode(int index)
    {
        var image = data.Images[index];
        return ImageFile.Load(data.PathOf(image), (image.Width, image.Height), buffers);
    }
}
