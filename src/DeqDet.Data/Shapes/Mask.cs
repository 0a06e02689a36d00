namespace DeqDet.Data.Shapes;

/// <summary>
/// Coverage of an outline's pixels, 0 to 256, in a window of the image plane at (<paramref name="Left"/>, <paramref name="Top"/>).
/// The window may reach beyond the image.
/// </summary>
public sealed record Mask(int Left, int Top, int Width, int Height, short[] Coverage)
{
    /// <summary>Coverage from which on a pixel belongs to the shape.</summary>
    public const int Half = 128;

    private const int SubRows = 8;
    private const int Unit = 256; // vertices lie on a grid of 1/256 px, spans of a sub-row end on 1/32 px

    /// <summary>Number of pixels that belong to the shape, also outside the image.</summary>
    public int Count => Coverage.Count(c => c >= Half);

    /// <summary>
    /// Rasterises an outline by the even-odd rule: eight sub-rows a pixel row, horizontally exact to 1/32 px. All arithmetic after
    /// the rounding of the vertices is on integers.
    /// </summary>
    public static Mask Of(Outline outline)
    {
        var edges = Edges(outline);
        var left = (int)(edges.Min(e => Math.Min(e.X0, e.X1)) >> 8);
        var right = (int)(edges.Max(e => Math.Max(e.X0, e.X1)) >> 8) + 1;
        var top = (int)(edges.Min(e => e.Y0) >> 8);
        var bottom = (int)(edges.Max(e => e.Y1) >> 8) + 1;
        var (width, height) = (right - left, bottom - top);
        var coverage = new short[width * height];
        var crossings = new int[edges.Count];
        for (var subRow = 0; subRow < height * SubRows; subRow++)
        {
            var y = (long)top * Unit + subRow * (Unit / SubRows) + Unit / SubRows / 2;
            var count = 0;
            foreach (var edge in edges)
            {
                if (edge.Y0 <= y && y < edge.Y1)
                {
                    var x = edge.X0 + FloorDivide((edge.X1 - edge.X0) * (y - edge.Y0), edge.Y1 - edge.Y0);
                    crossings[count++] = (int)((x - (long)left * Unit) >> 3);
                }
            }

            Array.Sort(crossings, 0, count);
            var row = coverage.AsSpan(subRow / SubRows * width, width);
            for (var i = 0; i + 1 < count; i += 2)
            {
                AddSpan(row, crossings[i], crossings[i + 1]);
            }
        }

        return new(left, top, width, height, coverage);
    }

    private static void AddSpan(Span<short> row, int from, int to)
    {
        var (first, last) = (from >> 5, to >> 5);
        if (first == last)
        {
            row[first] += (short)(to - from);
            return;
        }

        row[first] += (short)(32 - (from & 31));
        for (var x = first + 1; x < last; x++)
        {
            row[x] += 32;
        }

        if ((to & 31) != 0)
        {
            row[last] += (short)(to & 31);
        }
    }

    private static List<Edge> Edges(Outline outline)
    {
        var edges = new List<Edge>();
        foreach (var polygon in outline.Polygons)
        {
            for (var i = 0; i < polygon.Length; i++)
            {
                var (a, b) = (polygon[i], polygon[(i + 1) % polygon.Length]);
                var (ax, ay, bx, by) = (Fixed(a.X), Fixed(a.Y), Fixed(b.X), Fixed(b.Y));
                edges.Add(ay <= by ? new(ax, ay, bx, by) : new(bx, by, ax, ay));
            }
        }

        return edges;
    }

    private static long Fixed(double value) => (long)Math.Floor(value * Unit + 0.5);

    private static long FloorDivide(long a, long b) => a >= 0 ? a / b : -((-a + b - 1) / b);

    private readonly record struct Edge(long X0, long Y0, long X1, long Y1);
}
