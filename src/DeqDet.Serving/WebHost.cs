using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DeqDet.Serving;

/// <summary>A web server at one address, of which nothing but the arguments says what it does: no environment, no file, no signals.</summary>
internal static class WebHost
{
    /// <summary>To build one with.</summary>
    public static WebApplicationBuilder Builder(IPEndPoint place, Action<KestrelServerOptions> configure)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(place, listen => listen.Protocols = HttpProtocols.Http1);
            configure(kestrel);
        });
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder
            .Logging.SetMinimumLevel(LogLevel.Warning)
            // that it cannot start is raised
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddSimpleConsole(console => console.SingleLine = true)
            .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        return builder;
    }

    /// <summary>Starts one; the address at which it answers when this comes back. It is disposed of where it cannot start.</summary>
    /// <exception cref="InputError">The address is not this machine's, or the port is in use or not to be had.</exception>
    public static async Task<Uri> Start(WebApplication app, IPEndPoint place)
    {
        try
        {
            await app.StartAsync();
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            await app.DisposeAsync();
            throw new InputError($"{place}: {Reason(error)}", error);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }

        var places = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
        return new(places.Addresses.Single());
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
