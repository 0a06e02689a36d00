namespace DeqDet.Communication;

/// <summary>What started this process together with others.</summary>
internal enum LauncherKind
{
    /// <summary>mpirun of Open MPI (prterun, jsrun).</summary>
    OpenMpi,

    /// <summary>hydra: mpiexec of MPICH, Intel MPI, MVAPICH.</summary>
    Hydra,

    /// <summary>srun with PMIx, which Open MPI speaks, and MPICH where it was built so.</summary>
    SlurmPmix,

    /// <summary>srun with PMI 1 or 2, which MPICH speaks, and Open MPI 4 where it was built so.</summary>
    SlurmPmi,

    /// <summary>srun without anything by which an MPI library could find the other processes.</summary>
    SlurmPlain,
}

/// <summary>A launcher as its environment variables tell of it.</summary>
/// <param name="Kind">Which one.</param>
/// <param name="Name">For messages.</param>
/// <param name="Size">How many processes it says it has started.</param>
internal sealed record Launcher(LauncherKind Kind, string Name, int Size)
{
    /// <summary>The launcher of this process; null where it was started by itself.</summary>
    /// <param name="variable">An environment variable, null if it is not set.</param>
    /// <remarks>
    /// mpirun may run inside of srun, so its variables are looked at first. Of SLURM's only SLURM_STEP_NUM_TASKS says that srun started this
    /// process: SLURM_NTASKS and SLURM_PROCID are also there in the script of sbatch and in the shell of salloc, where a program
    /// runs once, by itself.
    /// </remarks>
    public static Launcher? Recognise(Func<string, string?> variable)
    {
        if (Number(variable("OMPI_COMM_WORLD_SIZE")) is { } openMpi)
        {
            return new Launcher(LauncherKind.OpenMpi, "Open MPI's mpirun", openMpi);
        }

        var tasks = Number(variable("SLURM_STEP_NUM_TASKS"));
        if (Number(variable("PMI_SIZE")) is { } hydra && variable("PMI_RANK") is not null)
        {
            return tasks == hydra
                ? new Launcher(LauncherKind.SlurmPmi, "srun", hydra)
                : new Launcher(LauncherKind.Hydra, "mpiexec (hydra)", hydra);
        }

        if (tasks is not { } size)
        {
            return null;
        }

        var kind =
            variable("PMIX_RANK") is not null ? LauncherKind.SlurmPmix
            : variable("PMI_FD") is not null ? LauncherKind.SlurmPmi
            : LauncherKind.SlurmPlain;
        return new Launcher(kind, "srun", size);
    }

    private static int? Number(string? text) => int.TryParse(text, out var number) && number > 0 ? number : null;
}
