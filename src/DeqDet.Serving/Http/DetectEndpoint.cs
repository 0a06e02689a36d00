using System.Text.Json;
using DeqDet.Detection;
using DeqDet.Images;
using DeqDet.Serving.Measures;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DeqDet.Serving.Http;

/// <summary>POST /detect: a picture in, what is found in it out.</summary>
/// <param name="service">Finds it.</param>
/// <param name="clock">For times and timeouts.</param>
/// <param name="log">Gets what goes wrong within the service.</param>
internal sealed class DetectEndpoint(DetectionService service, TimeProvider clock, ILogger<DetectEndpoint> log)
{
    private const string Name = "the picture";

    // more at a time would only take more memory
    private readonly SemaphoreSlim decoding = new(Environment.ProcessorCount);

    // takes four times the memory of its picture
    private readonly SemaphoreSlim drawing = new(1);

    private ServingOptions Options => service.Options;

    /// <summary>Answers a request, whatever it is.</summary>
    public async Task Handle(HttpContext context)
    {
        try
        {
            await Answer(context);
        }
        catch (Exception error)
        {
            var (refusal, outcome) = Judge(error, context);
            service.Measures.Ended(outcome);
            if (refusal is null)
            {
                return;
            }

            if (context.Response.HasStarted)
            {
                context.Abort();
                return;
            }

            await refusal.Write(context);
        }
    }

    private async Task Answer(HttpContext context)
    {
        var start = clock.GetTimestamp();
        var parameters = QueryParameters.Read(context.Request.Query, service.Facts);
        // before the body is read: it would have come for nothing
        service.ThrowIfBusy();
        using var memory = service.Memory.Open();
        var bytes = await RequestBody.Read(
            context.Request,
            Options.MaxBodyBytes,
            memory,
            Options.Timeout,
            service.OutOfMemory,
            context.RequestAborted
        );
        using var timeout = Timeout(context);
        var picture = await InTurn(decoding, () => Decode(bytes, memory), timeout.Token);
        var answer = await service.DetectAsync(picture, parameters.Tolerance, timeout.Token);
        var found = answer.Prediction.Findings.Where(finding => Takes(finding, parameters.Threshold)).ToList();
        context.Response.Headers.CacheControl = "no-store";
        if (parameters.Format == AnswerFormat.Png)
        {
            var png = await InTurn(drawing, () => Reports.Picture.OfFindings(picture, found).ToPng(), timeout.Token);
            context.Response.ContentType = "image/png";
            context.Response.ContentLength = png.Length;
            await context.Response.Body.WriteAsync(png, context.RequestAborted);
        }
        else
        {
            context.Response.ContentType = "application/json";
            await using var writer = new Utf8JsonWriter(context.Response.BodyWriter, Answers.Readable);
            AnswerWriter.WriteJson(writer, picture, found, answer);
        }

        service.Measures.Answered(answer, clock.GetElapsedTime(start));
    }

    private RgbImage Decode(byte[] bytes, MemoryBudget.Share memory)
    {
        // a small file may claim a huge size
        if (ImageHeader.TryRead(bytes) is { } header)
        {
            var pixels = (long)header.Width * header.Height;
            if (pixels > Options.MaxPixels)
            {
                throw new Refusal(
                    StatusCodes.Status413PayloadTooLarge,
                    "too_many_pixels",
                    $"The picture has {header.Width} x {header.Height} pixels, more than the {Options.MaxPixels / 1e6:0.##} million that are taken; scale it down."
                );
            }

            if (!memory.TryHold(bytes.Length + 3 * pixels))
            {
                throw service.OutOfMemory();
            }
        }

        var picture = ImageFile.Decode(bytes, Name);
        memory.TryHold(picture.Pixels.Length);
        return picture;
    }

    private bool Takes(Finding finding, double? threshold) =>
        finding.Score >= (threshold ?? Options.Threshold ?? service.Facts.Thresholds[finding.Label]);

    private static async Task<T> InTurn<T>(SemaphoreSlim turns, Func<T> work, CancellationToken cancellation)
    {
        await turns.WaitAsync(cancellation);
        try
        {
            return await Task.Run(work, cancellation);
        }
        finally
        {
            turns.Release();
        }
    }

    private string Seconds => $"{Options.Timeout.TotalSeconds:0.###} s";

    private CancellationTokenSource Timeout(HttpContext context)
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        source.CancelAfter(Options.Timeout);
        return source;
    }

    // What an exception means for whoever asked; null: nobody is there any more.
    private (Refusal?, RequestOutcome) Judge(Exception error, HttpContext context)
    {
        if (context.RequestAborted.IsCancellationRequested)
        {
            return (null, RequestOutcome.Gone);
        }

        switch (error)
        {
            case Refusal refusal:
                return (refusal, RequestOutcome.Refused);
            case BusyException busy:
                return (Refusal.Busy(busy), RequestOutcome.Busy);
            case ImageError image:
                return (
                    new(StatusCodes.Status422UnprocessableEntity, "no_picture", $"{Capital(image.Reason)}."),
                    RequestOutcome.Refused
                );
            case InputError input:
                return (
                    new(StatusCodes.Status422UnprocessableEntity, "no_picture", $"{Capital(input.Message)}."),
                    RequestOutcome.Refused
                );
            case BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }:
                return (Refusal.BodyTooLarge(Options.MaxBodyBytes), RequestOutcome.Refused);
            case BadHttpRequestException { StatusCode: StatusCodes.Status408RequestTimeout } slow:
                return (
                    new(slow.StatusCode, "too_slow", $"The body did not arrive within {Seconds}."),
                    RequestOutcome.Refused
                );
            case BadHttpRequestException bad:
                return (new(bad.StatusCode, "bad_request", bad.Message), RequestOutcome.Refused);
            case OperationCanceledException:
                return (
                    new(
                        StatusCodes.Status503ServiceUnavailable,
                        "timeout",
                        $"The service is busy: it did not come to an answer within {Seconds}.",
                        service.Measures.TimeFor(service.Waiting)
                    ),
                    RequestOutcome.Busy
                );
            default:
                log.LogError(error, "A request failed");
                return (
                    new(
                        StatusCodes.Status500InternalServerError,
                        "failed",
                        "The service failed with this picture; what happened is in its log."
                    ),
                    RequestOutcome.Failed
                );
        }
    }

    private static string Capital(string text) => $"{char.ToUpperInvariant(text[0])}{text[1..]}";
}
