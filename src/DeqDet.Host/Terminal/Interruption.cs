using System.Runtime.InteropServices;

namespace DeqDet.Host.Terminal;

/// <summary>
/// Turns Ctrl-C, SIGTERM and SIGHUP into a request to stop after the step in progress. A second one ends the program at once.
/// </summary>
public sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;

    /// <summary>Starts to listen.</summary>
    public Interruption() =>
        registrations = [
            .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal =>
                PosixSignalRegistration.Create(signal, Handle)
            ),
        ];

    /// <summary>Cancelled when the program is asked to stop.</summary>
    public CancellationToken Token => source.Token;

    /// <summary>The exit code shells expect of a program that a signal ended: 128 + its number; 0 while none came.</summary>
    public int ExitCode { get; private set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in registrations)
        {
            registration.Dispose();
        }

        source.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        if (source.IsCancellationRequested)
        {
            return;
        }

        context.Cancel = true;
        ExitCode =
            128
            + context.Signal switch
            {
                PosixSignal.SIGHUP => 1,
                PosixSignal.SIGINT => 2,
                _ => 15,
            };
        source.Cancel();
    }
}
