using System.Globalization;
using System.Text.Json;

namespace DeqDet.Images;

/// <summary>What ffprobe says of a video.</summary>
/// <param name="Rate">Frames a second, a fraction as ffmpeg writes it: "30000/1001".</param>
/// <param name="FramesPerSecond">The same as a number.</param>
/// <param name="Frames">How many there are; null where that is not known.</param>
public sealed record VideoInfo(string Rate, double FramesPerSecond, long? Frames)
{
    // Of streams that do not say: what most cameras have.
    private const string UsualRate = "25/1";
    private const double MostFramesPerSecond = 1000;

    // Where the two rates of a stream differ by more, its frames do not come evenly.
    private const double Uneven = 1.05;

    /// <summary>Reads what ffprobe writes as JSON.</summary>
    /// <exception cref="InputError">There are no moving pictures in it.</exception>
    public static VideoInfo Parse(string json, string name)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (
                !document.RootElement.TryGetProperty("streams", out var streams)
                || streams.ValueKind != JsonValueKind.Array
                || streams.GetArrayLength() == 0
            )
            {
                throw new InputError($"{name}: there are no moving pictures in it; give a video, or images");
            }

            var stream = streams[0];
            var (basic, mean) = (Text(stream, "r_frame_rate"), Text(stream, "avg_frame_rate"));
            var rate = Chosen(basic, mean);
            var counted = long.TryParse(
                Text(stream, "nb_frames"),
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out var frames
            );
            var seconds =
                document.RootElement.TryGetProperty("format", out var format)
                && double.TryParse(
                    Text(format, "duration"),
                    NumberStyles.Float,
                    CultureInfo.InvariantCulture,
                    out var duration
                )
                && duration is > 0 and < 1e8
                    ? duration
                    : (double?)null;
            var number = Number(rate)!.Value;
            return new(
                rate,
                number,
                counted && frames > 0 ? frames
                    : seconds is { } length ? (long)Math.Ceiling(length * number)
                    : null
            );
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new InputError($"{name}: what ffprobe says of it cannot be read ({error.Message})", error);
        }
    }

    // The basic rate has each frame once; the mean one is right where frames come unevenly.
    private static string Chosen(string basic, string mean) =>
        (Number(basic), Number(mean)) switch
        {
            ({ } first, { } second) when first / second > Uneven || second / first > Uneven => mean,
            ({ }, _) => basic,
            (null, { }) => mean,
            _ => UsualRate,
        };

    private static string Text(JsonElement element, string key) =>
        element.ValueKind == JsonValueKind.Object
        && element.TryGetProperty(key, out var value)
        && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : "";

    private static double? Number(string rate) =>
        rate.Split('/') is [var above, var below]
        && long.TryParse(above, NumberStyles.None, CultureInfo.InvariantCulture, out var frames)
        && long.TryParse(below, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
        && seconds > 0
        && (double)frames / seconds is > 0 and <= MostFramesPerSecond and var number
            ? number
            : null;
}
