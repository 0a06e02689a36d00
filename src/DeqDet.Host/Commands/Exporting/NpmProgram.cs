using System.ComponentModel;
using System.Diagnostics;

namespace DeqDet.Host.Commands.Exporting;

/// <summary>The `npm` of this machine, with the registry, mirrors and credentials that it is set up with.</summary>
public static class NpmProgram
{
    private const int LinesShown = 8;

    // where there is no network npm would wait for a minute
    private static readonly string[] Retries = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000"];

    private static readonly TimeSpan longest = TimeSpan.FromMinutes(20);

    /// <summary>What it is called: Windows looks by itself for programs with .exe only.</summary>
    public static string Name => OperatingSystem.IsWindows() ? "npm.cmd" : "npm";

    /// <summary>Fetches a package into a folder; the file's path.</summary>
    /// <param name="program">The program, <see cref="Name"/> but in tests.</param>
    /// <param name="package">The package.</param>
    /// <param name="version">Its version.</param>
    /// <param name="folder">An empty folder.</param>
    /// <param name="cancellation">Ends the program.</param>
    /// <exception cref="InputError">There is no npm, or it does not get the package; the message says why, not what else to do.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static string Pack(
        string program,
        string package,
        string version,
        string folder,
        CancellationToken cancellation
    )
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ended.CancelAfter(longest);
        using var npm = Start(
            program,
            ["pack", $"{package}@{version}", "--pack-destination", folder, "--loglevel=error", .. Retries]
        );
        npm.StandardInput.Close();
        var (output, errors) = (
            npm.StandardOutput.ReadToEndAsync(ended.Token),
            npm.StandardError.ReadToEndAsync(ended.Token)
        );
        try
        {
            npm.WaitForExitAsync(ended.Token).GetAwaiter().GetResult();
            Task.WaitAll(output, errors);
        }
        catch (Exception error)
            when (ended.IsCancellationRequested && error is AggregateException or OperationCanceledException)
        {
            npm.Kill(entireProcessTree: true);
            cancellation.ThrowIfCancellationRequested();
            throw new InputError($"`npm pack` was not done after {longest.TotalMinutes} minutes", error);
        }

        // Ctrl-C in a terminal ends npm as well
        cancellation.ThrowIfCancellationRequested();
        return npm.ExitCode == 0 && Directory.GetFiles(folder, "*.tgz") is [var file]
            ? file
            : throw new InputError($"`npm pack {package}@{version}` says{FirstLines(errors.Result + output.Result)}");
    }

    private static Process Start(string program, IEnumerable<string> arguments)
    {
        try
        {
            return Process.Start(
                new ProcessStartInfo(program, arguments)
                {
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                }
            )!;
        }
        catch (Win32Exception error)
        {
            throw new InputError("there is no `npm` on this machine (it comes with Node.js)", error);
        }
    }

    private static string FirstLines(string text) =>
        string.Concat(
            text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Take(LinesShown)
                .Select(line => $"\n  {line}")
        );
}
