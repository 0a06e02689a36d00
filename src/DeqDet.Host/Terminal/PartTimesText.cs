using System.Globalization;
using DeqDet.Detection;

namespace DeqDet.Host.Terminal;

/// <summary>What detection's time went into, in a few lines for people.</summary>
public static class PartTimesText
{
    private const int MostSteps = 40;

    /// <summary>The lines.</summary>
    /// <param name="times">The times, added up over the images.</param>
    /// <param name="images">How many images.</param>
    /// <param name="what">What they are called, as in "image".</param>
    /// <param name="wall">The time on the clock.</param>
    public static IEnumerable<string> Lines(PartTimes times, int images, string what, TimeSpan wall)
    {
        if (images == 0)
        {
            yield break;
        }

        var steps = times.Steps;
        var stepTime = steps.Aggregate(TimeSpan.Zero, (sum, time) => sum + time);
        (string Name, TimeSpan Time)[] parts =
        [
            ("prepare", times.Of(DetectionPart.Prepare)),
            ("backbone", times.Of(DetectionPart.Backbone)),
            (steps.Length > 0 ? "init head" : "stages", times.Of(DetectionPart.Heads)),
            (Counted.Of(steps.Length, "step"), stepTime),
            ("read-out", times.Of(DetectionPart.ReadOut)),
        ];
        yield return FormattableString.Invariant(
            $"time: {wall.TotalSeconds:0.0} s for {Counted.Of(images, what)}, {Ms(wall)} ms each; of it in the network:"
        );
        yield return $"      {string.Join(", ", parts.Where(part => part.Time > TimeSpan.Zero).Select(part => $"{part.Name} {Ms(part.Time)}"))}; beside it: decode {Ms(times.Of(DetectionPart.Decode))}, draw and write {Ms(times.Of(DetectionPart.Draw))}";
        if (steps.Length > 0)
        {
            yield return $"      each step: {string.Join(" ", steps.Take(MostSteps).Select(Ms))}{(steps.Length > MostSteps ? $" and {Counted.Of(steps.Length - MostSteps, "more", "more")}" : "")}";
        }

        string Ms(TimeSpan time)
        {
            var each = time.TotalMilliseconds / images;
            return each.ToString(each < 10 ? "0.00" : "0.0", CultureInfo.InvariantCulture);
        }
    }
}
