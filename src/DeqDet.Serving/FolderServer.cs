using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Extensions.FileProviders;

namespace DeqDet.Serving;

/// <summary>
/// The files of a page's folder over HTTP, with the types that browsers want of scripts and WebAssembly, and the two headers with which
/// they let a page compute with several threads.
/// </summary>
public sealed class FolderServer : IAsyncDisposable
{
    private static readonly Dictionary<string, string> types = new(StringComparer.OrdinalIgnoreCase)
    {
        [".html"] = "text/html; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".mjs"] = "text/javascript; charset=utf-8",
        [".json"] = "application/json",
        [".txt"] = "text/plain; charset=utf-8",
        [".png"] = "image/png",
        [".wasm"] = "application/wasm",
        [".onnx"] = "application/octet-stream",
    };

    private readonly WebApplication app;

    private FolderServer(WebApplication app, Uri address) => (this.app, Address) = (app, address);

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>Starts one; it answers when this comes back. Files of other types than a page's are not given out.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="address">Where to listen.</param>
    /// <param name="port">The port; 0: any free one.</param>
    /// <exception cref="InputError">The address is not this machine's, or the port is in use or not to be had.</exception>
    public static async Task<FolderServer> Start(string folder, IPAddress address, int port)
    {
        var place = new IPEndPoint(address, port);
        var app = WebHost.Builder(place, _ => { }).Build();
        var files = new PhysicalFileProvider(Path.GetFullPath(folder));
        app.UseDefaultFiles(new DefaultFilesOptions { FileProvider = files });
        app.UseStaticFiles(
            new StaticFileOptions
            {
                FileProvider = files,
                ContentTypeProvider = new FileExtensionContentTypeProvider(types),
                OnPrepareResponse = context =>
                {
                    var headers = context.Context.Response.Headers;
                    headers["Cross-Origin-Opener-Policy"] = "same-origin";
                    headers["Cross-Origin-Embedder-Policy"] = "require-corp";
                    headers.XContentTypeOptions = "nosniff";
                    // a page that was exported again is another one
                    headers.CacheControl = "no-cache";
                },
            }
        );
        return new(app, await WebHost.Start(app, place));
    }

    /// <summary>Takes no more, and ends.</summary>
    public Task Stop() => app.StopAsync();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => app.DisposeAsync();
}
