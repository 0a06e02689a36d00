using System.Diagnostics;
using DeqDet.Model;
using DeqDet.Solver;
using Microsoft.FSharp.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Host.Training;

/// <summary>What refinement cost and how it ended, image by image: each a list of its queries' reports.</summary>
public sealed class Refinements
{
    private readonly List<IReadOnlyList<Report>> images = [];

    /// <summary>A prediction's leave to work: time by the machine's clock, for budgets, and a way to end it.</summary>
    public static Effort Effort(Device device, CancellationToken cancellation)
    {
        var watch = Stopwatch.StartNew();
        var asynchronous = device.type == DeviceType.CUDA;
        return new(
            FuncConvert.FromFunc(() =>
            {
                if (asynchronous)
                {
                    // time is that of the work done, not of the work asked for
                    cuda.synchronize(device);
                }

                return watch.Elapsed;
            }),
            cancellation
        );
    }

    /// <summary>Adds an image; one without reports (a model without equilibrium) is passed over.</summary>
    public void Add(IReadOnlyList<Report> queries)
    {
        if (queries.Count > 0)
        {
            images.Add(queries);
        }
    }

    /// <summary>Applications that an image took: those of its slowest query.</summary>
    public static int Steps(IReadOnlyList<Report> queries) => queries.Max(query => query.Evaluations);

    /// <summary>Queries within the tolerance.</summary>
    public static int Settled(IReadOnlyList<Report> queries) => queries.Count(query => query.Outcome.IsConverged);

    /// <summary>Residual of an image: the middle one of its queries'.</summary>
    public static double Residual(IReadOnlyList<Report> queries) =>
        Middle(queries.Select(query => query.RelativeResidual));

    /// <summary>Mean number of applications of the refinement head to a query; NaN without images.</summary>
    public double MeanUpdates =>
        images.Count == 0 ? double.NaN : images.Average(queries => queries.Average(query => (double)query.Evaluations));

    /// <summary>One or two lines for people; null where no image had an equilibrium.</summary>
    public string? Told(SolverSettings solver)
    {
        if (images.Count == 0)
        {
            return null;
        }

        var most = solver.Steps + 1;
        var residual =
            $"median residual {Middle(images.SelectMany(queries => queries.Select(q => q.RelativeResidual))):0.####}";
        if (OptionModule.IsNone(solver.Tolerance) && OptionModule.IsNone(solver.BudgetMs))
        {
            return $"refinement: {most} applications to each query, {residual}";
        }

        var steps = images.Select(queries => (double)Steps(queries)).ToList();
        var settled = images.Sum(queries => (double)Settled(queries)) / images.Sum(queries => queries.Count);
        return $"refinement: {MeanUpdates:0.0} applications to a query of {most} at most ({1 - MeanUpdates / most:P0} fewer), {residual}\n"
            + $"            {settled:P1} of the queries settled; images took {steps.Min():0} to {steps.Max():0} steps, half of them {Middle(steps):0} or fewer";
    }

    private static double Middle(IEnumerable<double> numbers)
    {
        var sorted = numbers.Where(number => !double.IsNaN(number)).Order().ToList();
        return sorted.Count == 0 ? double.NaN : sorted[sorted.Count / 2];
    }
}
