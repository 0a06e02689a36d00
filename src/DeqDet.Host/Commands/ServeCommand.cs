using System.Net;
using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Reports;
using DeqDet.Reports.Pages;
using DeqDet.Serving;
using Microsoft.FSharp.Core;

namespace DeqDet.Host.Commands;

/// <summary>`serve`: a checkpoint as a service over HTTP, or a page that was exported, until it is asked to stop.</summary>
public static class ServeCommand
{
    /// <summary>Runs the command. When it is asked to stop, what waits is still answered.</summary>
    /// <returns>What a shell expects of an interrupted program.</returns>
    /// <exception cref="InputError">The checkpoint is missing or damaged, or the address or port cannot be had.</exception>
    public static int Run(ServeRequest request, TextWriter output)
    {
        // what is typed is looked at before the weights are read
        var address = AddressOf(request.Address);
        if (WebPage.IsIn(request.Checkpoint))
        {
            return RunPage(request, address, output);
        }

        var options = OptionsOf(request);
        var device = ComputeDevice.Choose(request.Device, request.Tf32);
        ComputeDevice.UseThreads(request.Threads?.Value);
        using var interruption = new Interruption();
        using var session = DetectCommand.Open(
            request.Checkpoint,
            request.Solver,
            request.Precision,
            request.Ema,
            device,
            output
        );
        Serve(session, options, address, request.Port, output, interruption.Token).GetAwaiter().GetResult();
        return interruption.ExitCode;
    }

    // The folder that an export for the web wrote: files alone, since its detector computes in the browser.
    private static int RunPage(ServeRequest request, IPAddress address, TextWriter output)
    {
        var plain = RequestParser.parse([
            "serve",
            request.Checkpoint,
            "--port",
            $"{request.Port}",
            "--address",
            request.Address,
        ]);
        if (!plain.Equals(Request.NewServe(request)))
        {
            throw new InputError(
                $"serve {request.Checkpoint}: is a page whose detector computes in the browser; with it go --port and --address alone"
            );
        }

        using var interruption = new Interruption();
        ServePage(request.Checkpoint, address, request.Port, output, interruption.Token).GetAwaiter().GetResult();
        return interruption.ExitCode;
    }

    private static async Task ServePage(
        string folder,
        IPAddress address,
        int port,
        TextWriter output,
        CancellationToken stop
    )
    {
        await using var server = await FolderServer.Start(folder, address, port);
        if (!IPAddress.IsLoopback(address))
        {
            output.WriteLine(
                "note: browsers give the camera, and several threads, to pages from https or from their own machine only"
            );
        }

        output.WriteLine($"{Human.Path(Path.GetFullPath(folder))} is served at {server.Address} (Ctrl-C ends it)");
        output.Flush();
        await Task.Delay(Timeout.Infinite, stop).ContinueWith(_ => { }, TaskScheduler.Default);
        await server.Stop();
    }

    private static async Task Serve(
        DetectorSession session,
        ServingOptions options,
        IPAddress address,
        int port,
        TextWriter output,
        CancellationToken stop
    )
    {
        await using var server = await DetectionServer.Start(new SessionPredictor(session), options, address, port);
        if (!IPAddress.IsLoopback(address))
        {
            output.WriteLine("note: everybody who reaches this machine can use the service; there are no passwords");
        }

        output.WriteLine($"{options.Name} is served at {server.Address} (Ctrl-C ends it)");
        output.Flush();
        await Task.Delay(Timeout.Infinite, stop).ContinueWith(_ => { }, TaskScheduler.Default);
        await server.Stop();
        output.Write(server.Metrics);
    }

    /// <summary>An address as it is typed: a number of IP, or localhost.</summary>
    /// <exception cref="InputError">It is none.</exception>
    public static IPAddress AddressOf(string typed) =>
        typed == "localhost" ? IPAddress.Loopback
        : IPAddress.TryParse(typed, out var address) ? address
        : throw new InputError(
            $"--address {typed}: must be an IP address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them; for example: --address 0.0.0.0"
        );

    /// <summary>What a service allows, with the changes of a command line.</summary>
    /// <exception cref="InputError">They do not go together.</exception>
    public static ServingOptions OptionsOf(ServeRequest request)
    {
        var usual = new ServingOptions();
        var options = usual with
        {
            Name = Human.Path(Path.GetFullPath(request.Checkpoint)),
            BatchSize = OptionModule.ToNullable(request.BatchSize),
            BatchWindow = request.BatchWindow is { Value: var window }
                ? TimeSpan.FromMilliseconds(window)
                : usual.BatchWindow,
            QueueLength = request.Queue?.Value ?? usual.QueueLength,
            Timeout = request.Timeout is { Value: var timeout } ? TimeSpan.FromSeconds(timeout) : usual.Timeout,
            MaxBodyBytes = request.MaxBody is { Value: var body } ? (long)body << 20 : usual.MaxBodyBytes,
            MaxPixels = request.MaxPixels is { Value: var pixels } ? (long)(pixels * 1e6) : usual.MaxPixels,
            MemoryBytes = request.Memory is { Value: var memory } ? (long)memory << 20 : usual.MemoryBytes,
            Threshold = OptionModule.ToNullable(request.Threshold),
        };
        var needed = options.MaxBodyBytes + 3 * options.MaxPixels;
        return options.MemoryBytes >= needed
            ? options
            : throw new InputError(
                $"--memory {options.MemoryBytes >> 20}: one picture of the largest size that is allowed takes {needed + (1 << 20) - 1 >> 20} MB; for example: --memory {needed + (1 << 20) - 1 >> 20}, or smaller --max-body and --max-pixels"
            );
    }
}
