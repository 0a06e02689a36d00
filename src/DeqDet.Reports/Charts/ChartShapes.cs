namespace DeqDet.Reports.Charts;

/// <summary>What something is drawn in: one of the chart's own inks, or the colour of a mark.</summary>
/// <param name="Role">Which of the chart's own; Mark: the colour of a mark.</param>
/// <param name="Colour">Number of the mark's colour.</param>
public readonly record struct Ink(InkRole Role, int Colour = 0)
{
    /// <summary>The colour of a mark.</summary>
    public static Ink Of(Mark mark) => new(InkRole.Mark, mark.Colour);
}

/// <summary>The inks of a chart.</summary>
public enum InkRole
{
    /// <summary>A mark's own colour.</summary>
    Mark,

    /// <summary>Titles.</summary>
    Text,

    /// <summary>Labels of ticks, and remarks.</summary>
    Faint,

    /// <summary>Lines of the grid.</summary>
    Grid,

    /// <summary>The lines of the axes.</summary>
    Frame,
}

/// <summary>Which end of a text its place is.</summary>
public enum TextAnchor
{
    /// <summary>The left end.</summary>
    Start,

    /// <summary>The middle.</summary>
    Middle,

    /// <summary>The right end.</summary>
    End,
}

/// <summary>A place in a figure, px from its top left corner.</summary>
public readonly record struct Place(double X, double Y);

/// <summary>A rectangle in a figure, px.</summary>
public readonly record struct Frame(double Left, double Top, double Width, double Height)
{
    /// <summary>Its right side.</summary>
    public double Right => Left + Width;

    /// <summary>Its lower side.</summary>
    public double Bottom => Top + Height;
}

/// <summary>A thing to draw, in px: all that a backend has to know.</summary>
public abstract record Shape(Ink Ink);

/// <summary>A line through places.</summary>
public sealed record StrokeShape(Ink Ink, IReadOnlyList<Place> Places, double Width, bool Dashed, double Opacity)
    : Shape(Ink);

/// <summary>A filled polygon.</summary>
public sealed record AreaShape(Ink Ink, IReadOnlyList<Place> Places, double Opacity) : Shape(Ink);

/// <summary>A filled disc.</summary>
public sealed record DotShape(Ink Ink, Place Centre, double Radius) : Shape(Ink);

/// <summary>A line of text; At lies on its base line.</summary>
/// <param name="Ink">Its ink.</param>
/// <param name="At">Where.</param>
/// <param name="Text">What.</param>
/// <param name="Size">Size of the font, px.</param>
/// <param name="Anchor">Which end the place is.</param>
/// <param name="Raised">What follows the text, smaller and raised.</param>
/// <param name="Strong">Bold.</param>
/// <param name="Turned">Reads upwards.</param>
public sealed record TextShape(
    Ink Ink,
    Place At,
    string Text,
    double Size,
    TextAnchor Anchor,
    string Raised = "",
    bool Strong = false,
    bool Turned = false
) : Shape(Ink);
