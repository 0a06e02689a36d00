using System.Xml;
using System.Xml.Linq;
using DeqDet.Coco;

namespace DeqDet.Data.Formats.Voc;

/// <summary>
/// An XML file of Pascal VOC's form. Its corners stay as they are written: what they count from, only all files of a data set tell
/// (<see cref="VocLabels"/>).
/// </summary>
/// <param name="Image">The image's file name as stated, or null.</param>
/// <param name="Width">Width as stated, px; 0 where there is none.</param>
/// <param name="Height">Height as stated, px; 0 likewise.</param>
/// <param name="Objects">The objects.</param>
/// <param name="IsOfChallenge">Whether it is one of the challenge's own files.</param>
internal sealed record VocFile(
    string? Image,
    int Width,
    int Height,
    IReadOnlyList<XElement> Objects,
    bool IsOfChallenge
)
{
    /// <summary>Greatest length of a file, bytes.</summary>
    public const long MostBytes = 16 << 20;

    /// <summary>Whether a file is XML of this form, as far as its first element says.</summary>
    public static bool IsOne(string path)
    {
        try
        {
            return SafeXml.Read(
                path,
                long.MaxValue,
                reader => reader.MoveToContent() == XmlNodeType.Element && reader.LocalName == "annotation"
            );
        }
        catch (InputError)
        {
            return false;
        }
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="InputError">It is no XML, or of another form.</exception>
    public static VocFile Read(string path)
    {
        var root = SafeXml.Read(path, MostBytes, reader => XDocument.Load(reader).Root);
        if (root?.Name.LocalName != "annotation")
        {
            throw new InputError($"{path}: its first element is <{root?.Name.LocalName}>, not <annotation>");
        }

        var size = Child(root, "size");
        return new(
            Text(root, "filename") is { Length: > 0 } name ? name : Text(root, "path"),
            Numbers.Size(Text(size, "width")),
            Numbers.Size(Text(size, "height")),
            [.. root.Elements().Where(element => element.Name.LocalName == "object")],
            Text(Child(root, "source"), "database")?.StartsWith("The VOC2", StringComparison.Ordinal) == true
        );
    }

    /// <summary>Adds the objects' boxes to an image, from corner to corner, and what is wrong with them.</summary>
    public void AddTo(LabelledImage image)
    {
        image.IsOfChallenge = IsOfChallenge;
        for (var i = 0; i < Objects.Count; i++)
        {
            Add(Objects[i], $"object {i + 1}", image);
        }
    }

    private void Add(XElement item, string place, LabelledImage image)
    {
        var name = Text(item, "name");
        if (string.IsNullOrEmpty(name) || name.Any(char.IsControl))
        {
            image.Fault(FaultKind.Malformed, place, "has no <name> of one line; write the object's class there");
            return;
        }

        if (Child(item, "bndbox") is not { } box)
        {
            image.Fault(
                FaultKind.Malformed,
                place,
                "has no <bndbox>; write xmin, ymin, xmax and ymax there, or remove the object"
            );
            return;
        }

        Span<double> corners = stackalloc double[4];
        var next = 0;
        foreach (var side in (ReadOnlySpan<string>)["xmin", "ymin", "xmax", "ymax"])
        {
            var text = Text(box, side);
            if (Numbers.Of(text) is not { } number)
            {
                image.Fault(FaultKind.Malformed, place, $"<{side}> {Numbers.Fault(text)}");
                return;
            }

            corners[next++] = number;
        }

        var (left, top, right, bottom) = (corners[0], corners[1], corners[2], corners[3]);
        if (right < left || bottom < top)
        {
            image.Fault(
                FaultKind.NegativeBox,
                place,
                FormattableString.Invariant(
                    $"<xmin> {corners[0]}, <ymin> {corners[1]} is not left of and above <xmax> {corners[2]}, <ymax> {corners[3]}"
                )
            );
            return;
        }

        image.Boxes.Add(
            new(name, left, top, right - left, bottom - top, place, Numbers.Of(Text(item, "difficult")) is > 0)
        );
    }

    private static XElement? Child(XElement? element, string name) =>
        element?.Elements().FirstOrDefault(child => child.Name.LocalName == name);

    private static string? Text(XElement? element, string name) => Child(element, name)?.Value.Trim();
}
