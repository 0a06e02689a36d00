using System.Globalization;
using DeqDet.Coco;

namespace DeqDet.Data.Formats.Yolo;

/// <summary>
/// A line of a YOLO label file: a class number from 0, then the box as shares of the image (centre x, centre y, width, height), or the corners
/// of a polygon (x, y, x, y, ...), of which the box around it is taken. A number after that is a confidence.
/// </summary>
internal static class YoloLine
{
    // What tools write beyond the image by rounding; ultralytics refuses images whose coordinates pass 1.01.
    private const double Beyond = 0.01;

    /// <summary>Reads a line into a box of the image, or a fault.</summary>
    /// <param name="text">The line; not blank.</param>
    /// <param name="number">Its number from 1.</param>
    /// <param name="keyPoints">Numbers of key points that follow the box, of a data set of poses; else 0.</param>
    /// <param name="image">Receives the box or the fault; its size is used.</param>
    public static void Read(string text, int number, int keyPoints, LabelledImage image)
    {
        var place = $"line {number}";
        var words = text.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (Fault(words, text) is { } fault)
        {
            image.Fault(FaultKind.Malformed, place, fault);
            return;
        }

        var numbers = new double[words.Length];
        for (var i = 0; i < words.Length; i++)
        {
            if (
                !double.TryParse(words[i], NumberStyles.Float, CultureInfo.InvariantCulture, out numbers[i])
                || !double.IsFinite(numbers[i])
            )
            {
                image.Fault(
                    FaultKind.Malformed,
                    place,
                    $"\"{Shown(words[i])}\" is no finite number; write class, centre x, centre y, width and height as shares of the image"
                );
                return;
            }
        }

        var label = numbers[0];
        if (label != Math.Floor(label) || label < 0 || label > int.MaxValue)
        {
            image.Fault(
                FaultKind.Malformed,
                place,
                $"\"{Shown(words[0])}\" is no class number; they are whole and begin with 0"
            );
            return;
        }

        var hasKeyPoints = keyPoints > 0 && words.Length >= 5 + keyPoints;
        // An odd number of words is a class and pairs; one more is a confidence.
        var isPolygon = !hasKeyPoints && words.Length >= 7;
        var coordinates = numbers.AsSpan(1, isPolygon ? (words.Length - 1) / 2 * 2 : 4);
        if (FaultOf(coordinates, isPolygon) is { } wrong)
        {
            image.Fault(
                wrong.Contains("negative", StringComparison.Ordinal) ? FaultKind.NegativeBox : FaultKind.Malformed,
                place,
                wrong
            );
            return;
        }

        if (!hasKeyPoints && words.Length > 1 + coordinates.Length)
        {
            image.Fault(FaultKind.NotUsed, place, "a confidence follows the box; it is not used");
        }

        image.Boxes.Add(
            isPolygon ? Around(coordinates, (int)label, place, image) : Box(coordinates, (int)label, place, image)
        );
    }

    private static string? Fault(string[] words, string text) =>
        words.Length >= 5 ? null
        : text.Contains(',')
            ? "is separated by commas, or has decimal commas; write spaces between the numbers, and points in them"
        : $"has {Counted.Of(words.Length, "number")}; it takes five: class, centre x, centre y, width and height";

    private static string? FaultOf(ReadOnlySpan<double> shares, bool isPolygon)
    {
        for (var i = 0; i < shares.Length; i++)
        {
            if (!isPolygon && i >= 2 && shares[i] < 0)
            {
                return Invariant(
                    $"has a negative size ({shares[2]} x {shares[3]}); write centre x, centre y, width and height"
                );
            }

            if (shares[i] < -Beyond || shares[i] > 1 + Beyond)
            {
                return Invariant(
                    $"{shares[i]} is no share of the image, which is from 0 to 1{(shares[i] > 1 ? "; if these are pixels, divide them by the image's width and height" : "")}"
                );
            }
        }

        return null;
    }

    private static LabelledBox Box(ReadOnlySpan<double> shares, int label, string place, LabelledImage image)
    {
        var (width, height) = (shares[2] * image.Width, shares[3] * image.Height);
        return new(
            Key(label),
            (shares[0] * image.Width) - (width / 2),
            (shares[1] * image.Height) - (height / 2),
            width,
            height,
            place
        );
    }

    private static LabelledBox Around(ReadOnlySpan<double> corners, int label, string place, LabelledImage image)
    {
        var (left, top, right, bottom) = (double.MaxValue, double.MaxValue, double.MinValue, double.MinValue);
        for (var i = 0; i < corners.Length; i += 2)
        {
            (left, right) = (Math.Min(left, corners[i]), Math.Max(right, corners[i]));
            (top, bottom) = (Math.Min(top, corners[i + 1]), Math.Max(bottom, corners[i + 1]));
        }

        return new(
            Key(label),
            left * image.Width,
            top * image.Height,
            (right - left) * image.Width,
            (bottom - top) * image.Height,
            place
        );
    }

    /// <summary>What names a class in labels.</summary>
    public static string Key(int label) => label.ToString(CultureInfo.InvariantCulture);

    private static string Shown(string word)
    {
        var shown = word.Length > 20 ? word[..20] + "..." : word;
        return string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c));
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
