namespace DeqDet.Data;

/// <summary>
/// Which images make up the batches of an epoch: a function of seed and epoch alone. Images are shuffled and go into a landscape or a
/// portrait batch; a batch takes its place in the order when it is full. What is left over at the end fills mixed batches, the last of which
/// may be smaller: every image is seen exactly once an epoch.
/// </summary>
public static class EpochPlan
{
    private const long Stream = 0x5A3B_1E00;

    /// <summary>Number of batches of an epoch.</summary>
    public static int BatchCount(int images, int batchSize) => (images + batchSize - 1) / batchSize;

    /// <summary>Indices of the images of each batch.</summary>
    /// <param name="isLandscape">For every image, whether it is at least as wide as high.</param>
    /// <param name="batchSize">Images a batch, over all processes.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    public static IReadOnlyList<int[]> Shuffled(IReadOnlyList<bool> isLandscape, int batchSize, long seed, int epoch)
    {
        var order = Enumerable.Range(0, isLandscape.Count).ToArray();
        SplitMix64.For(seed, Stream, epoch).Shuffle<int>(order);
        var batches = new List<int[]>(BatchCount(order.Length, batchSize));
        List<int>[] open =
        [
            [],
            [],
        ];
        foreach (var image in order)
        {
            var group = open[isLandscape[image] ? 0 : 1];
            group.Add(image);
            if (group.Count == batchSize)
            {
                batches.Add([.. group]);
                group.Clear();
            }
        }

        batches.AddRange(open[0].Concat(open[1]).Chunk(batchSize));
        return batches;
    }

    /// <summary>
    /// Batches for evaluation: every image once, in a batch with images of its own size alone, so that nothing is padded for another's sake and
    /// results depend neither on the order nor on the size of the batches.
    /// </summary>
    /// <param name="sizes">Width and height of every image as a batch of it alone has it, px.</param>
    /// <param name="batchSize">Images a batch, at most.</param>
    public static IReadOnlyList<int[]> BySize(IReadOnlyList<(int Width, int Height)> sizes, int batchSize) =>
        [
            .. Enumerable
                .Range(0, sizes.Count)
                .GroupBy(i => sizes[i])
                .OrderBy(group => group.Key.Width >= group.Key.Height)
                .ThenBy(group => group.Key)
                .SelectMany(group => group.Chunk(batchSize)),
        ];
}
