using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace DeqDet.Communication.Watching;

/// <summary>How the processes find process 0: what it tells about itself through MPI, and the first words on a connection.</summary>
internal static class Meeting
{
    // an address that leads nowhere must not use up the time of the next one
    private static readonly TimeSpan AddressLimit = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(12);

    /// <summary>A process, for messages.</summary>
    /// <param name="Machine">The name of its machine.</param>
    /// <param name="Id">Its number there.</param>
    /// <param name="Port">Where process 0 listens; 0 for the others, or if it cannot.</param>
    /// <param name="Token">What a connection has to show.</param>
    /// <param name="Addresses">Where process 0 may be reached.</param>
    public sealed record Person(string Machine, int Id, int Port, string Token, string[] Addresses)
    {
        /// <summary>For <see cref="ICommunicator.Gather"/>.</summary>
        public byte[] ToBytes()
        {
            using var memory = new MemoryStream();
            using var writer = new BinaryWriter(memory, Encoding.UTF8);
            writer.Write(Machine);
            writer.Write(Id);
            writer.Write(Port);
            writer.Write(Token);
            writer.Write(Addresses.Length);
            foreach (var address in Addresses)
            {
                writer.Write(address);
            }

            writer.Flush();
            return memory.ToArray();
        }

        /// <summary>What <see cref="ToBytes"/> gave.</summary>
        public static Person Of(byte[] bytes)
        {
            using var reader = new BinaryReader(new MemoryStream(bytes), Encoding.UTF8);
            var machine = reader.ReadString();
            var id = reader.ReadInt32();
            var port = reader.ReadInt32();
            var token = reader.ReadString();
            var addresses = new string[reader.ReadInt32()];
            for (var i = 0; i < addresses.Length; i++)
            {
                addresses[i] = reader.ReadString();
            }

            return new Person(machine, id, port, token, addresses);
        }
    }

    /// <summary>This process.</summary>
    /// <param name="listener">Where it listens; null if it does not.</param>
    public static Person Myself(Socket? listener) =>
        new(
            Environment.MachineName,
            Environment.ProcessId,
            (listener?.LocalEndPoint as IPEndPoint)?.Port ?? 0,
            listener is null ? "" : Convert.ToHexString(RandomNumberGenerator.GetBytes(16)),
            listener is null ? [] : Addresses()
        );

    /// <summary>Listens on a free port of all addresses; null if the system does not let us.</summary>
    public static Socket? Listen()
    {
        foreach (var address in new[] { IPAddress.IPv6Any, IPAddress.Any })
        {
            try
            {
                var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                if (address.AddressFamily == AddressFamily.InterNetworkV6)
                {
                    socket.DualMode = true;
                }

                socket.Bind(new IPEndPoint(address, 0));
                socket.Listen(1024);
                socket.Blocking = false;
                return socket;
            }
            catch (SocketException)
            {
                // without IPv6, then; or not at all
            }
        }

        return null;
    }

    /// <summary>Connects to process 0; null if none of its addresses leads to it.</summary>
    public static Line? Reach(Person center, int rank)
    {
        if (center.Port == 0)
        {
            return null;
        }

        var here = center.Machine == Environment.MachineName ? new[] { "127.0.0.1", "::1" } : [];
        var start = Stopwatch.GetTimestamp();
        foreach (var address in (string[])[.. here, .. center.Addresses])
        {
            if (Stopwatch.GetElapsedTime(start) > Limit)
            {
                break;
            }

            if (Try(address, center, rank) is { } line)
            {
                return line;
            }
        }

        return null;
    }

    /// <summary>Accepts the connections of others that show the token.</summary>
    /// <param name="listener">Where they come.</param>
    /// <param name="token">What they have to show.</param>
    /// <param name="size">How many processes there are.</param>
    /// <param name="enough">Asked now and then: whether nobody more will come.</param>
    /// <returns>The connections by rank.</returns>
    public static Dictionary<int, Line> Accept(Socket listener, string token, int size, Func<bool> enough)
    {
        var strangers = new List<Line>();
        var lines = new Dictionary<int, Line>();
        while (lines.Count < size - 1 && !enough())
        {
            var read = strangers.Select(line => line.Socket).Append(listener).ToList();
            Socket.Select(read, null, null, 100_000);
            if (read.Contains(listener))
            {
                try
                {
                    strangers.Add(new Line(listener.Accept()));
                }
                catch (SocketException)
                {
                    // gone before it was accepted
                }
            }

            foreach (var line in strangers.ToArray())
            {
                if (line.Receive().FirstOrDefault() is { } message)
                {
                    strangers.Remove(line);
                    if (IsOurs(message, token, size) && lines.TryAdd(message.Rank, line))
                    {
                        line.Send(new Message(MessageKind.Welcome, 0, 0, token));
                    }
                    else
                    {
                        line.Dispose();
                    }
                }
                else if (line.Closed || Stopwatch.GetElapsedTime(line.Heard) > AddressLimit)
                {
                    strangers.Remove(line);
                    line.Dispose();
                }
            }
        }

        strangers.ForEach(line => line.Dispose());
        return lines;
    }

    private static bool IsOurs(Message message, string token, int size) =>
        message.Kind == MessageKind.Hello
        && message.Rank > 0
        && message.Rank < size
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(message.Text), Encoding.UTF8.GetBytes(token));

    private static Line? Try(string address, Person center, int rank)
    {
        Socket? socket = null;
        try
        {
            using var limit = new CancellationTokenSource(AddressLimit);
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            socket.ConnectAsync(address, center.Port, limit.Token).AsTask().GetAwaiter().GetResult();
            var line = new Line(socket);
            line.Send(new Message(MessageKind.Hello, rank, 0, center.Token));
            while (!line.Closed && Stopwatch.GetElapsedTime(line.Heard) < AddressLimit)
            {
                socket.Poll(100_000, SelectMode.SelectRead);
                // another machine may use the same address and port for something else
                if (line.Receive().FirstOrDefault() is { } answer)
                {
                    if (answer.Kind == MessageKind.Welcome && answer.Text == center.Token)
                    {
                        return line;
                    }

                    break;
                }
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            // the next address, then
        }

        socket?.Dispose();
        return null;
    }

    // Those of networks that other machines may reach; the machine's name last, which may lead anywhere.
    private static string[] Addresses()
    {
        try
        {
            return
            [
                .. NetworkInterface
                    .GetAllNetworkInterfaces()
                    .Where(network =>
                        network.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown
                        && network.NetworkInterfaceType != NetworkInterfaceType.Loopback
                    )
                    .SelectMany(network => network.GetIPProperties().UnicastAddresses)
                    .Select(entry => entry.Address)
                    .Where(address => !address.IsIPv6LinkLocal && !IPAddress.IsLoopback(address))
                    .Select(address => address.ToString())
                    .Take(16),
                Environment.MachineName,
            ];
        }
        catch (NetworkInformationException)
        {
            return [Environment.MachineName];
        }
    }
}
