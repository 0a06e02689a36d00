namespace DeqDet.Coco.Evaluation;

/// <summary>Which boxes can be evaluated.</summary>
internal static class BoxRules
{
    /// <summary>
    /// What is wrong with a box [x, y, width, height], or null. Zero sizes are fine: such a box overlaps nothing. Negative ones are
    /// refused, because they come from corners written in place of sizes and would silently count as misses.
    /// </summary>
    public static string? Fault(double x, double y, double width, double height) =>
        !(double.IsFinite(x) && double.IsFinite(y) && double.IsFinite(width) && double.IsFinite(height))
            ? "\"bbox\" holds a number that is not finite"
        : width < 0 || height < 0
            ? $"\"bbox\" has a negative size ({width} x {height}); it has to be [x, y, width, height]"
        : null;
}
