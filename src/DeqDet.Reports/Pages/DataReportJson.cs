using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using DeqDet.Data.Check;

namespace DeqDet.Reports.Pages;

/// <summary>A data check for machines: every number, and every place of every finding.</summary>
public static class DataReportJson
{
    /// <summary>Writes the file atomically.</summary>
    /// <exception cref="InputError">It cannot be written.</exception>
    public static void Save(DataReport report, string path) =>
        AtomicFile.Write(
            path,
            stream =>
                JsonSerializer.Serialize(
                    stream,
                    DataReportRecord.Of(report),
                    DataReportContext.Readable.DataReportRecord
                )
        );
}

/// <summary>The file as a whole.</summary>
internal sealed record DataReportRecord(
    bool Spoiled,
    bool Decoded,
    IEnumerable<DataPartRecord> Parts,
    IEnumerable<IssueRecord> Issues
)
{
    public static DataReportRecord Of(DataReport report) =>
        new(
            report.Spoiled,
            report.Decoded,
            report.Parts.Select(DataPartRecord.Of),
            report.Issues.Select(IssueRecord.Of)
        );
}

/// <summary>A part of the data.</summary>
internal sealed record DataPartRecord(
    string Name,
    string Format,
    string Annotations,
    string ImageFolder,
    int Images,
    int ImagesToTrainOn,
    int Landscape,
    int Boxes,
    int Crowds,
    Spread Width,
    Spread Height,
    Spread BoxesPerImage,
    AreaCounts Areas,
    [property: JsonPropertyName("log2_side")] IReadOnlyList<int> Log2Side,
    Dictionary<string, int> Formats,
    IReadOnlyList<CategoryCount> Categories
)
{
    public static DataPartRecord Of(PartReport part) =>
        new(
            part.Name,
            part.Files.Source.Format,
            part.Files.AnnotationFile,
            part.Files.ImageFolder,
            part.Images,
            part.ImagesToTrainOn,
            part.Landscape,
            part.Boxes,
            part.Crowds,
            part.Width,
            part.Height,
            part.BoxesPerImage,
            new(part.Sizes.Small, part.Sizes.Medium, part.Sizes.Large),
            part.Sides,
            new(part.Formats),
            part.Categories
        );
}

/// <summary>Boxes by COCO's ranges of area.</summary>
internal readonly record struct AreaCounts(int Small, int Medium, int Large);

/// <summary>All findings of a kind in a part.</summary>
internal sealed record IssueRecord(
    string Code,
    bool Spoils,
    string Part,
    string Text,
    int Count,
    IReadOnlyList<string> Places
)
{
    public static IssueRecord Of(Issue issue) =>
        new(issue.Kind.Code, issue.Kind.Spoils, issue.Part, issue.Kind.Text, issue.Places.Count, issue.Places);
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(DataReportRecord))]
internal sealed partial class DataReportContext : JsonSerializerContext
{
    /// <summary>Names of files and classes stay as they are, for people who read the file.</summary>
    public static DataReportContext Readable { get; } =
        new(
            new JsonSerializerOptions
            {
                WriteIndented = true,
                PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
                Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            }
        );
}
