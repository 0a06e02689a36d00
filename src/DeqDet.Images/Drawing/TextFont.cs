using System.Text;
using SkiaSharp;

namespace DeqDet.Images;

/// <summary>
/// The font of all pictures, part of the program, so that a machine without installed fonts writes the same pixels as any other: Noto Sans with
/// Latin, Greek and Cyrillic. Characters that it lacks are written as their code points.
/// </summary>
public static class TextFont
{
    private const string Resource = "DeqDet.Images.Fonts.DeqDetSans-Regular.ttf";

    // Of the size of the font, from its tables.
    private const float CapitalShare = 0.714f;

    private static readonly Lazy<SKTypeface> face = new(Load);

    /// <summary>Width of a line of text whose capitals have a height in px.</summary>
    public static float Measure(string text, float capital)
    {
        using var font = Sized(capital);
        return font.MeasureText(Readable(text));
    }

    /// <summary>Draws a line of text.</summary>
    /// <param name="canvas">Where to.</param>
    /// <param name="text">Any text; see <see cref="Readable"/>.</param>
    /// <param name="x">Left end, px.</param>
    /// <param name="y">Top of capitals, px.</param>
    /// <param name="capital">Height of capitals, px.</param>
    /// <param name="colour">Its colour.</param>
    public static void Draw(SKCanvas canvas, string text, float x, float y, float capital, SKColor colour)
    {
        using var font = Sized(capital);
        using var paint = new SKPaint { Color = colour, IsAntialias = true };
        canvas.DrawText(Readable(text), x, y + capital, SKTextAlign.Left, font, paint);
    }

    /// <summary>
    /// The text as it is drawn: characters that the font lacks become their code points, as in "U+4E2D U+6587"; those that only change the
    /// form of others (variation selectors, joiners) are left out.
    /// </summary>
    public static string Readable(string text)
    {
        if (text.All(character => character is >= ' ' and <= '~'))
        {
            return text;
        }

        var written = new StringBuilder();
        var named = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is 0x200C or 0x200D or (>= 0xFE00 and <= 0xFE0F))
            {
                continue;
            }

            var shown = !Rune.IsControl(rune) && face.Value.ContainsGlyph(rune.Value);
            var apart = !shown || named && !Rune.IsWhiteSpace(rune);
            if (apart && written.Length > 0 && written[^1] != ' ')
            {
                written.Append(' ');
            }

            written.Append(shown ? rune.ToString() : $"U+{rune.Value:X4}");
            named = !shown;
        }

        return written.ToString();
    }

    private static SKFont Sized(float capital) =>
        new(face.Value, capital / CapitalShare)
        {
            Subpixel = true,
            Edging = SKFontEdging.Antialias,
            Hinting = SKFontHinting.None,
            LinearMetrics = true,
        };

    private static SKTypeface Load()
    {
        using var stream = typeof(TextFont).Assembly.GetManifestResourceStream(Resource)!;
        using var data = SKData.Create(stream);
        return SKTypeface.FromData(data);
    }
}
