using DeqDet.Data.Check;
using DeqDet.Reports;
using Spectre.Console;

namespace DeqDet.Host.Terminal;

/// <summary>A data check for people: what there is, then what was found, the worst first.</summary>
public sealed class DataReportText(Screen screen)
{
    private const int Examples = 3;
    private const int ClassesShown = 12;
    private const int BarWidth = 24;
    private const int NameWidth = 18;

    private static readonly Style bold = new(decoration: Decoration.Bold);
    private static readonly Style bar = new(Color.SteelBlue1);
    private static readonly Style good = new(Color.SpringGreen2);
    private static readonly Style note = new(Color.Gold1);
    private static readonly Style bad = new(Color.Red, decoration: Decoration.Bold);

    /// <summary>Prints all of it.</summary>
    public void Print(DataReport report)
    {
        foreach (var part in report.Parts)
        {
            Print(part);
            screen.Print();
        }

        Print(report.Issues);
        Conclude(report);
    }

    private void Print(PartReport part)
    {
        screen.Print(
            new Piece(part.Name, bold),
            Piece.Faint(
                $"  {part.Files.Source.Format}: {Human.Path(part.Files.AnnotationFile)}, images in {Human.Path(part.Files.ImageFolder)}"
            )
        );
        var formats = string.Concat(part.Formats.Select(format => $"; {format.Key} {format.Value}"));
        Line(
            "images",
            $"{part.Images}, {part.ImagesToTrainOn} with boxes to train on; {part.Landscape} landscape, "
                + $"{part.Images - part.Landscape} portrait{formats}"
        );
        var (width, height) = (part.Width, part.Height);
        Line("size", $"width {Range(width)}, height {Range(height)} px; median {width.Median} x {height.Median}");
        var used = part.Categories.Count(category => category.Boxes > 0);
        Line(
            "boxes",
            $"{part.Boxes} in {used} of {part.Categories.Count} classes, {part.Crowds} crowd regions; "
                + $"{Range(part.BoxesPerImage)} an image, median {part.BoxesPerImage.Median}"
        );
        if (part.Boxes == 0)
        {
            return;
        }

        var (small, medium, large) = part.Sizes;
        Line(
            "area",
            $"small {Share(small, part.Boxes)}, medium {Share(medium, part.Boxes)}, large {Share(large, part.Boxes)}, by COCO's ranges"
        );
        Bars(
            "side, px",
            part.Sides.Select((count, n) => (n == 0 ? "below 2" : $"{1 << n} to {1 << (n + 1)}", count, ""))
                .SkipWhile(entry => entry.count == 0)
        );
        var byCount = part.Categories.OrderByDescending(category => category.Boxes).ToList();
        Bars("class", byCount.Take(ClassesShown).Select(c => (c.Name, c.Boxes, $"in {Counted.Of(c.Images, "image")}")));
        if (byCount.Count > ClassesShown)
        {
            var rest = byCount.Skip(ClassesShown).ToList();
            Line("", $"{rest.Count} more classes with {rest.Sum(category => category.Boxes)} boxes");
        }
    }

    private void Bars(string title, IEnumerable<(string Name, int Count, string More)> entries)
    {
        var all = entries.ToList();
        var most = Math.Max(1, all.Max(entry => entry.Count));
        var full = screen.IsUnicode ? '█' : '#';
        foreach (var (name, count, more) in all)
        {
            // Any count above zero gets at least the shortest bar.
            var length = count == 0 ? 0 : Math.Max(1, (int)Math.Round((double)count / most * BarWidth));
            screen.Print(
                Piece.Faint($"  {title, -9} "),
                $"{Short(name), -NameWidth} {count, 7} ",
                new Piece(new string(full, length).PadRight(more.Length > 0 ? BarWidth : 0), bar),
                Piece.Faint(more.Length > 0 ? $" {more}" : "")
            );
            title = "";
        }
    }

    private void Print(IReadOnlyList<Issue> issues)
    {
        if (issues.Count > 0)
        {
            screen.Print(new Piece("Found", bold));
        }

        foreach (var (kind, part, places) in issues)
        {
            screen.Print(
                kind.Spoils ? new Piece("  FAIL  ", bad) : new Piece("  note  ", note),
                $"{kind.Text}: {places.Count}{(part.Length > 0 ? $" in {part}" : "")}"
            );
            screen.Print(Piece.Faint($"        {kind.Advice}"));
            foreach (var place in places.Take(Examples))
            {
                screen.Print(Piece.Faint($"          {place}"));
            }

            if (places.Count > Examples)
            {
                screen.Print(Piece.Faint($"          and {places.Count - Examples} more"));
            }
        }
    }

    private void Conclude(DataReport report)
    {
        var (spoiling, remarks) = (report.Issues.Count(i => i.Kind.Spoils), report.Issues.Count(i => !i.Kind.Spoils));
        if (report.Issues.Count > 0)
        {
            screen.Print();
        }

        screen.Print(
            report.Spoiled ? new Piece($"Training would fail or be spoiled: {Kinds(spoiling, "problem")} to mend.", bad)
            : remarks > 0 ? new Piece($"Nothing here would spoil training; {Kinds(remarks, "remark")}.", good)
            : new Piece("Nothing was found.", good)
        );
        if (!report.Decoded)
        {
            screen.Print(Piece.Faint("Of the images only headers were read; --decode looks at every pixel."));
        }
    }

    private void Line(string title, string text) => screen.Print(Piece.Faint($"  {title, -9} "), text);

    private static string Kinds(int count, string what) =>
        count == 1 ? $"1 kind of {what}" : $"{count} kinds of {what}s";

    private static string Range(Spread spread) =>
        spread.Least == spread.Greatest ? $"{spread.Least}" : $"{spread.Least} to {spread.Greatest}";

    private static string Share(int count, int all) => $"{count} ({100.0 * count / all:0} %)";

    private static string Short(string name) => name.Length <= NameWidth ? name : name[..(NameWidth - 3)] + "...";
}
