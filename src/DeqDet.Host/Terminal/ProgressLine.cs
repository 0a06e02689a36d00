using DeqDet.Reports;
using Spectre.Console;

namespace DeqDet.Host.Terminal;

/// <summary>
/// How far a piece of work is. In a terminal: a bar with the time left, rewritten in place, gone at the end. Elsewhere: one line at
/// the start.
/// </summary>
public sealed class ProgressLine
{
    private static readonly TimeSpan redraw = TimeSpan.FromMilliseconds(100);
    private static readonly Style done = new(Color.DeepSkyBlue1);
    private static readonly Style open = new(Color.Grey30);

    private readonly Screen screen;
    private readonly TimeProvider clock;
    private readonly string doing;
    private readonly string what;
    private readonly long start;
    private readonly Lock access = new();
    private long? drawn;
    private bool finished;

    /// <summary>Starts the work.</summary>
    /// <param name="screen">Where it is shown.</param>
    /// <param name="clock">The time.</param>
    /// <param name="doing">As in "validating".</param>
    /// <param name="what">What is counted, as in "images".</param>
    /// <param name="since">The clock's timestamp at which the work began; null: now.</param>
    public ProgressLine(Screen screen, TimeProvider clock, string doing, string what, long? since = null)
    {
        (this.screen, this.clock, this.doing, this.what) = (screen, clock, doing, what);
        start = since ?? clock.GetTimestamp();
    }

    /// <summary>Time since the start.</summary>
    public TimeSpan Elapsed => clock.GetElapsedTime(start);

    /// <summary>Shows that so many of all are done; from any thread.</summary>
    /// <returns>Whether the work has ended with this call.</returns>
    public bool Report(long count, long all)
    {
        lock (access)
        {
            if (finished)
            {
                return false;
            }
            if (count >= all)
            {
                finished = true;
                screen.Show();
            }
            else if (drawn is null && !screen.IsLive)
            {
                screen.Print($"{doing}: {all:N0} {what}");
                drawn = clock.GetTimestamp();
            }
            else if (drawn is not { } last || clock.GetElapsedTime(last) >= redraw)
            {
                Draw(count, all);
                drawn = clock.GetTimestamp();
            }
            return finished;
        }
    }

    /// <summary>A bar of a width in characters, filled to a share from 0 to 1.</summary>
    public static IReadOnlyList<Piece> Bar(double share, int width, bool unicode)
    {
        var filled = (int)Math.Round(Math.Clamp(share, 0, 1) * width);
        var (full, rest) = unicode ? ('━', '─') : ('#', '.');
        return [new(new(full, filled), done), new(new(rest, width - filled), open)];
    }

    private void Draw(long count, long all)
    {
        var share = (double)count / all;
        var left = count > 0 ? $"   {Human.Duration(Elapsed * ((all - count) / (double)count))} left" : "";
        var (before, after) = ($"{doing}  ", $"  {count:N0}/{all:N0} {what}{left}");
        var width = Math.Clamp(screen.Width - before.Length - after.Length, 8, 60);
        screen.Show([
            [before, .. Bar(share, width, screen.IsUnicode), after],
        ]);
    }
}
