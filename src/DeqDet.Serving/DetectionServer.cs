using System.Net;
using DeqDet.Serving.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace DeqDet.Serving;

/// <summary>A web server of its own around a detector: what a program needs that is no web application otherwise.</summary>
public sealed class DetectionServer : IAsyncDisposable
{
    // room for the people behind the queue: refused ones, readers of the page, and connections that are kept
    private const int MostConnections = 1024;

    private static readonly TimeSpan LongestHeaders = TimeSpan.FromSeconds(10);

    private readonly WebApplication app;

    private DetectionServer(WebApplication app, Uri address) =>
        (this.app, Address, Service) = (app, address, app.Services.GetRequiredService<DetectionService>());

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>The service that answers.</summary>
    public DetectionService Service { get; }

    /// <summary>What it has done so far, as text for people.</summary>
    public string Metrics => MetricsWriter.ToText(Service);

    /// <summary>Method and path of all that it answers.</summary>
    internal IEnumerable<(string Method, string Path)> Endpoints =>
        from endpoint in app.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods
        select (method, endpoint.RoutePattern.RawText!);

    /// <summary>Starts one; it answers when this comes back. Nothing but these arguments says what it does: no environment, no file.</summary>
    /// <param name="predictor">Finds the objects; it stays the caller's.</param>
    /// <param name="options">What is allowed.</param>
    /// <param name="address">Where to listen.</param>
    /// <param name="port">The port; 0: any free one.</param>
    /// <exception cref="InputError">The address is not this machine's, or the port is in use or not to be had.</exception>
    public static async Task<DetectionServer> Start(
        IPredictor predictor,
        ServingOptions options,
        IPAddress address,
        int port
    )
    {
        var place = new IPEndPoint(address, port);
        var app = Build(predictor, options, place);
        return new(app, await WebHost.Start(app, place));
    }

    /// <summary>Takes no more, answers what is on its way, and ends.</summary>
    public Task Stop() => app.StopAsync();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => app.DisposeAsync();

    private static WebApplication Build(IPredictor predictor, ServingOptions options, IPEndPoint place)
    {
        var builder = WebHost.Builder(place, kestrel => Configure(kestrel, options));
        builder.Services.AddRoutingCore();
        builder.Services.AddDetection(predictor, options);
        var app = builder.Build();
        app.UseStatusCodePages(context => Unmatched(context.HttpContext));
        app.UseRouting();
        app.MapDetection();
        return app;
    }

    private static void Configure(KestrelServerOptions kestrel, ServingOptions options)
    {
        kestrel.Limits.MaxConcurrentConnections = MostConnections;
        kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
        // whoever sends header lines one by one does not keep a connection for long; bodies have the timeout
        kestrel.Limits.RequestHeadersTimeout = options.Timeout < LongestHeaders ? options.Timeout : LongestHeaders;
    }

    // An answer without a body is routing's: there is nothing at that path, or not for that method.
    private static Task Unmatched(HttpContext context)
    {
        var (path, method) = (context.Request.Path, context.Request.Method);
        var refusal = context.Response.StatusCode switch
        {
            StatusCodes.Status404NotFound => new Refusal(
                StatusCodes.Status404NotFound,
                "no_such_path",
                $"There is nothing at {path}; {Routes.OpenApi} lists what there is."
            ),
            StatusCodes.Status405MethodNotAllowed => new Refusal(
                StatusCodes.Status405MethodNotAllowed,
                "no_such_method",
                $"{path} does not answer {method}, but {context.Response.Headers.Allow}."
            ),
            var status => new Refusal(status, "refused", "The request was refused."),
        };
        return refusal.Write(context);
    }
}
