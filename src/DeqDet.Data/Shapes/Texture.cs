namespace DeqDet.Data.Shapes;

/// <summary>How a texture mixes its two colours over the plane.</summary>
public enum TextureKind
{
    Plain,
    Stripes,
    Checks,
    Dots,
    Noise,
    Gradient,
}

/// <summary>An 8-bit RGB colour.</summary>
public readonly record struct Colour(int R, int G, int B)
{
    /// <summary>The colour of a hue (0..1535, six sectors of 256), a saturation and a brightness (0..255 each).</summary>
    public static Colour OfHue(int hue, int saturation, int brightness)
    {
        var rising = hue & 255;
        var (r, g, b) = (hue >> 8) switch
        {
            0 => (255, rising, 0),
            1 => (255 - rising, 255, 0),
            2 => (0, 255, rising),
            3 => (0, 255 - rising, 255),
            4 => (rising, 0, 255),
            _ => (255, 0, 255 - rising),
        };
        int Channel(int pure) => (255 * 255 - (255 - pure) * saturation) / 255 * brightness / 255;
        return new(Channel(r), Channel(g), Channel(b));
    }

    /// <summary>The way from this colour to another, <paramref name="share"/> / 256 of it.</summary>
    public Colour Towards(Colour other, int share) =>
        new(R + ((other.R - R) * share >> 8), G + ((other.G - G) * share >> 8), B + ((other.B - B) * share >> 8));

    /// <summary>Squared distance with green weighted most, as the eye does; black to white is 9 * 255^2.</summary>
    public int DistanceTo(Colour other)
    {
        var (dr, dg, db) = (R - other.R, G - other.G, B - other.B);
        return 3 * dr * dr + 4 * dg * dg + 2 * db * db;
    }
}

/// <summary>
/// A pattern of two colours. Evaluated with integers alone; edges inside the pattern are about a pixel soft.
/// </summary>
/// <param name="Period">Size of the pattern, px.</param>
/// <param name="Cos">Direction of the pattern, in 1/16384.</param>
/// <param name="Sin">Direction of the pattern, in 1/16384.</param>
/// <param name="Phase">Seed and displacement of the pattern.</param>
public sealed record Texture(TextureKind Kind, Colour First, Colour Second, int Period, int Cos, int Sin, int Phase)
{
    /// <summary>A random texture of the given colours.</summary>
    public static Texture Random(SplitMix64 random, TextureKind kind, Colour first, Colour second, int period)
    {
        var turn = Turn.Random(random);
        return new(
            kind,
            first,
            second,
            period,
            (int)Math.Floor(turn.Cos * 16384),
            (int)Math.Floor(turn.Sin * 16384),
            random.Below(1 << 20)
        );
    }

    /// <summary>The colour at a pixel, relative to the point the texture hangs on.</summary>
    public Colour At(int x, int y)
    {
        if (Kind == TextureKind.Plain)
        {
            return First;
        }

        // Turned coordinates in 1/256 px.
        var u = (int)((x * 256L * Cos + y * 256L * Sin) >> 14);
        var v = (int)((y * 256L * Cos - x * 256L * Sin) >> 14);
        return First.Towards(Second, Share(u, v));
    }

    private int Share(int u, int v)
    {
        switch (Kind)
        {
            case TextureKind.Stripes:
                return Wave(u + Phase);
            case TextureKind.Checks:
                var (a, b) = (Wave(u + Phase), Wave(v + (Phase >> 4)));
                return (a * (256 - b) + b * (256 - a)) >> 8;
            case TextureKind.Dots:
                var dx = Modulo(u + Phase, Period * 256) - Period * 128;
                var dy = Modulo(v + (Phase >> 4), Period * 256) - Period * 128;
                var radius = Period * 256 / 3;
                // (r^2 - d^2) / 2r is the distance from the dot's edge near that edge.
                return Math.Clamp((radius * radius - dx * dx - dy * dy) / (2 * radius) + 128, 0, 256);
            case TextureKind.Noise:
                return ValueNoise(u, v);
            default:
                return Math.Clamp(128 + u / (2 * Period), 0, 256);
        }
    }

    /// <summary>Smooth noise: random numbers on a square lattice of the period, blended in between; 0..256.</summary>
    private int ValueNoise(int u, int v)
    {
        var cell = Period * 256;
        var (column, row) = (FloorDivide(u, cell), FloorDivide(v, cell));
        var fx = Smooth((u - column * cell) / Period);
        var fy = Smooth((v - row * cell) / Period);
        var upper = Lattice(column, row) * (256 - fx) + Lattice(column + 1, row) * fx;
        var lower = Lattice(column, row + 1) * (256 - fx) + Lattice(column + 1, row + 1) * fx;
        return (upper * (256 - fy) + lower * fy) >> 16;
    }

    private int Lattice(int column, int row)
    {
        var place = ((ulong)(uint)column << 32) ^ (uint)row ^ ((ulong)Phase << 16);
        return (int)(SplitMix64.Mix(place) >> 56);
    }

    /// <summary>A square wave of the period with edges one pixel soft, 0..256.</summary>
    private int Wave(int position)
    {
        var half = Period * 128;
        var distance = Math.Abs(Modulo(position, 2 * half) - half) - half / 2;
        return Math.Clamp(distance + 128, 0, 256);
    }

    /// <summary>3f^2 - 2f^3 on 0..256.</summary>
    private static int Smooth(int f) => (f * f * (768 - 2 * f)) >> 16;

    private static int Modulo(int a, int b) => a - FloorDivide(a, b) * b;

    private static int FloorDivide(int a, int b) => a >= 0 ? a / b : -((-a + b - 1) / b);
}
