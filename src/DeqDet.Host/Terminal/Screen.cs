using Spectre.Console;

namespace DeqDet.Host.Terminal;

/// <summary>Text in a style; the style only shows in a terminal.</summary>
public readonly record struct Piece(string Text, Style Style)
{
    /// <summary>Dimmed text: the names of values, which are looked up rather than read.</summary>
    public static Piece Faint(string text) => new(text, new(Color.Grey58));

    /// <summary>Text in the terminal's own style.</summary>
    public static implicit operator Piece(string text) => new(text, Style.Plain);
}

/// <summary>
/// Lines that stay, and in a terminal below them a few that are rewritten in place. The cursor always rests visibly at the start of the line below
/// all of them: however the program ends, nothing has to be restored. Output that has gone away is not an error: from then on nothing is
/// written.
/// </summary>
public sealed class Screen(IAnsiConsole console)
{
    private readonly Lock access = new();
    private bool gone;
    private IReadOnlyList<IReadOnlyList<Piece>> live = [];

    /// <summary>Whether lines can be rewritten: the output is a terminal that understands its control codes.</summary>
    public bool IsLive { get; } =
        console.Profile.Out.IsTerminal && console.Profile.Capabilities is { Ansi: true, Interactive: true };

    /// <summary>Characters that fit into a line.</summary>
    public int Width => Math.Max(console.Profile.Width - 1, 20);

    /// <summary>Whether characters beyond ASCII can be shown.</summary>
    public bool IsUnicode => console.Profile.Capabilities.Unicode;

    /// <summary>Writes a line that stays.</summary>
    public void Print(params ReadOnlySpan<Piece> line)
    {
        Piece[] pieces = [.. line];
        Try(() =>
        {
            if (IsLive)
            {
                Redraw(writer => Write(writer, pieces), live);
                return;
            }
            console.Profile.Out.Writer.WriteLine(string.Concat(pieces.Select(piece => piece.Text)));
            console.Profile.Out.Writer.Flush();
        });
    }

    /// <summary>Replaces the lines that are rewritten in place; without effect where there is no terminal.</summary>
    public void Show(params IReadOnlyList<IReadOnlyList<Piece>> lines)
    {
        if (!IsLive)
        {
            return;
        }
        Try(() => Redraw(_ => { }, lines));
    }

    // A terminal that was closed must not end a training before it has been saved.
    private void Try(Action write)
    {
        lock (access)
        {
            if (gone)
            {
                return;
            }
            try
            {
                write();
            }
            catch (Exception error) when (error is IOException or ObjectDisposedException)
            {
                gone = true;
            }
        }
    }

    // Everything in one write, so that nothing flickers.
    private void Redraw(Action<AnsiWriter> above, IReadOnlyList<IReadOnlyList<Piece>> lines)
    {
        console.WriteAnsi(writer =>
        {
            if (live.Count > 0)
            {
                writer.CursorUp(live.Count);
            }
            above(writer);
            foreach (var line in lines)
            {
                Write(writer, Fitting(line));
            }
            writer.EraseInDisplay(0);
        });
        live = lines;
    }

    private static void Write(AnsiWriter writer, IEnumerable<Piece> line)
    {
        foreach (var piece in line)
        {
            writer.Write(piece.Text, piece.Style);
        }
        writer.EraseInLine(0);
        writer.WriteLine();
    }

    // A line that wraps would take two, and the cursor would not come back to where it was.
    private IEnumerable<Piece> Fitting(IReadOnlyList<Piece> line)
    {
        var room = Width;
        foreach (var piece in line)
        {
            yield return piece.Text.Length <= room ? piece : piece with { Text = piece.Text[..room] };
            room -= Math.Min(room, piece.Text.Length);
        }
    }
}
