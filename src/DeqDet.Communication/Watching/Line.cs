using System.Diagnostics;
using System.Net.Sockets;

namespace DeqDet.Communication.Watching;

/// <summary>A connection between two processes. Neither sending nor receiving ever waits. For one thread at a time.</summary>
internal sealed class Line : IDisposable
{
    private readonly List<byte> arrived = [];
    private readonly Queue<byte[]> outgoing = new();
    private int sentOfFirst;

    /// <summary>Takes a connected socket over.</summary>
    public Line(Socket socket)
    {
        Socket = socket;
        socket.Blocking = false;
        socket.NoDelay = true;
        Heard = Stopwatch.GetTimestamp();
    }

    public Socket Socket { get; }

    /// <summary>When the last bytes came.</summary>
    public long Heard { get; private set; }

    /// <summary>Whether nothing can come any more.</summary>
    public bool Closed { get; private set; }

    /// <summary>Whether everything has been handed to the system.</summary>
    public bool Flushed => outgoing.Count == 0 || Closed;

    /// <summary>Counts from now on, as if something had come.</summary>
    public void Forgive() => Heard = Stopwatch.GetTimestamp();

    /// <summary>Sends as far as possible, the rest with <see cref="Flush"/>.</summary>
    public void Send(Message message)
    {
        outgoing.Enqueue(message.ToBytes());
        Flush();
    }

    /// <summary>Sends what is left, as far as possible.</summary>
    public void Flush()
    {
        while (!Closed && outgoing.TryPeek(out var bytes))
        {
            try
            {
                sentOfFirst += Socket.Send(bytes.AsSpan(sentOfFirst), SocketFlags.None);
            }
            catch (SocketException error) when (error.SocketErrorCode is SocketError.WouldBlock)
            {
                return;
            }
            catch (SocketException)
            {
                // what the other one has sent before may still be read: Receive finds the end
                outgoing.Clear();
                sentOfFirst = 0;
                return;
            }

            if (sentOfFirst == bytes.Length)
            {
                outgoing.Dequeue();
                sentOfFirst = 0;
            }
        }
    }

    /// <summary>What has come, as far as it is whole.</summary>
    public List<Message> Receive()
    {
        var messages = new List<Message>();
        Span<byte> buffer = stackalloc byte[4096];
        try
        {
            while (!Closed)
            {
                var count = Socket.Receive(buffer, SocketFlags.None);
                Closed = count == 0;
                Heard = Stopwatch.GetTimestamp();
                arrived.AddRange(buffer[..count]);
                while (Message.Take(arrived) is { } message)
                {
                    messages.Add(message);
                }
            }
        }
        catch (SocketException error) when (error.SocketErrorCode is SocketError.WouldBlock)
        {
            // nothing more for now
        }
        catch (Exception error) when (error is SocketException or InvalidDataException)
        {
            Closed = true;
        }

        return messages;
    }

    /// <summary>Says that nothing more will be sent; what the other one sends can still be read.</summary>
    public void EndSending()
    {
        try
        {
            Socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            Closed = true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Socket.Dispose();
}
