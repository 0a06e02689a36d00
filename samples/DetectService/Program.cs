// A detector in a web application of one's own:
//   dotnet run --project samples/DetectService -- work/shapes --urls http://127.0.0.1:8000
//   curl -T photo.jpg -X POST http://127.0.0.1:8000/detect
//   curl -T photo.jpg -X POST http://127.0.0.1:8000/count
using DeqDet.Detection;
using DeqDet.Images;
using DeqDet.Serving;

using var detector = DetectorSession.Open(args[0]);
var builder = WebApplication.CreateBuilder(args[1..]);
builder.Services.AddDetection(detector, new() { Name = args[0] });
var app = builder.Build();

// POST /detect, the page at /, /metrics, /health/live, /health/ready, /openapi.json
app.MapDetection();

// An endpoint of the application's own, whose pictures wait in the same queue.
app.MapPost(
    "/count",
    async (HttpRequest request, DetectionService service) =>
    {
        try
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
            var picture = ImageFile.Decode(body.ToArray(), "the picture");
            var answer = await service.DetectAsync(picture, null, request.HttpContext.RequestAborted);
            var sure = answer.Prediction.Findings.Where(found => found.Score >= 0.5f);
            return Results.Ok(sure.CountBy(found => found.Name).ToDictionary());
        }
        catch (DeqDet.InputError error)
        {
            return Results.Problem(error.Message, statusCode: StatusCodes.Status422UnprocessableEntity);
        }
        catch (BusyException busy)
        {
            request.HttpContext.Response.Headers.RetryAfter = $"{busy.RetryAfter.TotalSeconds}";
            return Results.Problem(busy.Message, statusCode: StatusCodes.Status429TooManyRequests);
        }
    }
);
app.Run();
