using DeqDet.Detection;
using DeqDet.Model;

namespace DeqDet.Reports.Tracing;

/// <summary>What the numbers of a trace come to.</summary>
public static class TraceStatistics
{
    /// <summary>A query whose residual is this small or smaller is called settled: it moves by less than a hundredth of its size.</summary>
    public const double Settled = 1e-2;

    // A rate is read above this residual: far below it float32 has no digits left and nothing shrinks any more.
    private const double RateAbove = 1e-4;
    private const int RateSteps = 10;

    /// <summary>The spread over all queries of all images, application by application.</summary>
    /// <param name="images">The images.</param>
    /// <param name="scheme">Number of the scheme, 0: plain iteration.</param>
    /// <param name="numbers">Which of a path's numbers.</param>
    public static IReadOnlyList<Spread> Curve(
        IReadOnlyList<TracedImage> images,
        int scheme,
        Func<ResidualPath, double[][]> numbers
    )
    {
        var paths = images.Select(image => numbers(image.Paths[scheme])).ToList();
        return
        [
            .. Enumerable
                .Range(0, paths.Max(path => path.Length))
                .Select(at => Spread.Of(paths.Where(path => at < path.Length).SelectMany(path => path[at]))),
        ];
    }

    /// <summary>
    /// Share of the queries of all images whose residual is within a tolerance, application by application. One that is not finite
    /// never is.
    /// </summary>
    public static IReadOnlyList<double> ShareWithin(IReadOnlyList<TracedImage> images, int scheme, double tolerance)
    {
        var paths = images.Select(image => image.Paths[scheme].Residual).ToList();
        return
        [
            .. Enumerable
                .Range(0, paths.Max(path => path.Length))
                .Select(at =>
                    paths
                        .Where(path => at < path.Length)
                        .SelectMany(path => path[at])
                        .Average(residual => residual <= tolerance ? 1.0 : 0.0)
                ),
        ];
    }

    /// <summary>Share of the queries of all images whose last residual is not finite.</summary>
    public static double ShareLost(IReadOnlyList<TracedImage> images, int scheme) =>
        images
            .SelectMany(image => image.Paths[scheme].Residual[^1])
            .Average(residual => double.IsFinite(residual) ? 0.0 : 1.0);

    /// <summary>The first application (from 1) at which so large a share is reached; null if it never is.</summary>
    public static int? FirstReaching(IReadOnlyList<double> shares, double wanted)
    {
        for (var i = 0; i < shares.Count; i++)
        {
            if (shares[i] >= wanted)
            {
                return i + 1;
            }
        }

        return null;
    }

    /// <summary>
    /// The factor by which a residual shrinks with each application, geometric mean of the last ten before it first comes below 1e-4 (or
    /// before the end). NaN with fewer than two numbers.
    /// </summary>
    public static double Rate(IReadOnlyList<double> residuals)
    {
        var last = residuals.Count - 1;
        for (var i = 0; i < residuals.Count; i++)
        {
            if (residuals[i] < RateAbove)
            {
                last = i;
                break;
            }
        }

        var first = Math.Max(0, last - RateSteps);
        return last <= first || residuals[first] == 0
            ? double.NaN
            : Math.Pow(residuals[last] / residuals[first], 1.0 / (last - first));
    }

    /// <summary>The rate of one image under plain iteration: that of its queries' median residual.</summary>
    public static double Rate(TracedImage image) =>
        Rate([.. image.Paths[0].Residual.Select(row => Spread.Of(row).Median)]);
}
