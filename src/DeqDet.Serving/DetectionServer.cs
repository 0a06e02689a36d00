using System.Net;
using System.Net.Sockets;
using DeqDet.Serving.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

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
        var app = Build(predictor, options, new(address, port));
        try
        {
            await app.StartAsync();
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            await app.DisposeAsync();
            throw new InputError($"{new IPEndPoint(address, port)}: {Reason(error)}", error);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }

        var places = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
        return new(app, new(places.Addresses.Single()));
    }

    /// <summary>Takes no more, answers what is on its way, and ends.</summary>
    public Task Stop() => app.StopAsync();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => app.DisposeAsync();

    private static WebApplication Build(IPredictor predictor, ServingOptions options, IPEndPoint place)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel => Configure(kestrel, options, place));
        builder.Services.AddRoutingCore();
        builder.Services.AddDetection(predictor, options);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder
            .Logging.SetMinimumLevel(LogLevel.Warning)
            // that it cannot start is raised
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddSimpleConsole(console => console.SingleLine = true)
            .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        var app = builder.Build();
        app.UseStatusCodePages(context => Unmatched(context.HttpContext));
        app.UseRouting();
        app.MapDetection();
        return app;
    }

    private static void Configure(KestrelServerOptions kestrel, ServingOptions options, IPEndPoint place)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentConnections = MostConnections;
        kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
        // whoever sends header lines one by one does not keep a connection for long; bodies have the timeout
        kestrel.Limits.RequestHeadersTimeout = options.Timeout < LongestHeaders ? options.Timeout : LongestHeaders;
        kestrel.Listen(place, listen => listen.Protocols = HttpProtocols.Http1);
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

    private static string Reason(Exception error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }:
                    return "the port is in use by another program; choose another one, or 0 for any that is free";
                case SocketException { SocketErrorCode: SocketError.AccessDenied }:
                    return "the system does not allow this port; choose one from 1024 on";
                case SocketException { SocketErrorCode: SocketError.AddressNotAvailable }:
                    return "this machine has no such address; 127.0.0.1 is for itself alone, 0.0.0.0 for all its networks";
            }
        }

        return $"cannot listen there: {error.Message}";
    }

    // The program that starts a server decides when it ends: signals are its own.
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
