namespace DeqDet.Host;

/// <summary>
/// How the program ends: 0 done, 1 a failure of the program or the machine, 2 wrong usage or wrong input, 128 + the signal's number when
/// it was interrupted.
/// </summary>
public static class ExitCode
{
    /// <summary>A failure of the program or the machine.</summary>
    public const int Failed = 1;

    /// <summary>Wrong usage or wrong input.</summary>
    public const int WrongInput = 2;

    /// <summary>128 + SIGINT, as shells have it.</summary>
    public const int Interrupted = 130;

    /// <summary>The exit code after an error.</summary>
    public static int Of(Exception error) =>
        error switch
        {
            InputError => WrongInput,
            OperationCanceledException => Interrupted,
            _ => Failed,
        };
}
