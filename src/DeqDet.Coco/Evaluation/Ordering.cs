namespace DeqDet.Coco.Evaluation;

/// <summary>Entries sorted by class; <c>Order[Start[c]..Start[c + 1]]</c> are those of class c.</summary>
internal sealed record Ordering(int[] Order, int[] Start)
{
    public ReadOnlySpan<int> Class(int index) => Order.AsSpan(Start[index]..Start[index + 1]);

    /// <summary>
    /// Sorts entries 0, 1, ... by (category, image), or as a single class by (image, category); equal ones keep their order.
    /// Entries with a negative category or image are left out. Two stable counting sorts: linear time.
    /// </summary>
    public static Ordering By(int[] category, int categories, int[] image, int images, bool asOneClass)
    {
        var kept = new int[category.Length];
        var count = 0;
        for (var i = 0; i < category.Length; i++)
        {
            if (category[i] >= 0 && image[i] >= 0)
            {
                kept[count++] = i;
            }
        }
        var entries = kept.AsSpan(0, count);
        return asOneClass
            ? new Ordering(Sort(Sort(entries, category, categories).Order, image, images).Order, [0, count])
            : Sort(Sort(entries, image, images).Order, category, categories);
    }

    private static Ordering Sort(ReadOnlySpan<int> entries, int[] key, int keys)
    {
        var start = new int[keys + 1];
        foreach (var entry in entries)
        {
            start[key[entry] + 1]++;
        }
        for (var k = 0; k < keys; k++)
        {
            start[k + 1] += start[k];
        }
        var next = start.AsSpan(0, keys).ToArray();
        var order = new int[entries.Length];
        foreach (var entry in entries)
        {
            order[next[key[entry]]++] = entry;
        }
        return new Ordering(order, start);
    }
}
