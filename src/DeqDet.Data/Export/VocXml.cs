using System.Globalization;
using System.Text;
using System.Xml;
using DeqDet.Coco;

namespace DeqDet.Data.Export;

/// <summary>Pascal VOC's annotation of an image, as XML.</summary>
public static class VocXml
{
    private static readonly XmlWriterSettings settings = new()
    {
        Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        Indent = true,
        IndentChars = "\t",
        NewLineChars = "\n",
        CloseOutput = false,
    };

    /// <summary>
    /// Writes the file. Corners are VOC's: the first and last pixel of the box, counted from 1, both inside; a box from edge x to edge x + w has
    /// xmin = x + 1 and xmax = x + w. They are whole numbers where the edges are, else they have decimals. Crowd regions and ignored boxes are
    /// <c>difficult</c>, which VOC's evaluation ignores. Boxes that <see cref="CanSay"/> refuses are left out.
    /// </summary>
    /// <param name="stream">Where to.</param>
    /// <param name="image">The image; its name's last part is the file name.</param>
    /// <param name="names">Names of the classes by label.</param>
    public static void Write(Stream stream, ExportImage image, IReadOnlyList<string> names)
    {
        using var xml = XmlWriter.Create(stream, settings);
        var cut = image.Name.LastIndexOf('/');
        xml.WriteStartElement("annotation");
        xml.WriteElementString("folder", ClassNames.Plain(cut < 0 ? "" : image.Name[..cut]));
        xml.WriteElementString("filename", ClassNames.Plain(image.Name[(cut + 1)..]));
        xml.WriteStartElement("size");
        xml.WriteElementString("width", Text(image.Width));
        xml.WriteElementString("height", Text(image.Height));
        xml.WriteElementString("depth", "3");
        xml.WriteEndElement();
        xml.WriteElementString("segmented", "0");
        foreach (var box in image.Boxes.Where(CanSay))
        {
            xml.WriteStartElement("object");
            xml.WriteElementString("name", names[box.Label]);
            xml.WriteElementString("pose", "Unspecified");
            xml.WriteElementString("truncated", "0");
            xml.WriteElementString("difficult", box.IsCrowd || box.IsIgnored ? "1" : "0");
            if (box.Score is { } score)
            {
                xml.WriteElementString("confidence", Text(score));
            }

            xml.WriteStartElement("bndbox");
            xml.WriteElementString("xmin", Text(box.X + 1));
            xml.WriteElementString("ymin", Text(box.Y + 1));
            xml.WriteElementString("xmax", Text(box.Right));
            xml.WriteElementString("ymax", Text(box.Bottom));
            xml.WriteEndElement();
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    /// <summary>Whether a box has a first and a last pixel: one that is thinner than a pixel would end before it begins.</summary>
    public static bool CanSay(ExportBox box) => box.Width >= 1 && box.Height >= 1;

    private static string Text(double number) => number.ToString("0.######", CultureInfo.InvariantCulture);
}
