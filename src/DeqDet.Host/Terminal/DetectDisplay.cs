using Spectre.Console;

namespace DeqDet.Host.Terminal;

/// <summary>Shows how detection goes: lines that stay, and in a terminal below them how far it is.</summary>
/// <param name="console">It decides whether lines can be rewritten.</param>
/// <param name="output">Where lines go if they cannot.</param>
/// <param name="clock">The time.</param>
public sealed class DetectDisplay(IAnsiConsole console, TextWriter output, TimeProvider clock)
{
    private static readonly TimeSpan redraw = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan longestSilence = TimeSpan.FromSeconds(15);

    private readonly Screen screen = new(console);
    private ProgressLine? progress;
    private string doing = "";
    private long? all;
    private long start;
    private long shown;

    /// <summary>Writes a line that stays.</summary>
    public void Line(string text)
    {
        if (screen.IsLive)
        {
            screen.Print(text);
        }
        else
        {
            output.WriteLine(text);
        }
    }

    /// <summary>Begins a piece of work.</summary>
    /// <param name="doing">As in "detecting".</param>
    /// <param name="what">What is counted, as in "images".</param>
    /// <param name="all">How many there are; null where that is not known.</param>
    public void Begin(string doing, string what, long? all)
    {
        (this.doing, this.all, start, shown) = (doing, all, clock.GetTimestamp(), clock.GetTimestamp());
        progress = screen.IsLive && all is not null ? new(screen, clock, doing, what) : null;
    }

    /// <summary>Shows that so many are done.</summary>
    public void Report(long done)
    {
        if (progress is not null && done < all)
        {
            progress.Report(done, all.Value);
        }
        else if (screen.IsLive && clock.GetElapsedTime(shown) >= redraw)
        {
            shown = clock.GetTimestamp();
            screen.Show([
                [Pace(done)],
            ]);
        }
    }

    /// <summary>The same where each one has no line of its own: outside a terminal a line now and then.</summary>
    public void ReportQuiet(long done)
    {
        if (screen.IsLive)
        {
            Report(done);
        }
        else if (clock.GetElapsedTime(shown) >= longestSilence)
        {
            shown = clock.GetTimestamp();
            output.WriteLine(Pace(done));
        }
    }

    /// <summary>Ends the piece of work.</summary>
    public void End()
    {
        progress = null;
        screen.Show();
    }

    private string Pace(long done)
    {
        var seconds = clock.GetElapsedTime(start).TotalSeconds;
        return $"{doing}: {done:N0}{(all is { } count ? $" of {count:N0}" : "")}, {(seconds > 0 ? done / seconds : 0):0.0} a second";
    }
}
