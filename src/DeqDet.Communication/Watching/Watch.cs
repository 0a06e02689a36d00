using System.Diagnostics;
using System.Net.Sockets;

namespace DeqDet.Communication.Watching;

/// <summary>
/// The watch of the processes over each other: each has a connection to process 0, which passes on what it hears. A connection that closes
/// before its process has said that it is leaving means that the process is gone; so does silence, when a whole machine is.
/// </summary>
internal sealed class Watch : IDisposable
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(2);
    private const int TickMicroseconds = 100_000;

    private readonly Lock gate = new();
    private readonly int rank;
    private readonly Meeting.Person[] people;
    private readonly Dictionary<int, Line> lines;
    private readonly Action<ProcessLostException> lose;
    private readonly Dictionary<int, long> leaving = [];
    private readonly Thread thread;
    private long started;
    private bool lost;
    private bool ending;

    private Watch(int rank, Meeting.Person[] people, Dictionary<int, Line> lines, Action<ProcessLostException> lose)
    {
        this.rank = rank;
        this.people = people;
        this.lines = lines;
        this.lose = lose;
        thread = new Thread(Run) { Name = "watch", IsBackground = true };
        thread.Start();
    }

    /// <summary>Connects the processes; all of them have to call this together.</summary>
    /// <param name="communicator">What the addresses go through.</param>
    /// <param name="notice">Called in process 0 when some cannot be connected: those are not watched.</param>
    /// <param name="lose">Called once, when a process has failed or is gone. From another thread.</param>
    public static Watch Connect(ICommunicator communicator, Action<string> notice, Action<ProcessLostException> lose)
    {
        var rank = communicator.Rank;
        using var listener = rank == 0 ? Meeting.Listen() : null;
        var people = communicator.Gather(Meeting.Myself(listener).ToBytes()).Select(Meeting.Person.Of).ToArray();
        var lines = new Dictionary<int, Line>();
        if (rank > 0 && Meeting.Reach(people[0], rank) is { } line)
        {
            lines.Add(0, line);
        }

        // process 0 answers while it waits for what the others say of their attempts
        var all = false;
        var accepting = listener is null
            ? null
            : Task.Factory.StartNew(
                () => Meeting.Accept(listener, people[0].Token, people.Length, () => Volatile.Read(ref all)),
                TaskCreationOptions.LongRunning
            );
        var connected = communicator.Gather([(byte)lines.Count]);
        Volatile.Write(ref all, true);
        if (accepting is not null)
        {
            lines = accepting.Result;
            foreach (var gaveUp in lines.Keys.Where(other => connected[other][0] == 0).ToArray())
            {
                lines.Remove(gaveUp, out var unheard);
                unheard!.Dispose();
            }
        }

        var without = Enumerable.Range(1, people.Length - 1).Where(other => connected[other][0] == 0).ToArray();
        if (rank == 0 && without.Length > 0)
        {
            notice(
                $"{Counted.Of(without.Length, "process", "processes")} cannot be connected to process 0 on {people[0].Machine} (first of them: process "
                    + $"{without[0]} on {people[without[0]].Machine}); is there a firewall between them? When one of them dies, only the "
                    + "launcher can end the others"
            );
        }

        return new Watch(rank, people, lines, lose);
    }

    /// <summary>This process begins its exchange of that number, counted from 1: one who has left before will not take part.</summary>
    public void Started(long number)
    {
        lock (gate)
        {
            started = number;
            CheckLeaving();
        }
    }

    /// <summary>Tells the others that this process is about to end in an orderly way.</summary>
    /// <param name="exchanges">How many exchanges it has taken part in.</param>
    public void Leave(long exchanges)
    {
        lock (gate)
        {
            leaving[rank] = exchanges;
            SendAll(new Message(MessageKind.Leaving, rank, exchanges, ""), except: rank);
        }
    }

    /// <summary>Tells the others that this process fails, and waits a little until that is on its way.</summary>
    public void Fail(int exitCode, string message)
    {
        lock (gate)
        {
            lost = true;
            SendAll(new Message(MessageKind.Failed, rank, exitCode, $"failed: {message}"), except: rank);
        }

        var start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < FlushLimit)
        {
            lock (gate)
            {
                if (lines.Values.All(line => line.Flushed))
                {
                    return;
                }
            }

            Thread.Sleep(10);
        }
    }

    /// <summary>Closes the connections, when the others have closed theirs or do not do so for long.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            ending = true;
            foreach (var line in lines.Values)
            {
                line.Flush();
                line.EndSending();
            }
        }

        thread.Join(FlushLimit + FlushLimit);
    }

    private void Run()
    {
        var beaten = Stopwatch.GetTimestamp();
        var before = beaten;
        var endsAt = long.MaxValue;
        while (true)
        {
            var open = Open();
            if (open.Count == 0)
            {
                Thread.Sleep(TickMicroseconds / 1000);
            }
            else
            {
                var read = open.Select(line => line.Socket).ToList();
                Socket.Select(read, null, null, TickMicroseconds);
            }

            lock (gate)
            {
                var now = Stopwatch.GetTimestamp();
                // this process has stood still itself, and with it perhaps the machine
                if (Stopwatch.GetElapsedTime(before, now) > Heartbeat)
                {
                    open.ForEach(line => line.Forgive());
                }

                before = now;
                if (ending && endsAt == long.MaxValue)
                {
                    endsAt = now + (long)(FlushLimit.TotalSeconds * Stopwatch.Frequency);
                }

                var beat = Stopwatch.GetElapsedTime(beaten, now) > Heartbeat;
                beaten = beat ? now : beaten;
                foreach (var (other, line) in lines)
                {
                    Serve(other, line, beat);
                }

                if (ending && (now > endsAt || lines.Values.All(line => line.Closed)))
                {
                    foreach (var line in lines.Values)
                    {
                        line.Dispose();
                    }

                    return;
                }
            }
        }
    }

    private List<Line> Open()
    {
        lock (gate)
        {
            return lines.Values.Where(line => !line.Closed).ToList();
        }
    }

    private void Serve(int other, Line line, bool beat)
    {
        if (line.Closed)
        {
            return;
        }

        foreach (var message in line.Receive())
        {
            Understand(message, other);
        }

        if (beat && !ending)
        {
            line.Send(new Message(MessageKind.Alive, rank, 0, ""));
        }

        line.Flush();
        if (leaving.ContainsKey(other))
        {
            return;
        }

        if (line.Closed)
        {
            Lost(other, 1, "is gone: it has been killed or has crashed, or its connection has broken");
        }
        else if (Stopwatch.GetElapsedTime(line.Heard) > Silence)
        {
            Lost(
                other,
                1,
                $"has not been heard of for {Silence.TotalSeconds:0} s: its machine or the network is gone, or it stands still"
            );
        }
    }

    private void Understand(Message message, int from)
    {
        // only process 0 tells of others
        if (message.Rank < 0 || message.Rank >= people.Length || (rank == 0 && message.Rank != from))
        {
            return;
        }

        switch (message.Kind)
        {
            case MessageKind.Failed:
                Lost(message.Rank, (int)message.Number, message.Text);
                break;
            case MessageKind.Leaving:
                leaving[message.Rank] = message.Number;
                Relay(message);
                CheckLeaving();
                break;
        }
    }

    private void CheckLeaving()
    {
        foreach (var (other, exchanges) in leaving)
        {
            if (other != rank && exchanges < started)
            {
                Lost(other, 1, "has ended before the others");
                return;
            }
        }
    }

    private void Lost(int other, int exitCode, string reason)
    {
        if (lost)
        {
            return;
        }

        lost = true;
        Relay(new Message(MessageKind.Failed, other, exitCode, reason));
        lose(new ProcessLostException(exitCode, Sentence(other, reason)));
    }

    private string Sentence(int other, string reason)
    {
        var person = people[other];
        return $"process {other} of {people.Length} (PID {person.Id} on {person.Machine}) {reason}";
    }

    private void Relay(Message message)
    {
        if (rank == 0)
        {
            SendAll(message, except: message.Rank);
        }
    }

    private void SendAll(Message message, int except)
    {
        foreach (var (other, line) in lines)
        {
            if (other != except)
            {
                line.Send(message);
            }
        }
    }
}
