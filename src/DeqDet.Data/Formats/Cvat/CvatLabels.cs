using System.Xml;
using System.Xml.Linq;
using DeqDet.Coco;

namespace DeqDet.Data.Formats.Cvat;

/// <summary>
/// CVAT's <c>annotations.xml</c>: images with boxes, polygons, ellipses and masks in px from the left upper corner. The box around a turned box, a
/// polygon or an ellipse is taken; lines, points and cuboids have none. Classes have the order of the task's labels.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="images">Finds the images.</param>
internal sealed class CvatLabels(string path, ImageFinder images) : LabelFiles
{
    /// <summary>Greatest length of the file, bytes.</summary>
    public const long MostBytes = 512 << 20;

    private readonly List<string> labels = [];
    private IReadOnlyList<LabelledImage> read = [];

    /// <inheritdoc/>
    public override string Path => path;

    /// <inheritdoc/>
    public override string Format => CvatFormat.FormatName;

    /// <inheritdoc/>
    protected override int Count => read.Count;

    /// <inheritdoc/>
    protected override LabelledImage ReadImage(int number) => read[number];

    /// <inheritdoc/>
    protected override void Prepare()
    {
        labels.Clear();
        read = SafeXml.Read(path, MostBytes, ReadAll);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Name)> Classes(IReadOnlyList<LabelledImage> images)
    {
        var named = images.SelectMany(image => image.Boxes).Select(box => box.Class).Distinct(StringComparer.Ordinal);
        return
        [
            .. labels
                .Distinct(StringComparer.Ordinal)
                .Concat(named.Except(labels, StringComparer.Ordinal).Order(StringComparer.Ordinal))
                .Select(name => (name, name)),
        ];
    }

    /// <inheritdoc/>
    protected override string UnknownClass(string key) => $"class \"{key}\" is not among the labels";

    private List<LabelledImage> ReadAll(XmlReader reader)
    {
        var all = new List<LabelledImage>();
        reader.MoveToContent();
        reader.Read();
        while (!reader.EOF)
        {
            if (reader.NodeType != XmlNodeType.Element)
            {
                reader.Read();
                continue;
            }

            switch (reader.LocalName)
            {
                case "meta":
                    var meta = (XElement)XNode.ReadFrom(reader);
                    labels.AddRange(
                        meta.Descendants("label")
                            .Select(label => label.Element("name")?.Value.Trim() ?? "")
                            .Where(name => name.Length > 0)
                    );
                    break;
                case "image":
                    all.Add(Image((XElement)XNode.ReadFrom(reader)));
                    break;
                case "track":
                    throw new InputError(
                        $"{path}: is an export \"CVAT for video\", whose tracks are not read; export the task as \"COCO 1.0\" or \"CVAT for images 1.1\""
                    );
                default:
                    reader.Skip();
                    break;
            }
        }

        return all;
    }

    private LabelledImage Image(XElement element)
    {
        var name = element.Attribute("name")?.Value ?? "";
        var image = new LabelledImage("", $"image {Numbers.Shown(name)}");
        if (name.Length == 0)
        {
            image.Fault(FaultKind.Malformed, "", "has no \"name\"");
            return image;
        }

        image.FileName = images.At(name) ?? images.Find(System.IO.Path.ChangeExtension(name, null), name, image);
        (image.Width, image.Height) = (
            Numbers.Size(element.Attribute("width")?.Value),
            Numbers.Size(element.Attribute("height")?.Value)
        );
        if (
            image is { Width: > 0, Height: > 0 }
            || image.FindSize(System.IO.Path.Combine(images.Folder, image.FileName))
        )
        {
            var number = 0;
            foreach (var shape in element.Elements())
            {
                Add(shape, $"{shape.Name.LocalName} {++number}", image);
            }
        }

        return image;
    }

    private static void Add(XElement shape, string place, LabelledImage image)
    {
        var kind = shape.Name.LocalName;
        if (kind is "tag" or "polyline" or "points" or "cuboid" or "skeleton")
        {
            image.Fault(FaultKind.NotUsed, place, $"is a {kind}, around which there is no box");
            return;
        }

        var label = shape.Attribute("label")?.Value.Trim() ?? "";
        if (label.Length == 0 || label.Any(char.IsControl))
        {
            image.Fault(FaultKind.Malformed, place, "has no \"label\" of one line");
            return;
        }

        string[] names = kind switch
        {
            "box" => ["xtl", "ytl", "xbr", "ybr"],
            "ellipse" => ["cx", "cy", "rx", "ry"],
            "mask" => ["left", "top", "width", "height"],
            _ => [],
        };
        var numbers = new double[names.Length];
        for (var i = 0; i < names.Length; i++)
        {
            if (Numbers.Of(shape.Attribute(names[i])?.Value) is not { } number)
            {
                image.Fault(
                    FaultKind.Malformed,
                    place,
                    $"\"{names[i]}\" {Numbers.Fault(shape.Attribute(names[i])?.Value)}"
                );
                return;
            }

            numbers[i] = number;
        }

        if (Corners(kind, numbers, shape) is not { } box)
        {
            image.Fault(FaultKind.Malformed, place, "\"points\" has to be x,y;x,y;... of finite numbers");
            return;
        }

        if (box.Right < box.Left || box.Bottom < box.Top)
        {
            image.Fault(
                FaultKind.NegativeBox,
                place,
                "has a negative size: its right or lower edge is before its left or upper one"
            );
            return;
        }

        image.Boxes.Add(new(label, box.Left, box.Top, box.Right - box.Left, box.Bottom - box.Top, place));
    }

    private static (double Left, double Top, double Right, double Bottom)? Corners(
        string kind,
        double[] numbers,
        XElement shape
    )
    {
        switch (kind)
        {
            case "mask":
                return (numbers[0], numbers[1], numbers[0] + numbers[2], numbers[1] + numbers[3]);
            case "ellipse":
                return (
                    numbers[0] - numbers[2],
                    numbers[1] - numbers[3],
                    numbers[0] + numbers[2],
                    numbers[1] + numbers[3]
                );
            case "box":
                var angle = (Numbers.Of(shape.Attribute("rotation")?.Value) ?? 0) * Math.PI / 180;
                if (angle == 0)
                {
                    return (numbers[0], numbers[1], numbers[2], numbers[3]);
                }

                var (x, y) = ((numbers[0] + numbers[2]) / 2, (numbers[1] + numbers[3]) / 2);
                var (w, h) = (numbers[2] - numbers[0], numbers[3] - numbers[1]);
                var (cos, sin) = (Math.Abs(Math.Cos(angle)), Math.Abs(Math.Sin(angle)));
                var (wide, high) = (((w * cos) + (h * sin)) / 2, ((w * sin) + (h * cos)) / 2);
                return (x - wide, y - high, x + wide, y + high);
            default:
                return Around(shape.Attribute("points")?.Value ?? "");
        }
    }

    private static (double, double, double, double)? Around(string points)
    {
        var (left, top, right, bottom) = (double.MaxValue, double.MaxValue, double.MinValue, double.MinValue);
        foreach (var point in points.Split(';', StringSplitOptions.RemoveEmptyEntries))
        {
            var pair = point.Split(',');
            if (pair.Length != 2 || Numbers.Of(pair[0]) is not { } x || Numbers.Of(pair[1]) is not { } y)
            {
                return null;
            }

            (left, right) = (Math.Min(left, x), Math.Max(right, x));
            (top, bottom) = (Math.Min(top, y), Math.Max(bottom, y));
        }

        return left <= right ? (left, top, right, bottom) : null;
    }
}
