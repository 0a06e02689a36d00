using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace DeqDet.Serving.Http;

/// <summary>Answers of the endpoints that only tell.</summary>
internal static class Answers
{
    /// <summary>Text as it is: none of these answers is ever part of a page.</summary>
    public static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A text.</summary>
    public static Task Text(HttpContext context, int status, string text) =>
        Bytes(context, status, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(text));

    /// <summary>An object.</summary>
    public static Task Json(HttpContext context, Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, Readable with { Indented = true }))
        {
            write(writer);
        }

        return Bytes(context, StatusCodes.Status200OK, "application/json", stream.ToArray());
    }

    /// <summary>Bytes of a type, which nobody may keep or take for another one.</summary>
    public static async Task Bytes(HttpContext context, int status, string type, byte[] bytes)
    {
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = type;
        response.ContentLength = bytes.Length;
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        await response.Body.WriteAsync(bytes, context.RequestAborted);
    }
}
