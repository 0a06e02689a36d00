using DeqDet.Detection;

namespace DeqDet.Host.Terminal;

/// <summary>Means over the latest steps: single ones fluctuate.</summary>
public sealed class StepWindow
{
    /// <summary>Number of steps that the means are taken over.</summary>
    public const int Length = 20;

    private readonly Queue<StepReport> steps = new();

    /// <summary>Adds a step; the oldest beyond <see cref="Length"/> is removed.</summary>
    public void Add(StepReport step)
    {
        steps.Enqueue(step);
        if (steps.Count > Length)
        {
            steps.Dequeue();
        }
    }

    /// <summary>Mean of any number of a step.</summary>
    public double Mean(Func<StepReport, double> number) => steps.Average(number);

    /// <summary>Images a second.</summary>
    public double ImagesPerSecond => steps.Sum(step => step.Images) / Math.Max(Seconds, 1e-9);

    /// <summary>The share of the time that was spent waiting for data, 0 to 1.</summary>
    public double DataShare => steps.Sum(step => step.DataTime.TotalSeconds) / Math.Max(Seconds, 1e-9);

    /// <summary>Mean time of a step.</summary>
    public TimeSpan StepTime => TimeSpan.FromSeconds(Seconds / steps.Count);

    private double Seconds => steps.Sum(step => step.Time.TotalSeconds);
}
