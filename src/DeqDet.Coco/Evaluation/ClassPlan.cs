using System.Buffers;

namespace DeqDet.Coco.Evaluation;

/// <summary>The detections and boxes of one class in one image: ranges of <see cref="ClassPlan.InCell"/> and <see cref="ClassPlan.Boxes"/>.</summary>
internal readonly record struct Cell(int Image, int FoundStart, int FoundCount, int BoxStart, int BoxCount);

/// <summary>
/// The kept detections of one class by descending score (ties: ascending image, then order of the file), each with its rank within
/// its image; only the best <c>most</c> of an image are kept. One stable sort of the class serves the ranking within each image
/// and the one across images, for every size range and every smaller maximum.
/// </summary>
internal sealed class ClassPlan
{
    /// <summary>Detection indices by descending score.</summary>
    public required int[] Ranked { get; init; }

    /// <summary>How many detections of its image come before each entry of <see cref="Ranked"/>.</summary>
    public required int[] Rank { get; init; }

    /// <summary>Positions in <see cref="Ranked"/>, cell by cell, by descending score.</summary>
    public required int[] InCell { get; init; }

    /// <summary>Box indices, image by image in the order of the file.</summary>
    public required int[] Boxes { get; init; }

    /// <summary>One cell for every image that has a box or a detection of the class, by ascending image.</summary>
    public required Cell[] Cells { get; init; }

    public static ClassPlan Build(Selection selection, Detections detections, int index, int most)
    {
        var found = selection.Found.Class(index);
        var cells = Merge(found, selection.FoundImage, selection.Boxes.Class(index), selection.BoxImage);

        var order = ArrayPool<int>.Shared.Rent(Math.Max(1, found.Length));
        var cellOf = ArrayPool<int>.Shared.Rent(Math.Max(1, found.Length));
        SortByScore(found, detections, order.AsSpan(0, found.Length));
        for (var c = 0; c < cells.Length; c++)
        {
            cellOf.AsSpan(cells[c].FoundStart, cells[c].FoundCount).Fill(c);
            cells[c] = cells[c] with { FoundCount = Math.Min(most, cells[c].FoundCount) };
        }
        var kept = cells.Sum(c => c.FoundCount);
        var ranked = new int[kept];
        var rank = new int[kept];
        var inCell = new int[found.Length];
        var taken = new int[cells.Length];
        var next = 0;
        foreach (var position in order.AsSpan(0, found.Length))
        {
            var cell = cellOf[position];
            if (taken[cell] < cells[cell].FoundCount)
            {
                ranked[next] = found[position];
                rank[next] = taken[cell];
                inCell[cells[cell].FoundStart + taken[cell]++] = next++;
            }
        }
        ArrayPool<int>.Shared.Return(order);
        ArrayPool<int>.Shared.Return(cellOf);
        return new ClassPlan
        {
            Ranked = ranked,
            Rank = rank,
            InCell = inCell,
            Boxes = selection.Boxes.Class(index).ToArray(),
            Cells = cells,
        };
    }

    // Both lists ascend by image.
    private static Cell[] Merge(ReadOnlySpan<int> found, int[] foundImage, ReadOnlySpan<int> boxes, int[] boxImage)
    {
        var cells = new List<Cell>();
        var (f, b) = (0, 0);
        while (f < found.Length || b < boxes.Length)
        {
            var image = Math.Min(
                f < found.Length ? foundImage[found[f]] : int.MaxValue,
                b < boxes.Length ? boxImage[boxes[b]] : int.MaxValue
            );
            var (foundStart, boxStart) = (f, b);
            while (f < found.Length && foundImage[found[f]] == image)
            {
                f++;
            }
            while (b < boxes.Length && boxImage[boxes[b]] == image)
            {
                b++;
            }
            cells.Add(new Cell(image, foundStart, f - foundStart, boxStart, b - boxStart));
        }
        return [.. cells];
    }

    // The library's sort of primitive keys is fast but not stable: equal scores are put back in order afterwards.
    private static void SortByScore(ReadOnlySpan<int> found, Detections detections, Span<int> order)
    {
        var pooled = ArrayPool<double>.Shared.Rent(Math.Max(1, found.Length));
        var keys = pooled.AsSpan(0, found.Length);
        var scores = detections.Score;
        for (var i = 0; i < keys.Length; i++)
        {
            keys[i] = -scores[found[i]];
            order[i] = i;
        }
        keys.Sort(order);
        for (var from = 0; from < keys.Length; )
        {
            var to = from + 1;
            while (to < keys.Length && keys[to] == keys[from])
            {
                to++;
            }
            order[from..to].Sort();
            from = to;
        }
        ArrayPool<double>.Shared.Return(pooled);
    }
}
