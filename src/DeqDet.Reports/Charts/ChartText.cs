using DeqDet.Images;

namespace DeqDet.Reports.Charts;

/// <summary>Measures of text in charts, the same for both backends so that they share one layout.</summary>
internal static class ChartText
{
    /// <summary>Height of a capital as a share of the font's size, about that of common sans-serif fonts.</summary>
    public const float Capital = 0.7f;

    /// <summary>Size of raised text as a share of the font's.</summary>
    public const double RaisedSize = 0.75;

    /// <summary>How far raised text is raised, as a share of the font's size.</summary>
    public const double Raise = 0.38;

    /// <summary>Width of a text and what is raised after it, px.</summary>
    public static double Width(string text, string raised, double size) =>
        TextFont.Measure(text, (float)size * Capital)
        + (raised == "" ? 0 : 1 + TextFont.Measure(raised, (float)(size * RaisedSize) * Capital));
}
