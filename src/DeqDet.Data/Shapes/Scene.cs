using DeqDet.Coco;

namespace DeqDet.Data.Shapes;

/// <summary>One annotated region of a generated picture.</summary>
/// <param name="Label">Index into <see cref="Outline.Names"/>.</param>
/// <param name="Box">Tight box of the visible pixels: left, top, width, height.</param>
/// <param name="Area">Number of visible pixels.</param>
/// <param name="CrowdCounts">Run lengths of the visible pixels in COCO's column order, for a crowd region; null for a single shape.</param>
public sealed record Region(int Label, (int X, int Y, int W, int H) Box, int Area, int[]? CrowdCounts);

/// <summary>A generated picture: interleaved RGB bytes and its regions.</summary>
public sealed record Picture(byte[] Rgb, int Width, int Height, IReadOnlyList<Region> Regions);

/// <summary>
/// Composes one picture: a busy background, then shapes laid over each other. A shape may hide parts of earlier ones, but every shape
/// keeps at least <see cref="LeastVisible"/> of its pixels, so that no visible shape lacks an annotation.
/// </summary>
public sealed class Scene
{
    /// <summary>Share of a shape's pixels that must stay visible, of those inside and outside the image.</summary>
    public const double LeastVisible = 0.6;

    private const int Background = -1;
    private const int CrowdEvery = 9;
    private const int Tries = 24;
    private const int ShadowShare = 70; // of 256

    private static readonly (int W, int H)[] Canvases =
    [
        (128, 96),
        (96, 128),
        (128, 128),
        (160, 128),
        (128, 160),
        (160, 120),
        (120, 160),
        (144, 112),
        (112, 144),
    ];

    private static readonly (int W, int H)[] LargeCanvases = [(160, 160), (160, 144), (144, 160)];

    private static readonly TextureKind[] Kinds = Enum.GetValues<TextureKind>();

    private readonly SplitMix64 random;
    private readonly int scale;
    private readonly int width;
    private readonly int height;
    private readonly byte[] rgb;
    private readonly int[] owner;
    private readonly List<(int Label, int Full, bool Crowd)> items = [];
    private readonly List<Colour> backgroundColours = [];
    private readonly List<Colour> itemColours = [];
    private readonly (int X, int Y)? shadow;

    private Scene(SplitMix64 random, int width, int height, int scale)
    {
        (this.random, this.width, this.height, this.scale) = (random, width * scale, height * scale, scale);
        (width, height) = (this.width, this.height);
        rgb = new byte[width * height * 3];
        owner = new int[width * height];
        Array.Fill(owner, Background);
        shadow = random.Chance(0.5) ? (random.Between(-2, 2) * scale, random.Between(1, 3) * scale) : null;
    }

    /// <summary>
    /// The picture with the given index of a set; every ninth has a crowd region. With a scale, width and height are so many times as large and all is
    /// drawn as fine as that allows: another picture, of the same kind.
    /// </summary>
    public static Picture Draw(long seed, int set, int index, int scale = 1)
    {
        var random = SplitMix64.For(seed, set, index);
        var large = random.Chance(0.3);
        var (width, height) = random.Pick(large ? LargeCanvases : Canvases);
        var scene = new Scene(random, width, height, scale);
        scene.DrawBackground();
        if (large)
        {
            scene.AddShape(random.Between(101.0, 116.0) * scale);
        }

        if (index % CrowdEvery == CrowdEvery / 2)
        {
            scene.AddCrowd();
        }

        var count = random.Between(2, large ? 5 : 7) - scene.items.Count;
        for (var i = 0; i < count || scene.items.All(item => item.Crowd); i++)
        {
            var medium = Math.Min(random.Between(34.0, 90.0), random.Between(34.0, 90.0));
            scene.AddShape(
                scale
                    * (
                        random.Chance(0.4)
                            ? random.Between(13.0, 30.0)
                            : Math.Min(medium, Math.Min(width, height) * 0.6)
                    )
            );
        }

        scene.AddSensorNoise();
        return new(scene.rgb, scene.width, scene.height, scene.Regions());
    }

    private void DrawBackground()
    {
        Colour Muted() => Colour.OfHue(random.Below(1536), random.Between(0, 90), random.Between(30, 250));
        var first = Muted();
        var second = first.Towards(Muted(), random.Between(80, 200));
        var kind = random.Pick(Kinds);
        var period = kind == TextureKind.Noise ? random.Between(8, 40) : random.Between(7, 24);
        period *= scale;
        var texture = Texture.Random(random, kind, first, second, period);
        var clouds = Texture.Random(random, TextureKind.Noise, first, Muted(), random.Between(20, 60) * scale);
        var cloudShare = random.Between(20, 110);
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                Put(x, y, texture.At(x, y).Towards(clouds.At(x, y), cloudShare), 256);
            }
        }

        backgroundColours.AddRange([first, second, first.Towards(clouds.Second, cloudShare / 2)]);
        for (var strokes = random.Between(2, 9); strokes > 0; strokes--)
        {
            var from = new Point(random.Between(0.0, width), random.Between(0.0, height));
            var to = new Point(random.Between(0.0, width), random.Between(0.0, height));
            var mask = Mask.Of(Outline.Stroke(from, to, random.Between(0.7, 2.4) * scale));
            var colour = Muted();
            Paint(mask, 0, 0, (_, _) => colour, random.Between(60, 170));
        }
    }

    /// <summary>Adds one shape of about size^2 pixels; does nothing when no place for it is found.</summary>
    private void AddShape(double size)
    {
        var label = random.Below(Outline.Names.Count);
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            var centre = new Point(random.Between(0.0, width), random.Between(0.0, height));
            var outline = Outline.OfClass(label).Placed(random.Between(0.87, 1.15), size, Turn.Random(random), centre);
            if (TryAdd(label, [Mask.Of(outline)], crowd: false))
            {
                return;
            }
        }
    }

    /// <summary>Adds a dense cluster of tiny shapes of one class.</summary>
    private void AddCrowd()
    {
        var label = random.Below(Outline.Names.Count);
        var (columns, rows) = (random.Between(3, 6), random.Between(3, 5));
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            var centre = new Point(
                random.Between(20.0 * scale, width - 20.0 * scale),
                random.Between(16.0 * scale, height - 16.0 * scale)
            );
            var masks = new List<Mask>();
            for (var i = 0; i < columns * rows; i++)
            {
                var x = centre.X + (i % columns - (columns - 1) / 2.0) * 9 * scale + random.Between(-1.5, 1.5) * scale;
                var y = centre.Y + (i / columns - (rows - 1) / 2.0) * 9 * scale + random.Between(-1.5, 1.5) * scale;
                var outline = Outline
                    .OfClass(label)
                    .Placed(1, random.Between(5.0, 7.5) * scale, Turn.Random(random), new(x, y));
                masks.Add(Mask.Of(outline));
            }

            if (TryAdd(label, masks, crowd: true))
            {
                return;
            }
        }
    }

    private bool TryAdd(int label, IReadOnlyList<Mask> masks, bool crowd)
    {
        var pixels = masks.SelectMany(PixelsInside).ToHashSet();
        var full = masks.Sum(mask => mask.Count);
        if (pixels.Count < 0.9 * full || !LeavesOthersVisible(pixels))
        {
            return false;
        }

        var (first, second) = Colours(label);
        itemColours.AddRange([first, second]);
        foreach (var mask in masks)
        {
            var extent = Math.Max(mask.Width, mask.Height);
            var period = random.Between(
                Math.Clamp(extent / 7, 4 * scale, 9 * scale),
                Math.Clamp(extent / 4, 5 * scale, 18 * scale)
            );
            var texture = Texture.Random(random, crowd ? TextureKind.Plain : random.Pick(Kinds), first, second, period);
            if (shadow is var (dx, dy))
            {
                Paint(mask, dx, dy, (_, _) => default, ShadowShare);
            }

            var (x0, y0) = (mask.Left + mask.Width / 2, mask.Top + mask.Height / 2);
            Paint(mask, 0, 0, (x, y) => texture.At(x - x0, y - y0), 256);
        }

        foreach (var pixel in pixels)
        {
            owner[pixel] = items.Count;
        }

        items.Add((label, full, crowd));
        return true;
    }

    private IEnumerable<int> PixelsInside(Mask mask)
    {
        for (var i = 0; i < mask.Coverage.Length; i++)
        {
            var (x, y) = (mask.Left + i % mask.Width, mask.Top + i / mask.Width);
            if (mask.Coverage[i] >= Mask.Half && x >= 0 && y >= 0 && x < width && y < height)
            {
                yield return y * width + x;
            }
        }
    }

    private bool LeavesOthersVisible(HashSet<int> covered)
    {
        var visible = new int[items.Count];
        for (var i = 0; i < owner.Length; i++)
        {
            if (owner[i] != Background && !covered.Contains(i))
            {
                visible[owner[i]]++;
            }
        }

        return items.Zip(visible).All(pair => pair.Second >= LeastVisible * pair.First.Full);
    }

    /// <summary>
    /// Two colours of a class that stand out from the background and the shapes already there, as far as that goes. Each class has
    /// a sixth of the circle of hues for its own, as many things in the world have colours of their own: a detector learns from
    /// colour first, and from outlines where brightness or pattern make colour unclear.
    /// </summary>
    private (Colour, Colour) Colours(int label)
    {
        const int clear = 9 * 75 * 75;
        const int sector = 1536;
        var (best, bestDistance) = ((default(Colour), default(Colour)), -1);
        for (var attempt = 0; attempt < 40 && bestDistance < clear; attempt++)
        {
            var hue = (sector * label / Outline.Names.Count + random.Between(-90, 90) + sector) % sector;
            var first = Colour.OfHue(hue, random.Between(120, 255), random.Between(100, 255));
            var other = Colour.OfHue(hue, random.Between(0, 255), random.Chance(0.5) ? random.Between(10, 80) : 255);
            var second = first.Towards(other, random.Between(90, 220));
            var fromBackground = backgroundColours.Min(c => Math.Min(c.DistanceTo(first), c.DistanceTo(second)));
            var fromItems = itemColours.Count == 0 ? int.MaxValue : itemColours.Min(c => c.DistanceTo(first));
            var distance = Math.Min(fromBackground, fromItems == int.MaxValue ? fromItems : fromItems * 2);
            if (distance > bestDistance)
            {
                (best, bestDistance) = ((first, second), distance);
            }
        }

        return best;
    }

    private void Paint(Mask mask, int dx, int dy, Func<int, int, Colour> colourAt, int opacity)
    {
        for (var row = 0; row < mask.Height; row++)
        {
            for (var column = 0; column < mask.Width; column++)
            {
                var coverage = mask.Coverage[row * mask.Width + column];
                var (x, y) = (mask.Left + column + dx, mask.Top + row + dy);
                if (coverage > 0 && x >= 0 && y >= 0 && x < width && y < height)
                {
                    Put(x, y, colourAt(x, y), coverage * opacity >> 8);
                }
            }
        }
    }

    private void Put(int x, int y, Colour colour, int share)
    {
        var pixel = rgb.AsSpan((y * width + x) * 3, 3);
        var mixed = new Colour(pixel[0], pixel[1], pixel[2]).Towards(colour, share);
        (pixel[0], pixel[1], pixel[2]) = ((byte)mixed.R, (byte)mixed.G, (byte)mixed.B);
    }

    private void AddSensorNoise()
    {
        var strength = random.Between(0, 7);
        for (var i = 0; i < rgb.Length; i++)
        {
            rgb[i] = (byte)Math.Clamp(rgb[i] + random.Between(-strength, strength), 0, 255);
        }
    }

    private List<Region> Regions()
    {
        var regions = new List<Region>();
        for (var item = 0; item < items.Count; item++)
        {
            var (left, top, right, bottom, area) = (width, height, 0, 0, 0);
            for (var i = 0; i < owner.Length; i++)
            {
                if (owner[i] == item)
                {
                    var (x, y) = (i % width, i / width);
                    (left, top) = (Math.Min(left, x), Math.Min(top, y));
                    (right, bottom) = (Math.Max(right, x + 1), Math.Max(bottom, y + 1));
                    area++;
                }
            }

            var counts = items[item].Crowd ? RunLengths(item) : null;
            regions.Add(new(items[item].Label, (left, top, right - left, bottom - top), area, counts));
        }

        return regions;
    }

    /// <summary>Runs of pixels outside and inside in turn, down the columns, beginning with outside.</summary>
    private int[] RunLengths(int item)
    {
        var counts = new List<int>();
        var (inside, run) = (false, 0);
        for (var i = 0; i < owner.Length; i++)
        {
            if ((owner[i % height * width + i / height] == item) != inside)
            {
                counts.Add(run);
                (inside, run) = (!inside, 0);
            }

            run++;
        }

        counts.Add(run);
        return [.. counts];
    }
}
