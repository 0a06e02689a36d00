using System.Globalization;
using System.Text;
using DeqDet.Coco;

namespace DeqDet.Data.Export;

/// <summary>YOLO's text files: labels as shares of the image, names of classes by line, and data.yaml.</summary>
public static class YoloText
{
    // Shares to ten decimals: a ten-thousandth of a pixel in the largest image that is read.
    private const string Share = "0.##########";

    /// <summary>
    /// A line for each box, in their order: class, centre x, centre y, width, height; the last four as shares of the image's sides. With
    /// <paramref name="withScores"/> the score follows, where a box has one.
    /// </summary>
    public static string Labels(ExportImage image, bool withScores = false)
    {
        var text = new StringBuilder();
        foreach (var box in image.Boxes)
        {
            text.Append(box.Label.ToString(CultureInfo.InvariantCulture));
            Add((box.X + (box.Width / 2)) / image.Width);
            Add((box.Y + (box.Height / 2)) / image.Height);
            Add(box.Width / image.Width);
            Add(box.Height / image.Height);
            if (withScores && box.Score is { } score)
            {
                Add(score);
            }

            text.Append('\n');
        }

        return text.ToString();

        void Add(double number) => text.Append(' ').Append(number.ToString(Share, CultureInfo.InvariantCulture));
    }

    /// <summary>classes.txt: a name a line; line n is class n, from 0.</summary>
    public static string Classes(IReadOnlyList<ObjectClass> classes) =>
        string.Concat(ClassNames.Plain(classes).Select(name => name + "\n"));

    /// <summary>data.yaml: folders of images by part, relative to the file, and the classes' names.</summary>
    /// <param name="parts">As in (train, images/train).</param>
    /// <param name="classes">The classes.</param>
    public static string DataYaml(
        IEnumerable<(string Key, IReadOnlyList<string> Folders)> parts,
        IReadOnlyList<ObjectClass> classes
    )
    {
        var text = new StringBuilder();
        foreach (var (key, folders) in parts)
        {
            text.Append(Quoted(key)).Append(':');
            text.Append(folders.Count == 1 ? " " + Quoted(folders[0]) : "");
            foreach (var folder in folders.Where(_ => folders.Count > 1))
            {
                text.Append("\n  - ").Append(Quoted(folder));
            }

            text.Append('\n');
        }

        var names = ClassNames.Plain(classes);
        text.Append(CultureInfo.InvariantCulture, $"nc: {names.Count}\nnames:{(names.Count == 0 ? " {}" : "")}\n");
        for (var label = 0; label < names.Count; label++)
        {
            text.Append(CultureInfo.InvariantCulture, $"  {label}: {Quoted(names[label])}\n");
        }

        return text.ToString();
    }

    // A word of letters, digits and slashes that begins with a letter needs no quotes, unless YAML reads it as a truth or as nothing.
    // Else double quotes, in which only two characters mean something; control characters are no part of names here.
    private static string Quoted(string text) =>
        char.IsAsciiLetter(text[0])
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '/' or '-' or '.')
        && text.ToLowerInvariant() is not ("y" or "n" or "yes" or "no" or "on" or "off" or "true" or "false" or "null")
            ? text
            : $"\"{text.Replace("\\", "\\\\").Replace("\"", "\\\"")}\"";
}
