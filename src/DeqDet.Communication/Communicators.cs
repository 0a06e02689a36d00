using DeqDet.Communication.Mpi;

namespace DeqDet.Communication;

/// <summary>Where a program gets its communicator.</summary>
public static class Communicators
{
    /// <summary>
    /// The group of processes that this one was started in by mpirun, mpiexec or srun, over MPI; a group of one when it was started by itself
    /// or alone, for which no MPI library is needed or loaded.
    /// </summary>
    /// <param name="notice">Called with what a person should know although it stops nothing, a sentence each.</param>
    /// <exception cref="InputError">The launcher has started several processes, and MPI is missing, another's, or does not bring them together.</exception>
    /// <exception cref="ProcessLostException">Another process is gone before all were there.</exception>
    public static ICommunicator Open(Action<string> notice)
    {
        ArgumentNullException.ThrowIfNull(notice);
        var launcher = Launcher.Recognise(Environment.GetEnvironmentVariable);
        return launcher is null or { Size: 1 }
            ? new Alone()
            : MpiCommunicator.Open(
                launcher,
                MpiLibrary.Open(launcher, Environment.GetEnvironmentVariable(MpiLibrary.Variable)),
                notice
            );
    }
}
