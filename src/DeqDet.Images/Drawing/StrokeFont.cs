using SkiaSharp;

namespace DeqDet.Images;

/// <summary>
/// A font of our own, drawn as lines, for printable ASCII: a machine without installed fonts writes the same text as any other.
/// </summary>
public static class StrokeFont
{
    /// <summary>What reaches below the line, as a share of a capital's height.</summary>
    public const float Descender = 4 / CapitalUnits;

    // In units in which the middle of a capital's lines goes from 0 to 14.
    private const float Weight = 2.2f;
    private const float Gap = 4.2f;
    private const float CapitalUnits = 14 + Weight;

    // Width and lines, as in the path data of SVG; y grows downwards from the top of a capital (0) to the line (14).
    private static readonly (float Width, string Lines)[] glyphs =
    [
        (3.2f, ""), // space
        (0, "M0 0V9.2M0 13.6V13.8"), // !
        (3.2f, "M0 0V4M3.2 0V4"), // "
        (9.4f, "M3.4 0L1.6 14M7.9 0L6.1 14M0.4 4.6H9.4M0 9.4H9"), // #
        (
            8.6f,
            "M8.2 4C7.8 2.4 6.4 1.4 4.3 1.4C2 1.4 0.4 2.5 0.4 4.3C0.4 8.3 8.6 6.1 8.6 10C8.6 11.8 6.7 12.8 4.3 12.8C2 12.8 0.4 11.8 0 10.1M4.3 -1V15.2"
        ), // $
        (
            11.4f,
            "M10 0L1.4 14M2.6 0A2.6 3.1 0 1 0 2.6 6.2A2.6 3.1 0 1 0 2.6 0ZM8.8 7.8A2.6 3.1 0 1 0 8.8 14A2.6 3.1 0 1 0 8.8 7.8Z"
        ), // %
        (
            9.8f,
            "M9.8 14L2.2 4.9C0.8 3.1 1.7 0 4.3 0C7 0 7.6 3.3 5.2 4.9L2.4 6.7C-1.1 9 -0.3 14 4.1 14C7.2 14 9.3 11.6 9.3 8"
        ), // &
        (0, "M0 0V4"), // '
        (2.8f, "M2.8 -1C-0.9 4 -0.9 12 2.8 17"), // (
        (2.8f, "M0 -1C3.7 4 3.7 12 0 17"), // )
        (6.2f, "M3.1 0.4V7.6M0 2.2L6.2 5.8M6.2 2.2L0 5.8"), // *
        (8, "M4 4V12M0 8H8"), // +
        (0.8f, "M0.8 13.6V14L0 16.6"), // ,
        (4.6f, "M0 8.4H4.6"), // -
        (0, "M0 13.6V13.8"), // .
        (6, "M6 0L0 15"), // /
        (8, "M4 0A4 7 0 1 0 4 14A4 7 0 1 0 4 0Z"), // 0
        (8, "M1.4 2.8L5 0V14"), // 1
        (8, "M0.4 3.8C0.6 1.5 2 0 4.1 0C6.3 0 7.7 1.4 7.7 3.6C7.7 7.4 0.4 9.6 0.2 14H8"), // 2
        (
            8,
            "M0.6 2.2C1.3 0.8 2.5 0 4.1 0C6.2 0 7.5 1.3 7.5 3.2C7.5 5.3 6 6.5 3.4 6.5C6.4 6.5 8 7.8 8 10.1C8 12.5 6.4 14 4 14C2.1 14 0.7 13.1 0 11.4"
        ), // 3
        (8.2f, "M6 14V0L0 10H8.2"), // 4
        (
            8,
            "M7.2 0H1.4L0.8 6.6C1.6 5.7 2.7 5.2 3.9 5.2C6.4 5.2 8 6.9 8 9.5C8 12.2 6.3 14 3.8 14C1.9 14 0.6 13.1 0 11.4"
        ), // 5
        (8, "M7.2 1.8C6.5 0.6 5.5 0 4.2 0C1.6 0 0 2.8 0 7.2V9.7M4 5.4A4 4.3 0 1 0 4 14A4 4.3 0 1 0 4 5.4Z"), // 6
        (8, "M0 0H8L3 14"), // 7
        (8, "M4 0A3.5 3.2 0 1 0 4 6.4A3.5 3.2 0 1 0 4 0ZM4 6.4A4 3.8 0 1 0 4 14A4 3.8 0 1 0 4 6.4Z"), // 8
        (8, "M0.8 12.2C1.5 13.4 2.5 14 3.8 14C6.4 14 8 11.2 8 6.8V4.3M4 0A4 4.3 0 1 0 4 8.6A4 4.3 0 1 0 4 0Z"), // 9
        (0, "M0 5.2V5.4M0 13.6V13.8"), // :
        (0.8f, "M0.8 5.2V5.4M0.8 13.6V14L0 16.6"), // ;
        (7.4f, "M7.4 3.6L0 8L7.4 12.4"), // <
        (8, "M0 5.8H8M0 10.2H8"), // =
        (7.4f, "M0 3.6L7.4 8L0 12.4"), // >
        (7.2f, "M0 3.2C0.3 1.1 1.7 0 3.6 0C5.8 0 7.2 1.4 7.2 3.3C7.2 6.3 3.6 6.3 3.6 9.4M3.6 13.6V13.8"), // ?
        (
            13.2f,
            "M9.6 4.6V9.3C9.6 11 10.3 11.7 11.2 11.5C12.5 11.2 13.2 9.6 13.2 7.4C13.2 3 10.5 0 6.8 0C2.8 0 0 3.2 0 8C0 12.9 2.8 16 7 16C8.7 16 10 15.6 11 15M6.5 4.4A3.1 3.6 0 1 0 6.5 11.6A3.1 3.6 0 1 0 6.5 4.4Z"
        ), // @
        (10, "M0 14L5 0L10 14M1.8 9H8.2"), // A
        (9, "M0 0V14H5.2A3.8 3.75 0 0 0 5.2 6.5H0M0 0H4.8A3.25 3.25 0 0 1 4.8 6.5"), // B
        (9.4f, "M9.4 3.3A5.2 7 0 1 0 9.4 10.7"), // C
        (9.6f, "M0 0V14H3.4A6.2 7 0 0 0 3.4 0Z"), // D
        (7.8f, "M7.8 0H0V14H7.8M0 6.7H6.6"), // E
        (7.6f, "M7.6 0H0V14M0 6.9H6.4"), // F
        (10, "M9.2 3.1A5.2 7 0 1 0 10 8V7.6H5.8"), // G
        (9.4f, "M0 0V14M9.4 0V14M0 6.8H9.4"), // H
        (0, "M0 0V14"), // I
        (6, "M6 0V10.4A3 3.6 0 0 1 0 10.8"), // J
        (8.8f, "M0 0V14M8.4 0L0 8.6M3 5.6L8.8 14"), // K
        (7.4f, "M0 0V14H7.4"), // L
        (11.4f, "M0 14V0L5.7 9.2L11.4 0V14"), // M
        (9.4f, "M0 14V0L9.4 14V0"), // N
        (10.6f, "M5.3 0A5.3 7 0 1 0 5.3 14A5.3 7 0 1 0 5.3 0Z"), // O
        (8.6f, "M0 14V0H4.8A3.8 3.8 0 0 1 4.8 7.6H0"), // P
        (10.6f, "M5.3 0A5.3 7 0 1 0 5.3 14A5.3 7 0 1 0 5.3 0ZM6.6 10.4L10.6 14.8"), // Q
        (8.8f, "M0 14V0H4.8A3.8 3.8 0 0 1 4.8 7.6H0M4.4 7.6L8.8 14"), // R
        (
            8.6f,
            "M8.2 3.1C7.8 1.2 6.3 0 4.3 0C2 0 0.4 1.4 0.4 3.4C0.4 8 8.6 5.8 8.6 10.4C8.6 12.6 6.8 14 4.3 14C2 14 0.4 12.8 0 10.7"
        ), // S
        (9.4f, "M0 0H9.4M4.7 0V14"), // T
        (9.2f, "M0 0V9.4A4.6 4.6 0 0 0 9.2 9.4V0"), // U
        (9.8f, "M0 0L4.9 14L9.8 0"), // V
        (14, "M0 0L3.5 14L7 1.6L10.5 14L14 0"), // W
        (9.2f, "M0 0L9.2 14M9.2 0L0 14"), // X
        (9.4f, "M0 0L4.7 7.2L9.4 0M4.7 7.2V14"), // Y
        (8.6f, "M0 0H8.6L0 14H8.6"), // Z
        (3, "M3 -1H0V17H3"), // [
        (6, "M0 0L6 15"), // \
        (3, "M0 -1H3V17H0"), // ]
        (6.8f, "M0 5L3.4 0L6.8 5"), // ^
        (8, "M0 16.6H8"), // _
        (2.2f, "M0 0L2.2 2.6"), // `
        (
            7.2f,
            "M0.6 6.1C1.1 4.7 2.2 4 3.8 4C6 4 7.2 5.2 7.2 7.4V14M7.2 8.5H3.7C1.4 8.5 0 9.5 0 11.3C0 13 1.2 14 3.1 14C5.4 14 7.2 12.6 7.2 10.3"
        ), // a
        (7.6f, "M0 0V14M3.8 4A3.8 5 0 1 0 3.8 14A3.8 5 0 1 0 3.8 4Z"), // b
        (6.9f, "M6.9 6.1A3.9 5 0 1 0 6.9 11.9"), // c
        (7.6f, "M7.6 0V14M3.8 4A3.8 5 0 1 0 3.8 14A3.8 5 0 1 0 3.8 4Z"), // d
        (7.6f, "M0.1 8.8H7.6A3.8 4.9 0 1 0 6.9 11.9"), // e
        (4.8f, "M4.8 0.2C2.7 -0.3 1.8 0.8 1.8 2.9V14M0 4.4H4.5"), // f
        (
            7.6f,
            "M7.6 4V14.2C7.6 16.8 6.3 18 4.1 18C2.5 18 1.3 17.5 0.7 16.5M3.8 4A3.8 5 0 1 0 3.8 14A3.8 5 0 1 0 3.8 4Z"
        ), // g
        (7.2f, "M0 0V14M0 8C0 5.4 1.6 4 3.8 4C6 4 7.2 5.4 7.2 8V14"), // h
        (0, "M0 4.4V14M0 0.2V0.4"), // i
        (2.2f, "M2.2 4.4V15.2C2.2 17.2 1.5 18 0 18M2.2 0.2V0.4"), // j
        (6.8f, "M0 0V14M6.4 4.2L0 10.4M2.4 8.1L6.8 14"), // k
        (2, "M0 0V11.6C0 13.2 0.6 14 2 14"), // l
        (
            11.6f,
            "M0 4V14M0 7.6C0 5.2 1.2 4 3 4C4.8 4 5.8 5.2 5.8 7.6V14M5.8 7.6C5.8 5.2 7 4 8.8 4C10.6 4 11.6 5.2 11.6 7.6V14"
        ), // m
        (7.2f, "M0 4V14M0 8C0 5.4 1.6 4 3.8 4C6 4 7.2 5.4 7.2 8V14"), // n
        (7.8f, "M3.9 4A3.9 5 0 1 0 3.9 14A3.9 5 0 1 0 3.9 4Z"), // o
        (7.6f, "M0 4V18M3.8 4A3.8 5 0 1 0 3.8 14A3.8 5 0 1 0 3.8 4Z"), // p
        (7.6f, "M7.6 4V18M3.8 4A3.8 5 0 1 0 3.8 14A3.8 5 0 1 0 3.8 4Z"), // q
        (4.4f, "M0 4V14M0 8C0 5.6 1.6 4 4.4 4.2"), // r
        (
            6.6f,
            "M6.2 6C5.7 4.7 4.7 4 3.3 4C1.6 4 0.3 4.9 0.3 6.4C0.3 9.7 6.6 8.1 6.6 11.4C6.6 13 5.2 14 3.3 14C1.6 14 0.5 13.3 0 11.9"
        ), // s
        (4.8f, "M1.8 1V11.2C1.8 13.3 2.8 14 4.8 13.8M0 4.4H4.6"), // t
        (7.2f, "M0 4V10C0 12.6 1.2 14 3.4 14C5.6 14 7.2 12.6 7.2 10M7.2 4V14"), // u
        (7.6f, "M0 4L3.8 14L7.6 4"), // v
        (11, "M0 4L2.75 14L5.5 5L8.25 14L11 4"), // w
        (7, "M0 4L7 14M7 4L0 14"), // x
        (7.6f, "M0 4L3.9 13.6M7.6 4L3.4 15.4C2.7 17.3 1.9 18 0.3 18"), // y
        (6.8f, "M0 4H6.8L0 14H6.8"), // z
        (3.6f, "M3.6 -1C0.8 -1 2.6 8 0 8C2.6 8 0.8 17 3.6 17"), // {
        (0, "M0 -1V17"), // |
        (3.6f, "M0 -1C2.8 -1 1 8 3.6 8C1 8 2.8 17 0 17"), // }
        (8.4f, "M0 9.2C1.2 6 3.2 6.4 4.2 7.8C5.2 9.2 7.2 9.8 8.4 6.6"), // ~
    ];

    private static readonly (float Width, string Lines) unknown = (7, "M0 0H7V14H0Z");

    private static readonly Lazy<SKPath>[] paths =
    [
        .. glyphs.Append(unknown).Select(glyph => new Lazy<SKPath>(() => SKPath.ParseSvgPathData(glyph.Lines))),
    ];

    /// <summary>Width of a line of text whose capitals have a height in px; without a gap before and after it.</summary>
    public static float Measure(string text, float capital)
    {
        var units = text.Sum(character => Glyph(character).Width + Gap) - Gap + Weight;
        return text.Length == 0 ? 0 : units * capital / CapitalUnits;
    }

    /// <summary>Draws a line of text.</summary>
    /// <param name="canvas">Where to.</param>
    /// <param name="text">Printable ASCII; an empty frame stands for any other character.</param>
    /// <param name="x">Left end, px.</param>
    /// <param name="y">Top of capitals, px.</param>
    /// <param name="capital">Height of capitals, px.</param>
    /// <param name="colour">Its colour.</param>
    public static void Draw(SKCanvas canvas, string text, float x, float y, float capital, SKColor colour)
    {
        var scale = capital / CapitalUnits;
        var inset = Weight / 2 * scale;
        using var paint = new SKPaint
        {
            Color = colour,
            IsAntialias = true,
            Style = SKPaintStyle.Stroke,
            StrokeWidth = Weight,
            StrokeCap = SKStrokeCap.Round,
            StrokeJoin = SKStrokeJoin.Round,
        };
        foreach (var character in text)
        {
            canvas.Save();
            canvas.Translate(x + inset, y + inset);
            canvas.Scale(scale);
            canvas.DrawPath(paths[Index(character)].Value, paint);
            canvas.Restore();
            x += (Glyph(character).Width + Gap) * scale;
        }
    }

    private static int Index(char character) => character is >= ' ' and <= '~' ? character - ' ' : glyphs.Length;

    private static (float Width, string Lines) Glyph(char character) =>
        Index(character) is var index && index < glyphs.Length ? glyphs[index] : unknown;
}
