using System.Reflection;
using DeqDet.Detection;
using DeqDet.Reports.Pages;
using DeqDet.Serving.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DeqDet.Serving;

/// <summary>A detector in a web application: two calls.</summary>
public static class ServingExtensions
{
    /// <summary>Adds the service of a detector (<see cref="DetectionService"/>). The detector stays the caller's, and must outlive the application.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="detector">The open detector; who else asks it waits, and makes others wait.</param>
    /// <param name="options">What the service allows; null: as they are by default.</param>
    public static IServiceCollection AddDetection(
        this IServiceCollection services,
        DetectorSession detector,
        ServingOptions? options = null
    ) => services.AddDetection(new SessionPredictor(detector), options ?? new());

    /// <summary>The same for anything that finds objects.</summary>
    public static IServiceCollection AddDetection(
        this IServiceCollection services,
        IPredictor predictor,
        ServingOptions options
    )
    {
        services.AddSingleton(provider => new DetectionService(
            predictor,
            options,
            TimeProvider.System,
            provider.GetRequiredService<ILogger<DetectionService>>()
        ));
        services.AddHostedService(provider => provider.GetRequiredService<DetectionService>());
        // what is on its way is answered first
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Timeout + TimeSpan.FromSeconds(5));
        return services;
    }

    /// <summary>
    /// Adds its endpoints: <c>POST /detect</c>, the page at <c>/</c>, <c>/metrics</c>, <c>/health/live</c>, <c>/health/ready</c> and
    /// <c>/openapi.json</c>; on a group of routes, below the group's prefix.
    /// </summary>
    /// <param name="routes">The application, or a group of its routes.</param>
    public static IEndpointRouteBuilder MapDetection(this IEndpointRouteBuilder routes)
    {
        var provider = routes.ServiceProvider;
        var service = provider.GetRequiredService<DetectionService>();
        provider.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(service.RefuseMore);
        var detect = new DetectEndpoint(
            service,
            TimeProvider.System,
            provider.GetRequiredService<ILogger<DetectEndpoint>>()
        );
        routes.MapPost(Routes.Detect, detect.Handle);
        var page = PageOf(service);
        routes.MapGet(
            Routes.Page,
            context => Answers.Bytes(context, StatusCodes.Status200OK, "text/html; charset=utf-8", page)
        );
        routes.MapGet(Routes.Metrics, context => Metrics(context, service));
        routes.MapGet(Routes.Live, context => Answers.Text(context, StatusCodes.Status200OK, "live\n"));
        routes.MapGet(
            Routes.Ready,
            context =>
                service.IsReady
                    ? Answers.Text(context, StatusCodes.Status200OK, "ready\n")
                    : Answers.Text(context, StatusCodes.Status503ServiceUnavailable, "not ready\n")
        );
        var document = OpenApiDocument.Of(service, Version);
        routes.MapGet(Routes.OpenApi, context => Answers.Json(context, writer => document.WriteTo(writer)));
        return routes;
    }

    private static string Version =>
        typeof(ServingExtensions)
            .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
            .InformationalVersion;

    private static Task Metrics(HttpContext context, DetectionService service) =>
        context.Request.Query[QueryParameters.FormatName] == "json"
            ? Answers.Json(context, writer => MetricsWriter.WriteJson(writer, service))
            : Answers.Text(context, StatusCodes.Status200OK, MetricsWriter.ToText(service));

    private static byte[] PageOf(DetectionService service)
    {
        var (facts, options) = (service.Facts, service.Options);
        using var stream = new MemoryStream();
        new ServicePage(
            options.Name,
            [.. facts.Classes.Select((known, label) => (known.Name, options.Threshold ?? facts.Thresholds[label]))],
            facts.Steps,
            facts.Tolerance,
            options.MaxBodyBytes,
            options.MaxPixels
        ).Write(stream);
        return stream.ToArray();
    }
}
