using System.Runtime.InteropServices;

namespace DeqDet.Communication;

/// <summary>
/// What the framework has no call for. MPI libraries and what they load (UCX) put signal handlers of their own in the place of others, for
/// stack traces after a crash; but the runtime makes a NullReferenceException of a SIGSEGV, and with another's handler the process would
/// die instead. So the runtime's handlers are put back.
/// </summary>
internal static unsafe partial class SystemCalls
{
    // larger than struct sigaction is anywhere
    private const int ActionSize = 512;

    // SIGILL, SIGABRT, SIGFPE, SIGSEGV have the same numbers everywhere; SIGBUS has not
    private static readonly int[] Numbers = [4, 6, 8, 11, OperatingSystem.IsMacOS() ? 10 : 7];

    /// <summary>Calls a function, and puts the signal handlers back that were there before.</summary>
    public static T KeepingSignals<T>(Func<T> function)
    {
        var before = stackalloc byte[Numbers.Length * ActionSize];
        for (var i = 0; i < Numbers.Length; i++)
        {
            _ = SetAction(Numbers[i], null, before + (i * ActionSize));
        }

        try
        {
            return function();
        }
        finally
        {
            PutBack(before);
        }
    }

    /// <summary>Sleeps; a Thread.Sleep of less than a millisecond would not.</summary>
    public static void SleepMicroseconds(uint microseconds) => _ = Sleep(microseconds);

    private static void PutBack(byte* before)
    {
        for (var i = 0; i < Numbers.Length; i++)
        {
            _ = SetAction(Numbers[i], before + (i * ActionSize), null);
        }
    }

    /// <summary>Sends SIGTERM to a process; nothing if it is gone.</summary>
    public static void Terminate(int process) => _ = Kill(process, 15);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    /// <summary>Whether this process is that of the system's administrator.</summary>
    public static bool IsRoot => UserId() == 0;

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint UserId();

    [LibraryImport("libc", EntryPoint = "sigaction")]
    private static partial int SetAction(int signal, byte* action, byte* before);

    [LibraryImport("libc", EntryPoint = "usleep")]
    private static partial int Sleep(uint microseconds);
}
