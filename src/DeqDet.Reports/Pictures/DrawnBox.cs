using DeqDet.Coco;
using SkiaSharp;

namespace DeqDet.Reports;

/// <summary>A box to be drawn.</summary>
/// <param name="Box">Corners, px of the image.</param>
/// <param name="Label">Class, from 0; it decides the colour.</param>
/// <param name="Name">What is written at the box; nothing if empty. As <see cref="DeqDet.Images.TextFont"/> writes it.</param>
/// <param name="Score">Written behind the name; null for none.</param>
/// <param name="Dashed">Drawn with a dashed line, as are regions that hold many objects.</param>
/// <param name="Colour">Its colour; null: the class's.</param>
public sealed record DrawnBox(
    Box Box,
    int Label,
    string Name,
    double? Score = null,
    bool Dashed = false,
    SKColor? Colour = null
)
{
    internal SKColor Ink => Colour ?? Palette.Of(Label);

    internal string Caption
    {
        get
        {
            var name = Name.Length <= LongestName ? Name : $"{Name[..(LongestName - 2)]}..";
            return Score is { } score ? $"{name} {score:0.00}".TrimStart() : name;
        }
    }

    private const int LongestName = 24;
}
