namespace DeqDet.Images;

/// <summary>
/// An affine map of colours: (r, g, b) becomes M (r, g, b) + offset, in grey levels from 0 to 255, rounded and clipped. Saturation and hue are
/// those of the W3C's Filter Effects (<c>saturate</c>, <c>hueRotate</c>): the luma 0.213 r + 0.715 g + 0.072 b stays as it is.
/// </summary>
public sealed record ColourMatrix
{
    private const double Red = 0.213;
    private const double Green = 0.715;
    private const double Blue = 0.072;
    private const double MediumGrey = 127.5;

    // Three rows of three factors and an offset.
    private readonly float[] rows;

    private ColourMatrix(double[] rows) => this.rows = Array.ConvertAll(rows, value => (float)value);

    /// <summary>Hue and saturation first, then contrast around medium grey, then brightness.</summary>
    /// <param name="brightness">Factor on all values; 1 changes nothing.</param>
    /// <param name="contrast">Factor on the distance from medium grey; 1 changes nothing.</param>
    /// <param name="saturation">Factor on the distance from the grey of equal luma; 1 changes nothing.</param>
    /// <param name="hue">Angle by which hues are turned, degrees; 0 changes nothing.</param>
    public static ColourMatrix Of(double brightness, double contrast, double saturation, double hue)
    {
        var (sin, cos) = Math.SinCos(hue * Math.PI / 180);
        double[] turned =
        [
            Red + cos * (1 - Red) - sin * Red,
            Green - cos * Green - sin * Green,
            Blue - cos * Blue + sin * (1 - Blue),
            Red - cos * Red + sin * 0.143,
            Green + cos * (1 - Green) + sin * 0.140,
            Blue - cos * Blue - sin * 0.283,
            Red - cos * Red - sin * (1 - Red),
            Green - cos * Green + sin * Green,
            Blue + cos * (1 - Blue) + sin * Blue,
        ];
        double[] luma = [Red, Green, Blue];
        var rows = new double[12];
        for (var row = 0; row < 3; row++)
        {
            for (var column = 0; column < 3; column++)
            {
                // the luma of a turned colour is that of the colour, so a mixture with its grey needs no second product
                rows[4 * row + column] =
                    brightness * contrast * (saturation * turned[3 * row + column] + (1 - saturation) * luma[column]);
            }

            rows[4 * row + 3] = brightness * (1 - contrast) * MediumGrey;
        }

        return new(rows);
    }

    /// <summary>The picture in other colours.</summary>
    public RgbImage Apply(RgbImage image)
    {
        var pixels = GC.AllocateUninitializedArray<byte>(image.Pixels.Length);
        var (source, m) = (image.Pixels, rows);
        for (var i = 0; i < source.Length; i += 3)
        {
            var (r, g, b) = ((float)source[i], (float)source[i + 1], (float)source[i + 2]);
            pixels[i] = Level(m[0] * r + m[1] * g + m[2] * b + m[3]);
            pixels[i + 1] = Level(m[4] * r + m[5] * g + m[6] * b + m[7]);
            pixels[i + 2] = Level(m[8] * r + m[9] * g + m[10] * b + m[11]);
        }

        return new(pixels, image.Width, image.Height);
    }

    private static byte Level(float value) => (byte)Math.Clamp(value + 0.5f, 0f, 255f);
}
