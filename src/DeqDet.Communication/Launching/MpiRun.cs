using System.ComponentModel;
using System.Diagnostics;

namespace DeqDet.Communication.Launching;

/// <summary>The program by which an MPI installation starts processes.</summary>
/// <param name="Path">Its file.</param>
/// <param name="IsHydra">Whether it is hydra, as MPICH and Intel MPI have it; else Open MPI's.</param>
public sealed record MpiRun(string Path, bool IsHydra)
{
    private static readonly string[] Names = ["mpirun", "mpiexec", "mpiexec.hydra"];
    private static readonly TimeSpan VersionLimit = TimeSpan.FromSeconds(10);

    /// <summary>Finds it: the named one, or one beside the library that DEQDET_MPI names, or one on the PATH.</summary>
    /// <param name="named">A file; null where none is named.</param>
    /// <param name="variable">An environment variable, null if it is not set.</param>
    /// <exception cref="InputError">There is none, or the named one is none, or DEQDET_MPI names something else than an MPI library.</exception>
    public static MpiRun Find(string? named, Func<string, string?> variable)
    {
        Mpi.MpiLibrary.Check(variable(Mpi.MpiLibrary.Variable));
        if (named is not null)
        {
            return Recognise(named)
                ?? throw new InputError(
                    $"--mpirun {named}: neither Open MPI's mpirun nor mpiexec of MPICH or Intel MPI; name the file of one of these"
                );
        }

        return Places(variable)
                .Select(Real)
                .SelectMany(folder => Names.Select(name => System.IO.Path.Combine(folder, name)))
                .Where(File.Exists)
                .Select(Recognise)
                .FirstOrDefault(found => found is not null)
            ?? throw new InputError(
                "launch: there is no mpirun or mpiexec on the PATH: install an MPI (Debian and Ubuntu: apt install openmpi-bin "
                    + "libopenmpi-dev; on a cluster often: module load openmpi), or name its mpirun with --mpirun FILE"
            );
    }

    /// <summary>The arguments that start a command so many times on this machine.</summary>
    /// <param name="processes">How many.</param>
    /// <param name="root">Whether the administrator does so, which Open MPI refuses unless told.</param>
    /// <param name="command">A program with its arguments.</param>
    public IEnumerable<string> Arguments(int processes, bool root, IEnumerable<string> command)
    {
        // hydra would end the others at once, before they have saved: they end by themselves
        string[] options = IsHydra
            ? ["-disable-auto-cleanup"]
            :
            [
                // a process has several threads, which shall not share one core
                "--bind-to",
                "none",
                // what it says of processes that ended badly, they have said better
                "--quiet",
                "--map-by",
                "slot:OVERSUBSCRIBE",
                .. root ? new[] { "--allow-run-as-root" } : [],
            ];
        return ["-n", $"{processes}", .. options, .. command];
    }

    /// <summary>The MPI library of the installation that this program belongs to; null if the system's loader is to find it.</summary>
    public string? Library()
    {
        var prefix = System.IO.Path.GetDirectoryName(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path)));
        var kind = IsHydra ? LauncherKind.Hydra : LauncherKind.OpenMpi;
        return prefix is null
            ? null
            : Mpi
                .MpiLibrary.Candidates(kind)
                .SelectMany(name =>
                    new[] { "lib", "lib64" }.Select(folder => System.IO.Path.Combine(prefix, folder, name))
                )
                .FirstOrDefault(File.Exists);
    }

    private static IEnumerable<string> Places(Func<string, string?> variable)
    {
        if (
            variable(Mpi.MpiLibrary.Variable) is { } library
            && System.IO.Path.GetDirectoryName(library) is { Length: > 0 } folder
        )
        {
            // lib or lib64, and one deeper where a system has a folder for each architecture
            yield return System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, "..", "bin"));
            yield return System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, "..", "..", "bin"));
        }

        foreach (var place in (variable("PATH") ?? "").Split(System.IO.Path.PathSeparator))
        {
            if (place.Length > 0)
            {
                yield return place;
            }
        }
    }

    // Open MPI takes the folder above its own for its installation, and refuses the root, where /bin is a link to /usr/bin.
    private static string Real(string folder) =>
        Directory.Exists(folder)
            ? new DirectoryInfo(folder).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? folder
            : folder;

    // By what it says of its version; null if it is something else, or nothing that runs.
    private static MpiRun? Recognise(string path)
    {
        try
        {
            using var process = Process.Start(
                new ProcessStartInfo(path, ["--version"])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                    RedirectStandardInput = true,
                }
            )!;
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync();
            var errors = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(VersionLimit))
            {
                process.Kill(true);
                return null;
            }

            var text = output.Result + errors.Result;
            return Says(text, "Open MPI", "OpenRTE", "PRRTE", "prterun") ? new MpiRun(path, false)
                : Says(text, "HYDRA", "Intel(R) MPI") ? new MpiRun(path, true)
                : null;
        }
        catch (Exception error) when (error is Win32Exception or InvalidOperationException)
        {
            return null;
        }
    }

    private static bool Says(string text, params string[] words) =>
        words.Any(word => text.Contains(word, StringComparison.OrdinalIgnoreCase));
}
