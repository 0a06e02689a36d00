using System.Diagnostics;
using DeqDet.Model;
using DeqDet.Solver;
using Microsoft.FSharp.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Detection;

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

        var updates = images.Average(queries => queries.Average(query => (double)query.Evaluations));
        var steps = images.Select(queries => (double)Steps(queries)).ToList();
        // a warm start that fails costs more than it saves
        var saved =
            updates <= most ? $"{1 - updates / most:P0} fewer" : $"{updates / most - 1:P0} more, warm starts failed";
        var settled = OptionModule.IsNone(solver.Tolerance)
            ? ""
            : $"{images.Sum(queries => (double)Settled(queries)) / images.Sum(queries => queries.Count):P1} of the queries settled; ";
        return $"refinement: {updates:0.0} applications to a query of {most} at most ({saved}), {residual}\n"
            + $"            {settled}images took {steps.Min():0} to {steps.Max():0} steps, half of them {Middle(steps):0} or fewer";
    }

    private static double Middle(IEnumerable<double> numbers)
    {
        var sorted = numbers.Where(number => !double.IsNaN(number)).Order().ToList();
        return sorted.Count == 0 ? double.NaN : sorted[sorted.Count / 2];
    }
}
