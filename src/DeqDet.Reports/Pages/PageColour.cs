using System.Text.Json;
using SkiaSharp;

namespace DeqDet.Reports.Pages;

/// <summary>Colours as style sheets write them.</summary>
internal static class PageColour
{
    /// <summary>As in "#ff3b5c".</summary>
    public static string Css(SKColor colour) => $"#{colour.Red:x2}{colour.Green:x2}{colour.Blue:x2}";

    /// <summary>Writes a class's <c>colour</c>, and <c>ink</c>, that of text on it.</summary>
    public static void Write(Utf8JsonWriter writer, int label)
    {
        var colour = Palette.Of(label);
        writer.WriteString("colour", Css(colour));
        writer.WriteString("ink", Css(Palette.TextOn(colour)));
    }
}
