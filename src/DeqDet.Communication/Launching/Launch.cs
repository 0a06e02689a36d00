using System.Diagnostics;
using System.Globalization;

namespace DeqDet.Communication.Launching;

/// <summary>
/// Processes started by mpirun on this machine. Each runs below a shell that notes its number and its exit code in a folder: launchers
/// do not pass every exit code on, and wait for processes that have ended already. Signals go to the processes themselves, since launchers
/// answer them by ending everything. Errors that they print go through the folder, too: Open MPI passes nothing on once a process has died.
/// </summary>
public sealed class Launch : IDisposable
{
    // `wait` also returns when a signal comes: those are for the process, which gets them by itself
    private const string Script =
        "trap : TERM INT HUP USR1; r=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}; \"$@\" 2>\"$0/$r.err\" & p=$!; echo $p >\"$0/$r.pid\"; "
        + "while :; do wait $p; c=$?; kill -0 $p 2>/dev/null || break; done; echo $c >\"$0/$r.code\"; exit $c";

    // How long a process may take to save when another one has died, s; launchers would end it before.
    private const int SaveLimit = 60;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    private readonly Process process;
    private readonly string folder;
    private readonly int processes;
    private readonly int[] sent;
    private readonly LastingText[] errors;
    private int asked;

    private Launch(Process process, string folder, int processes, Action<string>? line)
    {
        this.process = process;
        this.folder = folder;
        this.processes = processes;
        sent = new int[processes];
        var print = line ?? Console.Error.WriteLine;
        errors =
        [
            .. Enumerable
                .Range(0, processes)
                .Select(rank => new LastingText(Path.Combine(folder, $"{rank}.err"), print)),
        ];
    }

    /// <summary>Starts a command several times.</summary>
    /// <param name="run">The launcher.</param>
    /// <param name="processes">How many times.</param>
    /// <param name="threads">Threads for OpenMP in each process.</param>
    /// <param name="command">A program with its arguments.</param>
    /// <param name="line">Called with each line of what they print, from other threads; null where it goes to this process's own output.</param>
    public static Launch Start(
        MpiRun run,
        int processes,
        int threads,
        IEnumerable<string> command,
        Action<string>? line = null
    )
    {
        var folder = Directory.CreateTempSubdirectory("deqdet-launch-").FullName;
        var arguments = run.Arguments(processes, SystemCalls.IsRoot, ["sh", "-c", Script, folder, .. command]);
        // a session of its own: Ctrl-C shall not end mpirun, and with it the processes before they have saved
        var session = FindOnPath("setsid");
        var start = new ProcessStartInfo(session ?? run.Path, session is null ? arguments : [run.Path, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = line is not null,
            RedirectStandardError = line is not null,
        };
        start.Environment["OMP_NUM_THREADS"] = $"{threads}";
        start.Environment["OMPI_MCA_odls_base_sigkill_timeout"] = $"{SaveLimit}"; // Open MPI 4
        start.Environment["PRTE_MCA_odls_base_sigkill_timeout"] = $"{SaveLimit}"; // Open MPI 5
        if (!start.Environment.ContainsKey(Mpi.MpiLibrary.Variable) && run.Library() is { } library)
        {
            start.Environment[Mpi.MpiLibrary.Variable] = library;
        }

        var process = new Process { StartInfo = start };
        if (line is not null)
        {
            process.OutputDataReceived += (_, data) => Pass(data.Data, line);
            process.ErrorDataReceived += (_, data) => Pass(data.Data, line);
        }

        process.Start();
        process.StandardInput.Close();
        if (line is not null)
        {
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        return new Launch(process, folder, processes, line);
    }

    /// <summary>
    /// Asks all processes to stop, by SIGTERM, those too that are still about to start. The second time they end at once, as far as they
    /// listen to it.
    /// </summary>
    public void Terminate()
    {
        lock (sent)
        {
            asked++;
        }

        Deliver();
    }

    /// <summary>Waits for the end.</summary>
    /// <returns>0 when all have ended well; else the exit code that a process gave, one that was not killed if there is one.</returns>
    public int Wait()
    {
        var all = long.MaxValue;
        while (!process.WaitForExit(Tick))
        {
            Deliver();
            PassErrors();
            var now = Stopwatch.GetTimestamp();
            if (all == long.MaxValue && Read("code").Count == processes)
            {
                all = now;
            }

            // Open MPI 4 sleeps through its whole time limit although everybody has ended
            if (all != long.MaxValue && Stopwatch.GetElapsedTime(all, now) > Grace)
            {
                process.Kill(true);
                process.WaitForExit();
                break;
            }
        }

        foreach (var text in errors)
        {
            text.Finish();
        }

        var codes = Read("code").Values.Where(code => code != 0).ToArray();
        return codes.Length == 0 ? process.ExitCode
            : codes.Any(code => code < 128) ? codes.First(code => code < 128)
            : codes[0];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill(true);
        }

        process.Dispose();
        Directory.Delete(folder, true);
    }

    private void Deliver()
    {
        lock (sent)
        {
            var ended = Read("code");
            foreach (var (rank, id) in Read("pid").Where(entry => !ended.ContainsKey(entry.Key)))
            {
                for (; sent[rank] < asked; sent[rank]++)
                {
                    SystemCalls.Terminate(id);
                }
            }
        }
    }

    private void PassErrors()
    {
        foreach (var text in errors)
        {
            text.Pass();
        }
    }

    private Dictionary<int, int> Read(string what)
    {
        var found = new Dictionary<int, int>();
        for (var rank = 0; rank < processes; rank++)
        {
            var file = Path.Combine(folder, $"{rank}.{what}");
            // an empty file is being written
            if (File.Exists(file) && int.TryParse(File.ReadAllText(file), CultureInfo.InvariantCulture, out var number))
            {
                found.Add(rank, number);
            }
        }

        return found;
    }

    private static void Pass(string? text, Action<string> line)
    {
        if (text is not null)
        {
            line(text);
        }
    }

    private static string? FindOnPath(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);
}
