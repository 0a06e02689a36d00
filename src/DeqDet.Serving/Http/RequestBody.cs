using DeqDet.Serving.Measures;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace DeqDet.Serving.Http;

/// <summary>The bytes of the picture in a request: its whole body, or the one file of a form.</summary>
internal static class RequestBody
{
    /// <summary>The media types of bodies.</summary>
    public static IReadOnlyList<string> MediaTypes { get; } =
    ["image/*", "application/octet-stream", "multipart/form-data"];

    private const int Step = 1 << 16;

    // the server looks once a second
    private static readonly TimeSpan ShortestTime = TimeSpan.FromSeconds(1.001);

    /// <summary>Reads them.</summary>
    /// <param name="request">The request.</param>
    /// <param name="most">The most bytes of a body.</param>
    /// <param name="memory">Holds the bytes, as they come.</param>
    /// <param name="time">How long the body may take to arrive.</param>
    /// <param name="noMemory">What to raise where there is no memory for them.</param>
    /// <param name="cancellation">Whoever asked is gone.</param>
    /// <exception cref="Refusal">The body is no picture by its type, is too large, empty, or a form without exactly one file.</exception>
    /// <exception cref="BadHttpRequestException">It breaks off, comes too slowly, or does not follow HTTP.</exception>
    public static async Task<byte[]> Read(
        HttpRequest request,
        long most,
        MemoryBudget.Share memory,
        TimeSpan time,
        Func<Exception> noMemory,
        CancellationToken cancellation
    )
    {
        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = most;
        }

        // the server ends the read itself: one that is cancelled from here would leave its connection in no state to go on
        if (request.HttpContext.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = new(double.MaxValue, time > ShortestTime ? time : ShortestTime);
        }

        if (request.ContentLength > most)
        {
            throw Refusal.BodyTooLarge(most);
        }

        var boundary = Boundary(request);
        var bytes = boundary is null
            ? await ReadAll(request.Body, request.ContentLength)
            : await ReadFile(new MultipartReader(boundary, request.Body) { BodyLengthLimit = most });
        return bytes.Length > 0
            ? bytes
            : throw Refusal.BadRequest("empty_body", "The body is empty; send the bytes of a picture.");

        async Task<byte[]> ReadAll(Stream stream, long? length)
        {
            // as much as has come, whatever is announced: memory that waits for bytes would be missing elsewhere
            var room = Math.Min(length ?? most, most) + 1;
            var buffer = new byte[Math.Min(room, Step)];
            var read = 0;
            Hold(buffer.Length);
            while (true)
            {
                if (read == buffer.Length)
                {
                    var larger = (int)Math.Min(room, 2L * buffer.Length);
                    Hold(larger);
                    Array.Resize(ref buffer, larger);
                }

                var more = await stream.ReadAsync(buffer.AsMemory(read), cancellation);
                if (more == 0)
                {
                    break;
                }

                read += more;
                if (read > most)
                {
                    throw Refusal.BodyTooLarge(most);
                }
            }

            return buffer[..read];
        }

        async Task<byte[]> ReadFile(MultipartReader reader)
        {
            byte[]? file = null;
            try
            {
                while (await reader.ReadNextSectionAsync(cancellation) is { } section)
                {
                    if (!IsFile(section))
                    {
                        continue;
                    }

                    if (file is not null)
                    {
                        throw Refusal.BadRequest("bad_form", "The form has several files; send one picture a request.");
                    }

                    file = await ReadAll(section.Body, null);
                }
            }
            catch (Exception error) when (error is InvalidDataException || error.GetType() == typeof(IOException))
            {
                throw Refusal.BadRequest("bad_form", $"The form cannot be read: {error.Message}");
            }

            return file
                ?? throw Refusal.BadRequest(
                    "bad_form",
                    "The form has no file; send the picture as a file of it, or as the whole body."
                );
        }

        void Hold(long bytes)
        {
            if (!memory.TryHold(bytes))
            {
                throw noMemory();
            }
        }
    }

    // Null: the body is the picture itself. What it says it is counts only so far; the bytes decide.
    private static string? Boundary(HttpRequest request)
    {
        if (string.IsNullOrEmpty(request.ContentType))
        {
            return null;
        }

        if (MediaTypeHeaderValue.TryParse(request.ContentType, out var type))
        {
            if (type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
            {
                return HeaderUtilities.RemoveQuotes(type.Boundary) is { Length: > 0 and <= 70 } boundary
                    ? boundary.ToString()
                    : throw Refusal.BadRequest(
                        "bad_form",
                        "multipart/form-data needs a boundary of 1 to 70 characters."
                    );
            }

            if (
                type.Type.Equals("image", StringComparison.OrdinalIgnoreCase)
                || type.MediaType.Equals("application/octet-stream", StringComparison.OrdinalIgnoreCase)
            )
            {
                return null;
            }
        }

        throw new Refusal(
            StatusCodes.Status415UnsupportedMediaType,
            "wrong_content_type",
            $"A body of the type '{request.ContentType}' is no picture; send {string.Join(", ", MediaTypes)} (curl: -T photo.jpg, or -F file=@photo.jpg)."
        );
    }

    private static bool IsFile(MultipartSection section) =>
        ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition)
        && (
            disposition.IsFileDisposition()
            || section.ContentType?.StartsWith("image/", StringComparison.Ordinal) == true
        );
}
