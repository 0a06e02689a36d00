using System.Runtime.InteropServices;
using DeqDet.CommandLine;
using DeqDet.Communication.Launching;

namespace DeqDet.Host.Commands;

/// <summary>`launch`: starts this program several times by mpirun, and ends as it ends.</summary>
public static class LaunchCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="request">What was asked for.</param>
    /// <returns>0 when all processes have ended well, else the exit code of one that has not.</returns>
    /// <exception cref="InputError">There is no mpirun.</exception>
    public static int Run(LaunchRequest request)
    {
        var run = MpiRun.Find(request.MpiRun?.Value, Environment.GetEnvironmentVariable);
        var threads = request.Train.Threads?.Value ?? Math.Max(1, Environment.ProcessorCount / request.Processes);
        string[] command =
        [
            .. Program(),
            .. request.Command,
            .. request.Train.Threads is null ? new[] { "--threads", $"{threads}" } : [],
        ];
        var signalled = 0;
        Launch? launch = null;
        var registrations = new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }
            .Select(signal => PosixSignalRegistration.Create(signal, Forward))
            .ToArray();
        using (launch = Launch.Start(run, request.Processes, threads, command))
        {
            var code = launch.Wait();
            foreach (var registration in registrations)
            {
                registration.Dispose();
            }

            // they all got SIGTERM; the shell expects the number of what it sent
            return code == 128 + 15 && signalled != 0 ? signalled : code;
        }

        void Forward(PosixSignalContext context)
        {
            context.Cancel = true;
            signalled =
                128
                + context.Signal switch
                {
                    PosixSignal.SIGHUP => 1,
                    PosixSignal.SIGINT => 2,
                    _ => 15,
                };
            launch?.Terminate();
        }
    }

    // This program, as it was started itself: by a file of its own, or by `dotnet` with the assembly.
    private static string[] Program()
    {
        var path = Environment.ProcessPath!;
        return Path.GetFileNameWithoutExtension(path) == "dotnet"
            ? [path, Environment.GetCommandLineArgs()[0]]
            : [path];
    }
}
