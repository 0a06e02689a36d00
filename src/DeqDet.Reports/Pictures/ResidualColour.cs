using SkiaSharp;

namespace DeqDet.Reports;

/// <summary>Residuals of queries as colours, from moving to settled; residual.js gives them on pages.</summary>
public static class ResidualColour
{
    /// <summary>From this residual on a query is as red as can be.</summary>
    public const double Moving = 1;

    /// <summary>Up to this residual it is as green as can be.</summary>
    public const double Settled = 1e-3;

    /// <summary>The colour of what has no residual yet.</summary>
    public static readonly SKColor Unmeasured = new(0xC2, 0xCA, 0xD4);

    /// <summary>The residual at a share of the scale from <see cref="Moving"/>, 0, to <see cref="Settled"/>, 1.</summary>
    public static double At(double share) => Moving * Math.Pow(Settled / Moving, share);

    /// <summary>The colour of a residual, by its logarithm; of NaN <see cref="Unmeasured"/>.</summary>
    public static SKColor Of(double residual)
    {
        if (double.IsNaN(residual))
        {
            return Unmeasured;
        }

        var share = Math.Log10(Math.Max(residual, 1e-12) / Settled) / Math.Log10(Moving / Settled);
        return SKColor.FromHsl((float)(140 - 140 * Math.Clamp(share, 0, 1)), 85, 55);
    }
}
