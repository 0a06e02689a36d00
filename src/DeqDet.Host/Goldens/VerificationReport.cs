using System.Globalization;
using System.Text.Json;
using DeqDet.Settings;
using DeqDet.Verification;

namespace DeqDet.Host.Goldens;

/// <summary>What became of one job.</summary>
/// <param name="File">The job's file.</param>
/// <param name="Checks">Its checks, as many as were made.</param>
/// <param name="Problem">Why it could not be verified; null if it could.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record VerifiedFile(string File, IReadOnlyList<Check> Checks, string? Problem, double Seconds)
{
    /// <summary>Everything was checked and is within what is accepted.</summary>
    public bool Passed => Problem is null && Checks.All(check => check.Passed);
}

/// <summary>Shows verified files to people and to programs.</summary>
public static class VerificationReport
{
    /// <summary>One file: a line for each tensor, then the file's own.</summary>
    public static void Write(VerifiedFile file, TextWriter output)
    {
        var width = file.Checks.Select(check => check.Tensor.Length).DefaultIfEmpty().Max();
        foreach (var check in file.Checks)
        {
            output.WriteLine(
                $"  {(check.Passed ? "pass" : "FAIL")}  {check.Tensor.PadRight(width)}  error {Number(check.Error), -8}  accepted {Number(check.Accepted), -6}  {Unit(check)}".TrimEnd()
            );
        }
        var failed = file.Checks.Count(check => !check.Passed);
        var verdict =
            file.Problem is not null ? $"cannot be verified: {file.Problem}"
            : failed > 0 ? $"{failed} of {file.Checks.Count} FAILED"
            : $"{file.Checks.Count} passed";
        output.WriteLine($"{file.File}: {verdict} ({file.Seconds.ToString("F1", CultureInfo.InvariantCulture)} s)");
    }

    /// <summary>Everything as one JSON file, written atomically.</summary>
    /// <exception cref="InputError">It cannot be written.</exception>
    public static void Save(string path, string folder, string device, IReadOnlyList<VerifiedFile> files) =>
        AtomicFile.Write(
            path,
            stream =>
            {
                using var writer = new Utf8JsonWriter(stream, new() { Indented = true });
                writer.WriteStartObject();
                writer.WriteString("folder", folder);
                writer.WriteString("device", device);
                writer.WriteBoolean("passed", files.All(file => file.Passed));
                writer.WriteStartArray("files");
                foreach (var file in files)
                {
                    WriteFile(writer, file);
                }
                writer.WriteEndArray();
                writer.WriteEndObject();
            }
        );

    private static void WriteFile(Utf8JsonWriter writer, VerifiedFile file)
    {
        writer.WriteStartObject();
        writer.WriteString("file", file.File);
        writer.WriteBoolean("passed", file.Passed);
        writer.WriteNumber("seconds", Math.Round(file.Seconds, 3));
        if (file.Problem is not null)
        {
            writer.WriteString("problem", file.Problem);
        }
        writer.WriteStartArray("checks");
        foreach (var check in file.Checks)
        {
            writer.WriteStartObject();
            writer.WriteString("tensor", check.Tensor);
            writer.WriteString("measure", check.Measure.ToString());
            // JSON has no infinity: such an error is left out.
            if (double.IsFinite(check.Error))
            {
                writer.WriteNumber("error", check.Error);
            }
            writer.WriteNumber("accepted", check.Accepted);
            writer.WriteBoolean("passed", check.Passed);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static string Number(double value) =>
        value == 0 ? "0" : value.ToString("0.0e-00", CultureInfo.InvariantCulture);

    private static string Unit(Check check) =>
        check.Measure.IsOfScale ? "of the largest value"
        : check.Measure.IsRelative ? "of the value"
        : check.Measure.IsCount ? "differing"
        : "";
}
