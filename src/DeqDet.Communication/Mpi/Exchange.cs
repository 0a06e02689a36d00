using static DeqDet.Communication.Mpi.MpiFunctions;

namespace DeqDet.Communication.Mpi;

/// <summary>A collective call under way: begun and tested on MPI's thread, waited for by the caller.</summary>
/// <param name="thread">MPI's thread.</param>
/// <param name="begin">Makes the calls and gives their requests; runs on MPI's thread.</param>
/// <param name="succeeded">Called when all is there; runs on MPI's thread.</param>
internal sealed class Exchange(MpiThread thread, Action<List<nint>> begin, Action succeeded) : IPending
{
    private readonly List<nint> requests = [];
    private readonly ManualResetEventSlim ended = new(false, 0);
    private volatile ProcessLostException? lost;
    private int done;

    /// <summary>Makes the calls. On MPI's thread.</summary>
    public void Begin() => begin(requests);

    /// <summary>Lets MPI make progress; true when all is there. On MPI's thread.</summary>
    public bool Test(nint ignoreStatus)
    {
        while (done < requests.Count)
        {
            var request = requests[done];
            MpiThread.Check(MPI_Test(ref request, out var complete, ignoreStatus));
            requests[done] = request;
            if (complete == 0)
            {
                return false;
            }

            done++;
        }

        return true;
    }

    /// <summary>Ends the exchange: everything is there.</summary>
    public void Succeed()
    {
        succeeded();
        ended.Set();
    }

    /// <summary>Ends the exchange: a process is lost.</summary>
    public void Lose(ProcessLostException error)
    {
        lost = error;
        ended.Set();
    }

    /// <inheritdoc/>
    public void Wait()
    {
        // MPI's thread ends exchanges when a process is lost; it cannot if it is stuck inside of the library
        while (!ended.Wait(MpiThread.Patience))
        {
            thread.ThrowIfStuck();
        }

        if (lost is { } error)
        {
            throw new ProcessLostException(error.ExitCode, error.Message);
        }
    }
}
