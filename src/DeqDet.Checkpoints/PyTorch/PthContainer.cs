using System.Buffers.Binary;

namespace DeqDet.Checkpoints.PyTorch;

/// <summary>Where the numbers of a storage lie in the file.</summary>
/// <param name="Offset">Byte position.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Member">The archive member they are, with its check sum; null in the old stream format.</param>
internal sealed record StorageRegion(long Offset, long Length, ZipMember? Member);

/// <summary>
/// What both PyTorch formats hold: a pickled value, and the regions its storages refer to by key. A region that is missing or
/// of another length than its storage claims is found when a tensor asks for it.
/// </summary>
internal sealed record PthContainer(
    object? Root,
    IReadOnlyList<PickleGlobal> Globals,
    IReadOnlyDictionary<string, StorageRegion> Regions
)
{
    /// <summary>Reads either format.</summary>
    /// <exception cref="CheckpointError">It is neither, damaged, or hostile.</exception>
    public static PthContainer Read(MappedFile file, MemoryBudget budget)
    {
        if (file.Length >= 4 && file.Slice(0, 4).SequenceEqual("PK\u0003\u0004"u8))
        {
            return ReadArchive(file, budget);
        }
        if (IsStream(file, out var start))
        {
            return ReadStream(file, start, budget);
        }
        if (StartsWith(file, 0, TextStart))
        {
            throw new CheckpointError(
                file.Path,
                "was saved with pickle protocol 0 or 1, which writes texts; save it again with torch.save's own protocol"
            );
        }
        throw new CheckpointError(
            file.Path,
            "is no PyTorch checkpoint: it starts neither as a zip archive nor as PyTorch's old stream format"
        );
    }

    // The zip format: <name>/data.pkl, <name>/data/<key> for each storage, <name>/byteorder, <name>/version.
    private static PthContainer ReadArchive(MappedFile file, MemoryBudget budget)
    {
        const string pickleName = "/data.pkl";
        var members = ZipDirectory.Read(file, budget);
        var pickles = members
            .Values.Where(m => m.Name.EndsWith(pickleName) && m.Name.Count(c => c == '/') == 1)
            .ToArray();
        if (pickles is not [var pickle])
        {
            throw new CheckpointError(
                file.Path,
                $"is a zip archive, but not a checkpoint: it has {pickles.Length} data.pkl"
            );
        }
        var prefix = pickle.Name[..^(pickleName.Length - 1)];
        if (members.ContainsKey(prefix + "constants.pkl"))
        {
            throw new CheckpointError(
                file.Path,
                "is a TorchScript program; save its state_dict() with torch.save instead"
            );
        }
        if (members.TryGetValue(prefix + "byteorder", out var order))
        {
            if (order.Length > 16 || !file.Slice(order.Offset, (int)order.Length).SequenceEqual("little"u8))
            {
                throw new CheckpointError(file.Path, "was written on a big-endian machine; save it again on another");
            }
        }
        pickle.Verify(file);
        var machine = new PickleMachine(file, pickle.Offset, pickle.Offset + pickle.Length, budget);
        var root = machine.Run();
        var regions = new Dictionary<string, StorageRegion>(StringComparer.Ordinal);
        foreach (var key in machine.Storages.Keys)
        {
            if (members.TryGetValue($"{prefix}data/{key}", out var member))
            {
                budget.Charge(100);
                regions.Add(key, new StorageRegion(member.Offset, member.Length, member));
            }
        }
        return new PthContainer(root, [.. machine.Globals], regions);
    }

    // The start of the old format: a pickle of the 10-byte integer 0x1950a86a20f9469cfc6c, in one frame since protocol 4.
    private static ReadOnlySpan<byte> StreamNumber =>
        [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.'];

    private static ReadOnlySpan<byte> StreamFrame => [0x95, 13, 0, 0, 0, 0, 0, 0, 0];

    private static ReadOnlySpan<byte> TextStart => "L119547037146038801333356L\n."u8;

    private static bool IsStream(MappedFile file, out long start)
    {
        start = 2;
        if (file.Length < start || file.Slice(0, 2) is not [0x80, >= 2 and <= 5])
        {
            return false;
        }
        if (StartsWith(file, start, StreamFrame))
        {
            start += StreamFrame.Length;
        }
        var found = StartsWith(file, start, StreamNumber);
        start += StreamNumber.Length;
        return found;
    }

    private static bool StartsWith(MappedFile file, long offset, ReadOnlySpan<byte> bytes) =>
        offset <= file.Length - bytes.Length && file.Slice(offset, bytes.Length).SequenceEqual(bytes);

    // The old format: pickles of the magic number, the version 1001, a description of the machine, the value itself, and
    // the list of storage keys; then, in the order of that list, each storage's length in elements and its elements.
    private static PthContainer ReadStream(MappedFile file, long position, MemoryBudget budget)
    {
        if (Next(out _) is not 1001L)
        {
            throw new CheckpointError(
                file.Path,
                "has an unknown version of PyTorch's old stream format (1001 is known)"
            );
        }
        if (Next(out _) is PickleDict system && system.Find("little_endian"u8) is false)
        {
            throw new CheckpointError(file.Path, "was written on a big-endian machine; save it again on another");
        }
        var root = Next(out var machine);
        if (Next(out _) is not PickleList keys)
        {
            throw new CheckpointError(file.Path, "has no list of storages after its pickle; it is damaged");
        }
        var regions = new Dictionary<string, StorageRegion>(StringComparer.Ordinal);
        foreach (var item in keys.Items)
        {
            var key = item is PickleText { Length: <= 512 } text ? text.ToString() : "?";
            if (!machine.Storages.TryGetValue(key, out var storage))
            {
                throw new CheckpointError(file.Path, $"lists the storage '{key}' without describing it");
            }
            if (position > file.Length - sizeof(long))
            {
                throw new CheckpointError(file.Path, $"is truncated before storage '{key}'");
            }
            var count = BinaryPrimitives.ReadInt64LittleEndian(file.Slice(position, sizeof(long)));
            var size = storage.Type?.ByteSize() ?? 1;
            position += sizeof(long);
            if (count != storage.Count || count > (file.Length - position) / size)
            {
                throw new CheckpointError(
                    file.Path,
                    $"is truncated or damaged: storage '{key}' should hold {storage.Count} elements and holds {count}, "
                        + $"with {file.Length - position} bytes left in the file"
                );
            }
            budget.Charge(100);
            if (!regions.TryAdd(key, new StorageRegion(position, count * size, null)))
            {
                throw new CheckpointError(file.Path, $"lists the storage '{key}' twice");
            }
            position += count * size;
        }
        return new PthContainer(root, [.. machine.Globals], regions);

        object? Next(out PickleMachine machine)
        {
            machine = new PickleMachine(file, position, file.Length, budget);
            var value = machine.Run();
            position = machine.Position;
            return value;
        }
    }
}
