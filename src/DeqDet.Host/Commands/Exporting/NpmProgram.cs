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

    // Where Windows looks for programs it takes those with .exe only.
    private static string Program => OperatingSystem.IsWindows() ? "npm.cmd" : "npm";

    /// <summary>Fetches a package into a folder; the file's path.</summary>
    /// <exception cref="InputError">There is no npm, or it does not get the package; the message says why, not what else to do.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static string Pack(string package, string version, string folder, CancellationToken cancellation)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ended.CancelAfter(longest);
        using var npm = Start([
            "pack",
            $"{package}@{version}",
            "--pack-destination",
            folder,
            "--loglevel=error",
            .. Retries,
        ]);
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

        return npm.ExitCode == 0 && Directory.GetFiles(folder, "*.tgz") is [var file]
            ? file
            : throw new InputError($"`npm pack {package}@{version}` says{FirstLines(errors.Result + output.Result)}");
    }

    private static Process Start(IEnumerable<string> arguments)
    {
        try
        {
            return Process.Start(
                new ProcessStartInfo(Program, arguments)
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
