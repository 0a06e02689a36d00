namespace DeqDet.Communication;

/// <summary>Where a program gets its communicator.</summary>
public static class Communicators
{
    /// <summary>The group of processes that this one was started in; a group of one when it was started by itself.</summary>
    /// <param name="notice">Called with what a person should know although it stops nothing, a sentence each.</param>
    public static ICommunicator Open(Action<string> notice)
    {
        ArgumentNullException.ThrowIfNull(notice);
        return new Alone();
    }
}
