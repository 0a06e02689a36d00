using SkiaSharp;

namespace DeqDet.Reports.Pages;

/// <summary>Colours as style sheets write them.</summary>
internal static class PageColour
{
    /// <summary>As in "#ff3b5c".</summary>
    public static string Css(SKColor colour) => $"#{colour.Red:x2}{colour.Green:x2}{colour.Blue:x2}";
}
