namespace DeqDet.Data.Shapes;

/// <summary>A point or vector, px.</summary>
public readonly record struct Point(double X, double Y);

/// <summary>
/// The outline of a shape: one or more closed polygons, filled by the even-odd rule. Built with +, -, *, / and sqrt alone,
/// which IEEE 754 rounds alike everywhere.
/// </summary>
public sealed class Outline(IReadOnlyList<Point[]> polygons)
{
    private const double Sin36 = 0.5877852522924731;
    private const double Cos36 = 0.8090169943749475;
    private const double Sin72 = 0.9510565162951535;
    private const double Cos72 = 0.30901699437494745;

    /// <summary>Names of the classes, in the order of their labels.</summary>
    public static IReadOnlyList<string> Names { get; } = ["disc", "ring", "square", "triangle", "star", "cross"];

    private static readonly Outline[] Templates =
    [
        Normalised([Circle(1)]),
        Normalised([Circle(1), Circle(0.55)]),
        Normalised([
            [new(-1, -1), new(1, -1), new(1, 1), new(-1, 1)],
        ]),
        Normalised([
            [new(0, -1), new(Math.Sqrt(3) / 2, 0.5), new(-Math.Sqrt(3) / 2, 0.5)],
        ]),
        Normalised([Star(0.47)]),
        Normalised([Cross(0.36)]),
    ];

    /// <summary>The closed polygons.</summary>
    public IReadOnlyList<Point[]> Polygons { get; } = polygons;

    /// <summary>The shape of a class, centred on its centroid, with area 1.</summary>
    public static Outline OfClass(int label) => Templates[label];

    /// <summary>A straight stroke.</summary>
    public static Outline Stroke(Point from, Point to, double width)
    {
        var (dx, dy) = (to.X - from.X, to.Y - from.Y);
        var scale = width / 2 / Math.Sqrt(dx * dx + dy * dy + 1e-9);
        var (nx, ny) = (-dy * scale, dx * scale);
        return new([
            [
                new(from.X + nx, from.Y + ny),
                new(to.X + nx, to.Y + ny),
                new(to.X - nx, to.Y - ny),
                new(from.X - nx, from.Y - ny),
            ],
        ]);
    }

    /// <summary>The outline stretched by (<paramref name="stretch"/>, 1 / stretch), scaled, turned, and moved to a centre.</summary>
    public Outline Placed(double stretch, double scale, Turn turn, Point centre)
    {
        Point Place(Point p)
        {
            var (x, y) = (p.X * stretch * scale, p.Y / stretch * scale);
            return new(centre.X + (x * turn.Cos - y * turn.Sin), centre.Y + (x * turn.Sin + y * turn.Cos));
        }

        return new([.. Polygons.Select(polygon => Array.ConvertAll(polygon, Place))]);
    }

    private static Outline Normalised(Point[][] polygons)
    {
        // The first polygon is the outer one; a second one is a hole.
        var area = Area(polygons[0]) - polygons.Skip(1).Sum(Area);
        var scale = 1 / Math.Sqrt(area);
        return new([
            .. polygons.Select(polygon => Array.ConvertAll(polygon, p => new Point(p.X * scale, p.Y * scale))),
        ]);
    }

    private static double Area(Point[] polygon)
    {
        var twice = 0.0;
        for (var i = 0; i < polygon.Length; i++)
        {
            var (a, b) = (polygon[i], polygon[(i + 1) % polygon.Length]);
            twice += a.X * b.Y - b.X * a.Y;
        }

        return Math.Abs(twice) / 2;
    }

    private static Point[] Circle(double radius)
    {
        const int perQuarter = 16;
        var points = new Point[4 * perQuarter];
        for (var i = 0; i < perQuarter; i++)
        {
            var turn = Turn.OfHalfTangent((double)i / perQuarter);
            var (x, y) = (radius * turn.Cos, radius * turn.Sin);
            points[i] = new(x, y);
            points[i + perQuarter] = new(-y, x);
            points[i + 2 * perQuarter] = new(-x, -y);
            points[i + 3 * perQuarter] = new(y, -x);
        }

        return points;
    }

    private static Point[] Star(double inner) =>
        [
            new(0, -1),
            new(inner * Sin36, -inner * Cos36),
            new(Sin72, -Cos72),
            new(inner * Sin72, inner * Cos72),
            new(Sin36, Cos36),
            new(0, inner),
            new(-Sin36, Cos36),
            new(-inner * Sin72, inner * Cos72),
            new(-Sin72, -Cos72),
            new(-inner * Sin36, -inner * Cos36),
        ];

    private static Point[] Cross(double arm) =>
        [
            new(-arm, -1),
            new(arm, -1),
            new(arm, -arm),
            new(1, -arm),
            new(1, arm),
            new(arm, arm),
            new(arm, 1),
            new(-arm, 1),
            new(-arm, arm),
            new(-1, arm),
            new(-1, -arm),
            new(-arm, -arm),
        ];
}

/// <summary>A rotation.</summary>
public readonly record struct Turn(double Cos, double Sin)
{
    /// <summary>The rotation by 2 atan(t), by the rational parametrisation of the circle: no trigonometric function is needed.</summary>
    public static Turn OfHalfTangent(double t) => new((1 - t * t) / (1 + t * t), 2 * t / (1 + t * t));

    /// <summary>A random rotation: a quarter turn times one between -45 and 45 degrees.</summary>
    public static Turn Random(SplitMix64 random)
    {
        const double tangentOfEighth = 0.41421356237309503;
        var (cos, sin) = OfHalfTangent(random.Between(-tangentOfEighth, tangentOfEighth));
        return random.Below(4) switch
        {
            0 => new(cos, sin),
            1 => new(-sin, cos),
            2 => new(-cos, -sin),
            _ => new(sin, -cos),
        };
    }
}
