namespace DeqDet.Coco;

/// <summary>
/// A box by its corners (left, top, right, bottom), px; the right and bottom edge lie outside the last pixel. The one form of boxes in the
/// program: files have [x, y, width, height], and only the columns of the evaluation keep these, for the last digit of an overlap.
/// </summary>
public readonly record struct Box(float X1, float Y1, float X2, float Y2)
{
    /// <summary>Width, px.</summary>
    public float Width => X2 - X1;

    /// <summary>Height, px.</summary>
    public float Height => Y2 - Y1;

    /// <summary>The box moved by (dx, dy).</summary>
    public Box Moved(float dx, float dy) => new(X1 + dx, Y1 + dy, X2 + dx, Y2 + dy);

    /// <summary>The box with x and y multiplied.</summary>
    public Box Scaled(float x, float y) => new(X1 * x, Y1 * y, X2 * x, Y2 * y);

    /// <summary>The box with every corner brought into a picture of the given size; of no area when it was wholly outside.</summary>
    public Box Clipped(float width, float height) =>
        new(Math.Clamp(X1, 0, width), Math.Clamp(Y1, 0, height), Math.Clamp(X2, 0, width), Math.Clamp(Y2, 0, height));

    /// <summary>Whether the box has a positive width and height.</summary>
    public bool HasArea => X2 > X1 && Y2 > Y1;

    /// <summary>The corners, as in <c>(10.5, 20) - (30, 40.3)</c>.</summary>
    public override string ToString() => $"({X1:0.#}, {Y1:0.#}) - ({X2:0.#}, {Y2:0.#})";
}
