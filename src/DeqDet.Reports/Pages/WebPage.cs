using System.Text.Encodings.Web;
using System.Text.Json;
using DeqDet.Detection;

namespace DeqDet.Reports.Pages;

/// <summary>What a picture has to become before it enters the network.</summary>
/// <param name="ShortSide">Short side after the resize, px.</param>
/// <param name="LongMax">Long side after it at most, px.</param>
/// <param name="Multiple">Padded sides are multiples of this, px.</param>
/// <param name="Mean">Subtracted from R, G, B of 0 to 255.</param>
/// <param name="Std">By which they are then divided.</param>
public sealed record WebInput(
    int ShortSide,
    int LongMax,
    int Multiple,
    IReadOnlyList<double> Mean,
    IReadOnlyList<double> Std
);

/// <summary>A picture and what the detector finds in it, by which a browser's GPU is judged before it is used.</summary>
/// <param name="Png">The picture's file.</param>
/// <param name="Expected">What is found in it, all that has to be found again.</param>
public sealed record WebCheck(byte[] Png, IReadOnlyList<Finding> Expected);

/// <summary>
/// A page that runs an exported detector in the browser, as static files: index.html, styles, scripts and model.json, beside the model
/// and, in the folder <see cref="RuntimeFolder"/>, ONNX Runtime Web.
/// </summary>
/// <param name="Name">Name of the detector, its checkpoint mostly.</param>
/// <param name="Model">Family and backbone.</param>
/// <param name="How">How it computes, in a few words.</param>
/// <param name="Classes">Its classes, each with the score from which on its detections are taken.</param>
/// <param name="Input">What becomes of a picture first.</param>
/// <param name="Steps">Applications of the refinement head, at most; null for models without equilibrium.</param>
/// <param name="Tolerance">The residual at which a query has settled; null: every query takes all steps.</param>
/// <param name="ModelBytes">Size of the model's file.</param>
/// <param name="Check">By which a GPU is judged.</param>
public sealed record WebPage(
    string Name,
    string Model,
    string How,
    IReadOnlyList<(string Name, double Threshold)> Classes,
    WebInput Input,
    int? Steps,
    double? Tolerance,
    long ModelBytes,
    WebCheck Check
)
{
    /// <summary>Name of the model's file in the folder.</summary>
    public const string ModelFile = "detector.onnx";

    /// <summary>Name of the folder in it for ONNX Runtime Web.</summary>
    public const string RuntimeFolder = "runtime";

    private const string DescriptionFile = "model.json";
    private const string CheckFile = "check.png";
    private const string FormatName = "deqdet-web-1";
    private const int MostPixels = 50_000_000;
    private const int MostDescriptionBytes = 16 << 20;

    // names of classes stay readable, and this JSON is never part of a page
    private static readonly JsonWriterOptions readable = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Indented = true,
    };

    /// <summary>Writes all files but those of the model and of the runtime into a folder. Equal input gives equal bytes.</summary>
    public void Write(string folder)
    {
        Put("index.html", "web.html");
        Put("page.css", "evaluation.css", "browse.css", "service.css", "web.css");
        Put("page.js", "dom.js", "drop.js", "boxes.js", "web.js");
        Put("detector.js", "detector.js");
        Put("picture.js", "picture.js");
        File.WriteAllBytes(Path.Combine(folder, CheckFile), Check.Png);
        using var stream = File.Create(Path.Combine(folder, DescriptionFile));
        using var writer = new Utf8JsonWriter(stream, readable);
        Describe(writer);

        void Put(string name, params IEnumerable<string> parts) =>
            File.WriteAllText(Path.Combine(folder, name), string.Concat(parts.Select(PageResource.Text)));
    }

    /// <summary>Whether a folder is such a page.</summary>
    public static bool IsIn(string folder)
    {
        var file = new FileInfo(Path.Combine(folder, DescriptionFile));
        if (!file.Exists || file.Length > MostDescriptionBytes)
        {
            return false;
        }

        try
        {
            using var stream = file.OpenRead();
            using var json = JsonDocument.Parse(stream);
            return json.RootElement is { ValueKind: JsonValueKind.Object } root
                && root.TryGetProperty("format", out var format)
                && format.ValueEquals(FormatName);
        }
        catch (Exception error)
            when (error is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private void Describe(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("format", FormatName);
        writer.WriteString("name", Name);
        writer.WriteString("model", Model);
        writer.WriteString("how", How);
        writer.WriteString("file", ModelFile);
        writer.WriteNumber("bytes", ModelBytes);
        writer.WriteNumber("most_pixels", MostPixels);
        writer.WriteStartObject("input");
        writer.WriteNumber("short_side", Input.ShortSide);
        writer.WriteNumber("long_max", Input.LongMax);
        writer.WriteNumber("multiple", Input.Multiple);
        WriteNumbers("mean", Input.Mean);
        WriteNumbers("std", Input.Std);
        writer.WriteEndObject();
        writer.WritePropertyName("steps");
        JsonSerializer.Serialize(writer, Steps);
        writer.WritePropertyName("tolerance");
        JsonSerializer.Serialize(writer, Tolerance);
        ClassesJson.Write(writer, Classes);
        writer.WriteStartObject("check");
        writer.WriteString("file", CheckFile);
        writer.WriteStartArray("detections");
        foreach (var finding in Check.Expected)
        {
            writer.WriteStartObject();
            writer.WriteNumber("label", finding.Label);
            writer.WriteNumber("score", finding.Score);
            WriteNumbers("box", [finding.Box.X1, finding.Box.Y1, finding.Box.X2, finding.Box.Y2]);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteEndObject();

        void WriteNumbers(string name, IEnumerable<double> numbers)
        {
            writer.WriteStartArray(name);
            foreach (var number in numbers)
            {
                writer.WriteNumberValue(number);
            }

            writer.WriteEndArray();
        }
    }
}
