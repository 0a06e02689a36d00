using SkiaSharp;

namespace DeqDet.Reports;

/// <summary>Colours of classes: bright, easy to tell apart, and the same for a class in every picture.</summary>
public static class Palette
{
    /// <summary>Ground of picture frames.</summary>
    public static readonly SKColor Ground = new(0x16, 0x1A, 0x20);

    /// <summary>Headings on <see cref="Ground"/>.</summary>
    public static readonly SKColor Heading = new(0xC9, 0xD1, 0xDB);

    private static readonly uint[] first =
    [
        0xFF3B5C,
        0x2EC4F3,
        0xFFD02E,
        0x3DDC84,
        0xB57BFF,
        0xFF7A2E,
        0x2F7BFF,
        0xFF6FC5,
        0xA6E22E,
        0x1FD1B2,
        0xE4E7EC,
        0xF2E86D,
        0x7A5CFF,
        0xC98A5E,
        0x8FD3FF,
        0x5FA55A,
    ];

    /// <summary>Colour of a class, from 0.</summary>
    public static SKColor Of(int label)
    {
        if (label < first.Length)
        {
            return new(0xFF000000 | first[Math.Max(label, 0)]);
        }
        // The golden ratio spreads any number of hues evenly; strength alternates so that near hues differ.
        var hue = label * 0.6180339887498949 % 1 * 360;
        var (saturation, value) = (label % 3) switch
        {
            0 => (85f, 95f),
            1 => (55f, 100f),
            _ => (75f, 75f),
        };
        return SKColor.FromHsv((float)hue, saturation, value);
    }

    /// <summary>The colour of text on a colour: black or white, whichever has more contrast.</summary>
    public static SKColor TextOn(SKColor colour)
    {
        var luminance = Luminance(colour);
        return (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) ? SKColors.Black : SKColors.White;
    }

    /// <summary>Relative luminance as defined by WCAG 2, 0 to 1.</summary>
    public static double Luminance(SKColor colour)
    {
        return 0.2126 * Linear(colour.Red) + 0.7152 * Linear(colour.Green) + 0.0722 * Linear(colour.Blue);

        static double Linear(byte value)
        {
            var c = value / 255.0;
            return c <= 0.03928 ? c / 12.92 : Math.Pow((c + 0.055) / 1.055, 2.4);
        }
    }
}
