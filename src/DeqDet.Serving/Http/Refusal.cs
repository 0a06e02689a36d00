using System.Text.Json;
using DeqDet.Reports;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace DeqDet.Serving.Http;

/// <summary>A request that is not answered, and why.</summary>
/// <param name="status">HTTP's status.</param>
/// <param name="code">The reason as a word that programs can compare.</param>
/// <param name="detail">The reason for people, with the remedy.</param>
/// <param name="retryAfter">When to come back, if that helps.</param>
internal sealed class Refusal(int status, string code, string detail, TimeSpan? retryAfter = null) : Exception(detail)
{
    /// <summary>HTTP's status.</summary>
    public int Status { get; } = status;

    private string Code { get; } = code;

    private TimeSpan? RetryAfter { get; } = retryAfter;

    public static Refusal BodyTooLarge(long most) =>
        new(
            StatusCodes.Status413PayloadTooLarge,
            "body_too_large",
            $"The body is larger than {Human.Bytes(most)}; scale the picture down, or save it as JPEG."
        );

    public static Refusal BadRequest(string code, string detail) => new(StatusCodes.Status400BadRequest, code, detail);

    public static Refusal Busy(BusyException busy) =>
        busy.IsStopping
            ? new(
                StatusCodes.Status503ServiceUnavailable,
                "stopping",
                "The service is about to end; ask again when it is back.",
                busy.RetryAfter
            )
            : new(
                StatusCodes.Status429TooManyRequests,
                "busy",
                $"The service is busy: {busy.Message}; come back after the time in Retry-After.",
                busy.RetryAfter
            );

    /// <summary>Writes it as the answer, in the form of RFC 9457 (problem+json).</summary>
    public async Task Write(HttpContext context)
    {
        var response = context.Response;
        response.StatusCode = Status;
        response.ContentLength = null;
        response.ContentType = "application/problem+json";
        response.Headers.CacheControl = "no-store";
        if (RetryAfter is { } time)
        {
            response.Headers.RetryAfter = $"{Math.Max(1, Math.Ceiling(time.TotalSeconds)):0}";
        }

        await using var writer = new Utf8JsonWriter(response.BodyWriter, Answers.Readable);
        writer.WriteStartObject();
        writer.WriteString("title", ReasonPhrases.GetReasonPhrase(Status));
        writer.WriteNumber("status", Status);
        writer.WriteString("code", Code);
        writer.WriteString("detail", Message);
        writer.WriteEndObject();
    }
}
