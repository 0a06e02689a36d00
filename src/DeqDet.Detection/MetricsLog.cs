using System.Buffers;
using System.Text.Json;
using DeqDet.Coco.Evaluation;
using DeqDet.Settings;

namespace DeqDet.Detection;

/// <summary>
/// metrics.jsonl: one JSON object a line, on the disk's side of the process as soon as it is written. Lines of training steps hold
/// <c>epoch, step, lr, loss</c>, each part of the loss by its official name, <c>grad_norm, time, data_time</c> (s) and <c>memory</c>
/// (MiB); lines of validations <c>epoch, step, coco/bbox_mAP, coco/bbox_mAP_50, _75, _s, _m, _l</c>, -1 where there is nothing to
/// average. A number that is not finite, which JSON cannot hold, is null.
/// </summary>
public sealed class MetricsLog : IDisposable
{
    private static readonly (string Key, string Statistic)[] validation =
    [
        ("coco/bbox_mAP", "AP"),
        ("coco/bbox_mAP_50", "AP50"),
        ("coco/bbox_mAP_75", "AP75"),
        ("coco/bbox_mAP_s", "AP_small"),
        ("coco/bbox_mAP_m", "AP_medium"),
        ("coco/bbox_mAP_l", "AP_large"),
    ];

    private readonly FileStream file;

    private MetricsLog(FileStream file) => this.file = file;

    /// <summary>
    /// Opens or makes the file for a training that goes on after a step (0: from the start). Lines of later steps, which will be
    /// written anew, are dropped, and so is whatever is no whole line of metrics, such as the end of a file whose writer was killed.
    /// </summary>
    /// <exception cref="InputError">The file cannot be read or written.</exception>
    public static MetricsLog Open(string path, long step)
    {
        try
        {
            KeepUntil(path, step);
            return new(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 1));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError(
                $"{path}: metrics cannot be written: {error.Message}; choose another --work-dir",
                error
            );
        }
    }

    /// <summary>Appends the line of a training step.</summary>
    public void Step(StepReport report) =>
        Append(writer =>
        {
            writer.WriteNumber("epoch", report.Epoch);
            writer.WriteNumber("step", report.Step);
            Number(writer, "lr", report.LearningRate);
            Number(writer, "loss", report.Loss);
            foreach (var (name, value) in report.Losses)
            {
                Number(writer, name, value);
            }
            Number(writer, "grad_norm", report.GradNorm);
            Number(writer, "time", Math.Round(report.Time.TotalSeconds, 6));
            Number(writer, "data_time", Math.Round(report.DataTime.TotalSeconds, 6));
            writer.WriteNumber("memory", report.MemoryBytes >> 20);
        });

    /// <summary>Appends the line of a validation.</summary>
    /// <param name="epoch">Epochs completed.</param>
    /// <param name="step">Steps taken.</param>
    /// <param name="result">An evaluation with COCO's parameters.</param>
    public void Validation(int epoch, long step, EvaluationResult result) =>
        Append(writer =>
        {
            writer.WriteNumber("epoch", epoch);
            writer.WriteNumber("step", step);
            foreach (var (key, statistic) in validation)
            {
                Number(writer, key, result[statistic]);
            }
        });

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private void Append(Action<Utf8JsonWriter> fields)
    {
        var line = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(line))
        {
            writer.WriteStartObject();
            fields(writer);
            writer.WriteEndObject();
        }
        line.Write("\n"u8);
        // The whole line in one write: a reader that follows the file never sees half of one.
        file.Write(line.WrittenSpan);
        file.Flush();
    }

    private static void Number(Utf8JsonWriter writer, string key, double value)
    {
        if (double.IsFinite(value))
        {
            writer.WriteNumber(key, value);
        }
        else
        {
            writer.WriteNull(key);
        }
    }

    private static void KeepUntil(string path, long step)
    {
        if (!File.Exists(path))
        {
            return;
        }
        var lines = new List<ReadOnlyMemory<byte>>();
        ReadOnlyMemory<byte> all = File.ReadAllBytes(path);
        for (var rest = all; rest.Span.IndexOf((byte)'\n') is >= 0 and var end; rest = rest[(end + 1)..])
        {
            if (StepOf(rest[..end]) is { } of && of <= step)
            {
                lines.Add(rest[..(end + 1)]);
            }
        }
        if (lines.Sum(line => (long)line.Length) < all.Length)
        {
            AtomicFile.Write(path, stream => lines.ForEach(line => stream.Write(line.Span)));
        }
    }

    private static long? StepOf(ReadOnlyMemory<byte> line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return
                json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("step", out var value)
                && value.ValueKind == JsonValueKind.Number
                && value.TryGetInt64(out var step)
                ? step
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
