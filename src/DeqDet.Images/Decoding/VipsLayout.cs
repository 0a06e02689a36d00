using NetVips;

namespace DeqDet.Images.Decoding;

/// <summary>What the bands of an image mean, and how they become 8-bit RGB.</summary>
/// <param name="Colour">The colours.</param>
/// <param name="Bands">Numbers a pixel; those after the colours are alpha or something else, and dropped.</param>
/// <param name="Wide">Whether they have 16 bits, of which the upper 8 are kept.</param>
internal sealed record VipsLayout(VipsLayout.Colours Colour, int Bands, bool Wide)
{
    /// <summary>Colours that are read.</summary>
    public enum Colours
    {
        /// <summary>One band.</summary>
        Grey,

        /// <summary>Three bands.</summary>
        Rgb,

        /// <summary>Four bands; 0 is no ink.</summary>
        Cmyk,
    }

    /// <summary>Whether the bytes are those wanted already.</summary>
    public bool IsRgb => (Colour, Bands, Wide) == (Colours.Rgb, 3, false);

    /// <summary>The layout of an image; null for pixels that are not read.</summary>
    public static VipsLayout? Of(Image image)
    {
        Colours? colour = (image.Interpretation, image.Bands) switch
        {
            (Enums.Interpretation.Bw or Enums.Interpretation.Grey16, >= 1) => Colours.Grey,
            (Enums.Interpretation.Multiband, 1 or 2) => Colours.Grey,
            (Enums.Interpretation.Srgb or Enums.Interpretation.Rgb or Enums.Interpretation.Rgb16, >= 3) => Colours.Rgb,
            (Enums.Interpretation.Multiband, 3 or 4) => Colours.Rgb,
            (Enums.Interpretation.Cmyk, >= 4) => Colours.Cmyk,
            _ => null,
        };
        return colour is { } known && image.Format is Enums.BandFormat.Uchar or Enums.BandFormat.Ushort
            ? new(known, image.Bands, image.Format == Enums.BandFormat.Ushort)
            : null;
    }

    /// <summary>Why an image has no layout.</summary>
    public static string Refusal(Image image) =>
        $"pixels of {image.Bands} {(image.Bands == 1 ? "number" : "numbers")} ({image.Interpretation}, {image.Format}) are not read; "
        + "convert the image to 8-bit RGB";

    /// <summary>Decodes into RGB; false where the image is damaged.</summary>
    public bool Read(Image image, byte[] rgb) =>
        VipsRows.Read(
            image,
            (top, rows) =>
            {
                var start = top * image.Width * 3;
                var target = rgb.AsSpan(start, Math.Min(rows.Length / (Wide ? 2 : 1) / Bands * 3, rgb.Length - start));
                Convert(rows, target);
            }
        );

    private void Convert(byte[] rows, Span<byte> rgb)
    {
        // Of 16 bits in the machine's order, the upper 8.
        var (size, upper) = Wide ? (2, BitConverter.IsLittleEndian ? 1 : 0) : (1, 0);
        for (var (from, to) = (upper, 0); to < rgb.Length; to += 3, from += Bands * size)
        {
            var first = rows[from];
            (rgb[to], rgb[to + 1], rgb[to + 2]) = Colour switch
            {
                Colours.Grey => (first, first, first),
                Colours.Rgb => (first, rows[from + size], rows[from + 2 * size]),
                _ => Mixed(first, rows[from + size], rows[from + 2 * size], rows[from + 3 * size]),
            };
        }
    }

    private static (byte, byte, byte) Mixed(byte cyan, byte magenta, byte yellow, byte black) =>
        (Mixed(cyan, black), Mixed(magenta, black), Mixed(yellow, black));

    /// <summary>What an ink and black leave of the light, rounded.</summary>
    private static byte Mixed(byte ink, byte black)
    {
        var light = (255 - ink) * (255 - black) + 128;
        return (byte)((light + (light >> 8)) >> 8);
    }
}
