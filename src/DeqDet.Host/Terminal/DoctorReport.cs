using Spectre.Console;

namespace DeqDet.Host.Terminal;

/// <summary>Findings about a machine, a line each, and at the end what to do.</summary>
public sealed class DoctorReport(Screen screen)
{
    private static readonly Style bold = new(decoration: Decoration.Bold);
    private static readonly Style good = new(Color.SpringGreen2);
    private static readonly Style note = new(Color.Gold1);
    private static readonly Style bad = new(Color.Red, decoration: Decoration.Bold);

    private readonly List<(string Name, string Text, bool Needed)> remedies = [];
    private bool started;

    /// <summary>Begins a group of findings.</summary>
    public void Section(string title)
    {
        if (started)
        {
            screen.Print();
        }
        started = true;
        screen.Print(new Piece(title, bold));
    }

    /// <summary>Something that is as it should be.</summary>
    public void Good(string name, string text) => Line("ok", good, name, text);

    /// <summary>Something that can be done without; the remedy, if there is one, is listed at the end.</summary>
    public void Note(string name, string text, string? remedy)
    {
        Line("note", note, name, text);
        Remember(name, remedy, needed: false);
    }

    /// <summary>Something that is needed and not there, or does not work.</summary>
    public void Missing(string name, string text, string remedy)
    {
        Line("FAIL", bad, name, text);
        Remember(name, remedy, needed: true);
    }

    /// <summary>Prints the remedies.</summary>
    /// <returns>The exit code: 1 if something needed is missing.</returns>
    public int Finish()
    {
        var failed = remedies.Any(remedy => remedy.Needed);
        screen.Print();
        screen.Print(
            failed
                ? new Piece("Something that is needed is missing or does not work.", bad)
                : new Piece("Everything that is needed is there.", good)
        );
        foreach (var (name, text, needed) in remedies.OrderByDescending(remedy => remedy.Needed))
        {
            screen.Print(new Piece(needed ? "  to do     " : "  optional  ", needed ? bad : note), $"{name}: {text}");
        }
        return failed ? 1 : 0;
    }

    private void Line(string mark, Style style, string name, string text) =>
        screen.Print(new Piece($"  {mark, -5} ", style), Piece.Faint($"{name, -12} "), text);

    private void Remember(string name, string? remedy, bool needed)
    {
        if (remedy is not null)
        {
            remedies.Add((name.Trim(), remedy, needed));
        }
    }
}
