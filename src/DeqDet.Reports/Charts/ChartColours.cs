using SkiaSharp;

namespace DeqDet.Reports.Charts;

/// <summary>
/// Colours of charts on light and on dark ground. Neighbours in the list differ in lightness as well as in hue, so that they can be
/// told apart without colour vision and in print.
/// </summary>
public static class ChartColours
{
    private static readonly uint[] light = [0x2158C7, 0xD2570B, 0x0B8A6A, 0x8E2FA8, 0x5B6675, 0xB9860B];
    private static readonly uint[] dark = [0x7FB0FF, 0xFF9F57, 0x4AD6AE, 0xDB9BF2, 0xA7B2C2, 0xF0C64A];

    /// <summary>How many colours of marks there are; greater numbers begin anew.</summary>
    public static int Count => light.Length;

    /// <summary>The ground of a page or picture.</summary>
    public static uint Ground(bool onDark) => onDark ? 0x14171Cu : 0xFFFFFFu;

    /// <summary>The colour 0xRRGGBB of an ink.</summary>
    public static uint Of(Ink ink, bool onDark) =>
        ink.Role switch
        {
            InkRole.Text => onDark ? 0xE8ECF2u : 0x1B2430u,
            InkRole.Faint => onDark ? 0xA3AFBFu : 0x566273u,
            InkRole.Grid => onDark ? 0x2A313Bu : 0xE6EAF0u,
            InkRole.Frame => onDark ? 0x556172u : 0x9AA5B4u,
            _ => (onDark ? dark : light)[(ink.Colour % Count + Count) % Count],
        };

    /// <summary>The same for Skia, on light ground.</summary>
    internal static SKColor Skia(Ink ink) => new(0xFF000000 | Of(ink, onDark: false));
}
