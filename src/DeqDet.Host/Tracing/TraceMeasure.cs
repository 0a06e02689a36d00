namespace DeqDet.Host.Tracing;

/// <summary>x</summary>
public static class TraceMeasure
{
    /// <summary>x</summary>
    public const double SpectralTolerance = 1e-3;
}
