using System.Text.Json;
using DeqDet.Coco;

namespace DeqDet.Reports.Pages;

/// <summary>A part of a data set on a page.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Images">All its images.</param>
/// <param name="Boxes">All its boxes.</param>
/// <param name="Empty">Images without a box.</param>
public sealed record BrowsedPart(string Name, int Images, int Boxes, int Empty);

/// <summary>A class of a data set on a page.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Boxes">All its boxes.</param>
/// <param name="Images">Images with at least one of them.</param>
public sealed record BrowsedClass(string Name, int Boxes, int Images);

/// <summary>An image on a page.</summary>
/// <param name="Part">Position of its part.</param>
/// <param name="Image">Its name, size and boxes; labels are positions among the page's classes.</param>
/// <param name="Remarks">What a data check says of it: position among the page's kinds of remarks, and the text.</param>
/// <param name="Picture">The picture as WebP, scaled down; null where it cannot be read.</param>
public sealed record BrowsedImage(
    int Part,
    ExportImage Image,
    IReadOnlyList<(int Kind, string Text)> Remarks,
    byte[]? Picture
);

/// <summary>What a page about a data set shows: images with their boxes, by class, size, number of objects, part and remark.</summary>
/// <param name="Name">Name of the data set.</param>
/// <param name="Parts">Its parts.</param>
/// <param name="Classes">Its classes.</param>
/// <param name="RemarkKinds">Kinds of remarks, in words.</param>
/// <param name="MostObjects">The most objects of one image.</param>
/// <param name="Images">The images that are shown, perhaps not all.</param>
/// <param name="Notes">What a reader should know, a sentence each.</param>
public sealed record BrowsePage(
    string Name,
    IReadOnlyList<BrowsedPart> Parts,
    IReadOnlyList<BrowsedClass> Classes,
    IReadOnlyList<string> RemarkKinds,
    int MostObjects,
    IReadOnlyList<BrowsedImage> Images,
    IReadOnlyList<string> Notes
)
{
    private const double SmallArea = 32 * 32;
    private const double MediumArea = 96 * 96;

    private static readonly string[] scripts =
    [
        "dom.js",
        "browse.js",
        "frames.js",
        "grid.js",
        "viewer.js",
        "filters.js",
    ];

    /// <summary>Writes the page, one HTML file that needs no other and no network. Equal input gives equal bytes.</summary>
    /// <exception cref="InputError">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes the page.</summary>
    public void Write(Stream stream) =>
        PageTemplate.Write(stream, "Data set", "browse.html", ["evaluation.css", "browse.css"], WriteData, scripts);

    private void WriteData(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        writer.WriteNumber("most_objects", MostObjects);
        WriteList(writer, "notes", Notes, writer.WriteStringValue);
        WriteList(writer, "remarks", RemarkKinds, writer.WriteStringValue);
        WriteList(
            writer,
            "parts",
            Parts,
            part =>
            {
                writer.WriteStartObject();
                writer.WriteString("name", part.Name);
                writer.WriteNumber("images", part.Images);
                writer.WriteNumber("boxes", part.Boxes);
                writer.WriteNumber("empty", part.Empty);
                writer.WriteEndObject();
            }
        );
        var label = 0;
        WriteList(
            writer,
            "classes",
            Classes,
            kind =>
            {
                writer.WriteStartObject();
                writer.WriteString("name", kind.Name);
                writer.WriteNumber("boxes", kind.Boxes);
                writer.WriteNumber("images", kind.Images);
                PageColour.Write(writer, label++);
                writer.WriteEndObject();
            }
        );
        WriteList(writer, "images", Images, image => WriteImage(writer, image));
        writer.WriteEndObject();
    }

    private static void WriteImage(Utf8JsonWriter writer, BrowsedImage image)
    {
        writer.WriteStartObject();
        writer.WriteString("file", image.Image.Name);
        writer.WriteNumber("part", image.Part);
        writer.WriteNumber("width", image.Image.Width);
        writer.WriteNumber("height", image.Image.Height);
        WriteList(writer, "boxes", image.Image.Boxes, box => WriteBox(writer, box));
        WriteList(
            writer,
            "remarks",
            image.Remarks,
            remark =>
            {
                writer.WriteStartArray();
                writer.WriteNumberValue(remark.Kind);
                writer.WriteStringValue(remark.Text);
                writer.WriteEndArray();
            }
        );
        if (image.Picture is { } picture)
        {
            writer.WriteBase64String("picture", picture);
        }

        writer.WriteEndObject();
        writer.Flush();
    }

    // [x, y, width, height, class, size 0 to 2, kept 0, crowd 1 or ignored 2]
    private static void WriteBox(Utf8JsonWriter writer, in ExportBox box)
    {
        var area = box.Area ?? (box.Width * box.Height);
        writer.WriteStartArray();
        foreach (var number in (ReadOnlySpan<double>)[box.X, box.Y, box.Width, box.Height])
        {
            writer.WriteNumberValue(Math.Round(number, 2));
        }

        writer.WriteNumberValue(box.Label);
        writer.WriteNumberValue(
            area < SmallArea ? 0
            : area < MediumArea ? 1
            : 2
        );
        writer.WriteNumberValue(
            box.IsCrowd ? 1
            : box.IsIgnored ? 2
            : 0
        );
        writer.WriteEndArray();
    }

    private static void WriteList<T>(Utf8JsonWriter writer, string name, IReadOnlyList<T> items, Action<T> write)
    {
        writer.WriteStartArray(name);
        foreach (var item in items)
        {
            write(item);
        }

        writer.WriteEndArray();
    }
}
