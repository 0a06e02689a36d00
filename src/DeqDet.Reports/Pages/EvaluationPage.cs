using System.Text.Json;
using DeqDet.Coco.Analysis;
using DeqDet.Coco.Evaluation;
using DeqDet.Settings;

namespace DeqDet.Reports.Pages;

/// <summary>What a page about an evaluation shows.</summary>
/// <param name="GroundTruthName">Name of the annotations, for the heading.</param>
/// <param name="DetectionsName">Name of the detections or of the detector, for the heading.</param>
/// <param name="Truth">The boxes.</param>
/// <param name="Detections">The detections.</param>
/// <param name="Result">Their evaluation.</param>
/// <param name="Analysis">Its analysis.</param>
/// <param name="Gallery">The worst images.</param>
public sealed record EvaluationPage(
    string GroundTruthName,
    string DetectionsName,
    GroundTruth Truth,
    Detections Detections,
    EvaluationResult Result,
    EvaluationAnalysis Analysis,
    Gallery Gallery
)
{
    // In the order in which the browser reads them; the last one runs the others.
    private static readonly string[] scripts =
    [
        "dom.js",
        "summary.js",
        "curves.js",
        "classes.js",
        "gallery.js",
        "evaluation.js",
    ];

    /// <summary>Raises <see cref="InputError"/> for a place where no page can be written, before anything is computed.</summary>
    public static void CheckPlace(string path)
    {
        if (Directory.Exists(path))
        {
            throw new InputError(
                $"{path}: is a folder; name the HTML file to write, as in {Path.Combine(path, "report.html")}"
            );
        }
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
        {
            throw new InputError($"{path}: there is no folder {folder}; make it first, or name another file");
        }
    }

    /// <summary>Writes the page, one HTML file that needs no other. Equal input gives equal bytes.</summary>
    /// <exception cref="InputError">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes the page.</summary>
    public void Write(Stream stream) =>
        PageTemplate.Write(stream, "Evaluation", "evaluation.html", ["evaluation.css"], WriteData, scripts);

    private void WriteData(Utf8JsonWriter writer)
    {
        const int decimals = 4;
        writer.WriteStartObject();
        writer.WriteStartObject("source");
        writer.WriteString("ground_truth", GroundTruthName);
        writer.WriteString("detections", DetectionsName);
        writer.WriteStartArray("notes");
        foreach (var note in Gallery.Notes)
        {
            writer.WriteStringValue(note);
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteStartObject("evaluation");
        EvaluationJson.WriteSummary(Result, writer);
        writer.WriteEndObject();
        writer.WritePropertyName("analysis");
        AnalysisJson.Write(Analysis, writer, withImages: false, decimals);
        GalleryJson.Write(this, writer);
        writer.WriteEndObject();
    }
}
