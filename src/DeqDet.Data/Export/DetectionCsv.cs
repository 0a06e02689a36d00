using System.Globalization;
using System.Text;
using DeqDet.Coco;

namespace DeqDet.Data.Export;

/// <summary>Detections as a table, a line each, as RFC 4180 has it: commas, CRLF, quotes where they are needed.</summary>
public static class DetectionCsv
{
    /// <summary>The first line, without its end.</summary>
    public const string Header = "file,class,score,x1,y1,x2,y2,residual";

    private const string LineEnd = "\r\n";

    /// <summary>
    /// All lines: the image's name, the class's name, score, corners in px, and the residual where it is known. Numbers have a point; scores and
    /// residuals have all their digits, edges six decimals at most. A text that a spreadsheet would take for a formula (it begins with =, +, -, @, a tab or a line break) has an apostrophe before it.
    /// </summary>
    /// <param name="images">The images; one without boxes has no line.</param>
    /// <param name="classes">The classes.</param>
    public static string Of(IEnumerable<ExportImage> images, IReadOnlyList<ObjectClass> classes)
    {
        var text = new StringBuilder(Header + LineEnd);
        foreach (var image in images)
        {
            foreach (var box in image.Boxes)
            {
                text.AppendJoin(
                        ',',
                        Field(image.Name),
                        Field(classes[box.Label].Name),
                        Number(box.Score),
                        Edge(box.X),
                        Edge(box.Y),
                        Edge(box.Right),
                        Edge(box.Bottom),
                        Number(box.Residual)
                    )
                    .Append(LineEnd);
            }
        }

        return text.ToString();
    }

    /// <summary>A text as one field.</summary>
    public static string Field(string text)
    {
        var safe = text.Length > 0 && text[0] is ('=' or '+' or '-' or '@' or '\t' or '\r' or '\n') ? "'" + text : text;
        return safe.AsSpan().IndexOfAny("\",\r\n") < 0 ? safe : $"\"{safe.Replace("\"", "\"\"")}\"";
    }

    // A sum of two short numbers may have a long tail.
    private static string Edge(double edge) => Number(Math.Round(edge, 6));

    private static string Number(double? number) =>
        number is { } value && double.IsFinite(value) ? value.ToString(CultureInfo.InvariantCulture) : "";
}
