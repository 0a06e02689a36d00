using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>What was drawn for one of the four pictures of a mosaic.</summary>
/// <param name="Scale">Factor on its usual size.</param>
/// <param name="Flip">Whether left and right are exchanged.</param>
/// <param name="Place">Uniform numbers in [0, 1) for the window of it that is kept where it is larger than its tile (x, y).</param>
public readonly record struct TileDraw(double Scale, bool Flip, (double X, double Y) Place);

/// <summary>
/// A drawn mosaic (Bochkovskiy, Wang, Liao 2020): four pictures around a point, each in a tile of its own. A picture larger than its tile is cut,
/// one that is smaller touches the point and leaves the rest of the tile in one colour.
/// </summary>
/// <param name="Others">Uniform numbers in [0, 1) that choose the three other pictures of the data set.</param>
/// <param name="Centre">Where the four meet, as a part of the width and of the height.</param>
/// <param name="Tiles">Draws for the four, from left to right and top to bottom; the picture itself is the first.</param>
public sealed record MosaicDraw(
    IReadOnlyList<double> Others,
    (double X, double Y) Centre,
    IReadOnlyList<TileDraw> Tiles
)
{
    // No tile is narrower or lower than this part of the mosaic.
    private const double LeastTile = 0.25;

    /// <summary>Draws for one picture.</summary>
    public static MosaicDraw Draw(MosaicSettings settings, double flip, SplitMix64 random)
    {
        double[] others = [random.Unit(), random.Unit(), random.Unit()];
        var centre = (random.Between(LeastTile, 1 - LeastTile), random.Between(LeastTile, 1 - LeastTile));
        var tiles = new TileDraw[4];
        for (var i = 0; i < tiles.Length; i++)
        {
            tiles[i] = new(
                random.Between(settings.MinScale, settings.MaxScale),
                random.Chance(flip),
                (random.Unit(), random.Unit())
            );
        }

        return new(others, centre, tiles);
    }

    /// <summary>Which pictures of a data set of so many are put beside the picture.</summary>
    public IReadOnlyList<int> OthersOf(int count) => [.. Others.Select(uniform => (int)(uniform * count))];

    /// <summary>The mosaic, as large as the first picture is otherwise.</summary>
    /// <param name="pictures">The four pictures.</param>
    /// <param name="size">Their usual size.</param>
    /// <param name="background">Colour of what no picture covers.</param>
    public Example Apply(
        IReadOnlyList<Example> pictures,
        ResizeLimit size,
        (byte Red, byte Green, byte Blue) background
    )
    {
        var (width, height) = size.Of(pictures[0].View.Width, pictures[0].View.Height);
        // of the smallest pictures something must be left for every tile
        var x = Math.Clamp((int)(Centre.X * width), Math.Min(1, width - 1), Math.Max(width - 1, 1));
        var y = Math.Clamp((int)(Centre.Y * height), Math.Min(1, height - 1), Math.Max(height - 1, 1));
        var canvas = Canvas(width, height, background);
        var boxes = new List<Coco.Box>();
        var labels = new List<int>();
        for (var i = 0; i < Tiles.Count; i++)
        {
            var (isRight, isLower) = (i % 2 == 1, i / 2 == 1);
            var tile = Tiles[i];
            var (tileWidth, tileHeight) = (isRight ? width - x : x, isLower ? height - y : y);
            if (tileWidth == 0 || tileHeight == 0)
            {
                continue;
            }

            var part = pictures[i].Zoomed(size, tile.Scale).Window(tileWidth, tileHeight, tile.Place);
            part = tile.Flip ? part.Flipped() : part;
            var left = isRight ? x : x - part.View.Width;
            var top = isLower ? y : y - part.View.Height;
            var rendered = part.View.Render();
            for (var row = 0; row < rendered.Height; row++)
            {
                rendered.Row(row).CopyTo(canvas.AsSpan(((top + row) * width + left) * 3));
            }

            boxes.AddRange(part.Boxes.Select(box => box.Moved(left, top)));
            labels.AddRange(part.Labels);
        }

        return new(new RgbImage(canvas, width, height), [.. boxes], [.. labels]);
    }

    private static byte[] Canvas(int width, int height, (byte Red, byte Green, byte Blue) colour)
    {
        var pixels = GC.AllocateUninitializedArray<byte>(width * height * 3);
        for (var i = 0; i < pixels.Length; i += 3)
        {
            (pixels[i], pixels[i + 1], pixels[i + 2]) = colour;
        }

        return pixels;
    }
}
