using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace DeqDet.Checkpoints.PyTorch;

/// <summary>
/// Interprets one pickle as data: a stack machine for the binary instructions of protocols 1 to 5. Calls of the few
/// constructors a state dict needs are answered by <see cref="PickleConstructors"/>; every other class, function or object
/// state becomes a <see cref="PickleInert"/>. No code runs, no name is resolved, nothing recurses, and memory is counted.
/// Instructions: https://github.com/python/cpython/blob/main/Lib/pickletools.py.
/// </summary>
internal sealed class PickleMachine(MappedFile file, long start, long end, MemoryBudget budget)
{
    private const int MaxNameLength = 512;

    private readonly PickleStack _stack = new();
    private readonly Dictionary<uint, object?> _memo = [];
    private readonly Dictionary<(string, string), PickleGlobal> _globals = [];
    private readonly Dictionary<string, PickleStorage> _storages = [];
    private long _position = start;

    /// <summary>The byte after the pickle, once it has run.</summary>
    public long Position => _position;

    /// <summary>Every class and function the pickle names.</summary>
    public IEnumerable<PickleGlobal> Globals => _globals.Values;

    /// <summary>Every storage it refers to, by key.</summary>
    public IReadOnlyDictionary<string, PickleStorage> Storages => _storages;

    /// <summary>Runs to the STOP instruction and gives the value left on the stack.</summary>
    /// <exception cref="CheckpointError">The pickle is damaged, hostile, or uses instructions no checkpoint needs.</exception>
    public object? Run()
    {
        try
        {
            while (true)
            {
                var code = Take(1)[0];
                if (code == (byte)'.')
                {
                    return _stack.Pop();
                }
                Execute(code);
            }
        }
        catch (PickleStackException e)
        {
            throw Bad(e.Message);
        }
    }

    private void Execute(byte code)
    {
        switch (code)
        {
            case 0x80: // PROTO
                if (Take(1)[0] is var protocol and > 5)
                {
                    throw Bad($"pickle protocol {protocol} is unknown");
                }
                break;
            case 0x95: // FRAME
                Take(8);
                break;
            case (byte)'(': // MARK
                _stack.Mark();
                break;
            case (byte)'0': // POP
                _stack.PopValueOrMark();
                break;
            case (byte)'1': // POP_MARK
                _stack.PopToMark();
                break;
            case (byte)'2': // DUP
                _stack.Push(_stack.Top());
                break;
            case (byte)'N':
                _stack.Push(null);
                break;
            case 0x88: // NEWTRUE
                _stack.Push(true);
                break;
            case 0x89: // NEWFALSE
                _stack.Push(false);
                break;
            case (byte)'J': // BININT
                PushNew((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)), 24);
                break;
            case (byte)'K': // BININT1
                PushNew((long)Take(1)[0], 24);
                break;
            case (byte)'M': // BININT2
                PushNew((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)), 24);
                break;
            case 0x8a: // LONG1
                PushLong(Take(1)[0]);
                break;
            case 0x8b: // LONG4
                PushLong(BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                break;
            case (byte)'G': // BINFLOAT
                PushNew(BinaryPrimitives.ReadDoubleBigEndian(Take(8)), 24);
                break;
            case (byte)'X' or (byte)'T': // BINUNICODE, BINSTRING
                PushText(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            case 0x8c or (byte)'U': // SHORT_BINUNICODE, SHORT_BINSTRING
                PushText(Take(1)[0]);
                break;
            case 0x8d: // BINUNICODE8
                PushText(BinaryPrimitives.ReadUInt64LittleEndian(Take(8)));
                break;
            case (byte)'B': // BINBYTES
                PushBytes(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            case (byte)'C': // SHORT_BINBYTES
                PushBytes(Take(1)[0]);
                break;
            case 0x8e or 0x96: // BINBYTES8, BYTEARRAY8
                PushBytes(BinaryPrimitives.ReadUInt64LittleEndian(Take(8)));
                break;
            case (byte)')': // EMPTY_TUPLE
                _stack.Push(EmptyTuple);
                break;
            case 0x85 or 0x86 or 0x87: // TUPLE1, TUPLE2, TUPLE3
                PushTuple(_stack.PopMany(code - 0x84));
                break;
            case (byte)'t': // TUPLE
                PushTuple(_stack.PopToMark());
                break;
            default:
                ExecuteComposite(code);
                break;
        }
    }

    private void ExecuteComposite(byte code)
    {
        switch (code)
        {
            case (byte)']' or 0x8f: // EMPTY_LIST, EMPTY_SET
                PushNew(new PickleList(), 64);
                break;
            case (byte)'l' or 0x91: // LIST, FROZENSET
                var members = _stack.PopToMark();
                PushNew(new PickleList(), 64);
                Append(members);
                break;
            case (byte)'a': // APPEND
                var item = _stack.Pop();
                Append(new ReadOnlySpan<object?>(in item));
                break;
            case (byte)'e' or 0x90: // APPENDS, ADDITEMS
                Append(_stack.PopToMark());
                break;
            case (byte)'}': // EMPTY_DICT
                PushNew(new PickleDict(), 64);
                break;
            case (byte)'d': // DICT
                var pairs = _stack.PopToMark();
                PushNew(new PickleDict(), 64);
                SetItems(pairs);
                break;
            case (byte)'s': // SETITEM
                SetItems(_stack.PopMany(2));
                break;
            case (byte)'u': // SETITEMS
                SetItems(_stack.PopToMark());
                break;
            case (byte)'q': // BINPUT
                Remember(Take(1)[0]);
                break;
            case (byte)'r': // LONG_BINPUT
                Remember(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            case 0x94: // MEMOIZE
                Remember((uint)_memo.Count);
                break;
            case (byte)'h': // BINGET
                _stack.Push(Recall(Take(1)[0]));
                break;
            case (byte)'j': // LONG_BINGET
                _stack.Push(Recall(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
                break;
            case (byte)'c': // GLOBAL
                var module = TakeLine();
                _stack.Push(Global(module, TakeLine()));
                break;
            case 0x93: // STACK_GLOBAL
                var names = _stack.PopMany(2);
                _stack.Push(Global(Name(names[0]), Name(names[1])));
                break;
            case (byte)'R' or 0x81: // REDUCE, NEWOBJ
                var call = _stack.PopMany(2);
                _stack.Push(PickleConstructors.Call(call[0], call[1], budget));
                break;
            case 0x92: // NEWOBJ_EX
                _stack.Push(PickleConstructors.Unknown(_stack.PopMany(3)[0]));
                break;
            case (byte)'b': // BUILD
                // The state of an object: hooks of a tensor, _metadata of a state dict, fields of unknown objects.
                _stack.Pop();
                _stack.Top();
                break;
            case (byte)'Q': // BINPERSID
                _stack.Push(Persistent(_stack.Pop()));
                break;
            default:
                throw Bad($"has the instruction 0x{code:x2}, which no checkpoint needs");
        }
    }

    private static readonly PickleTuple EmptyTuple = new([]);

    private static readonly PickleInert RawBytes = new("bytes");

    private CheckpointError Bad(string problem) => new(file.Path, $"the pickle, before byte {_position}, {problem}");

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > end - _position)
        {
            throw Bad("ends too early; the file is truncated or damaged");
        }
        _position += count;
        return file.Slice(_position - count, count);
    }

    private int Skip(ulong count)
    {
        if (count > (ulong)(end - _position))
        {
            throw Bad("ends too early; the file is truncated or damaged");
        }
        if (count > int.MaxValue)
        {
            throw Bad($"has a text of {count} bytes");
        }
        _position += (long)count;
        return (int)count;
    }

    private string TakeLine()
    {
        var window = file.Slice(_position, (int)Math.Min(end - _position, MaxNameLength));
        var length = window.IndexOf((byte)'\n');
        if (length < 0)
        {
            throw Bad("has a name without an end");
        }
        return Encoding.UTF8.GetString(Take(length + 1)[..length]);
    }

    private string Name(object? value) =>
        value is PickleText { Length: <= MaxNameLength } text
            ? text.ToString()
            : throw Bad("has a class without a name");

    private PickleGlobal Global(string module, string name)
    {
        if (!_globals.TryGetValue((module, name), out var global))
        {
            budget.Charge(300 + 4 * (module.Length + name.Length));
            global = new PickleGlobal(module, name);
            _globals.Add((module, name), global);
        }
        return global;
    }

    private void PushNew(object value, int bytes)
    {
        budget.Charge(bytes);
        _stack.Push(value);
    }

    private void PushText(ulong length)
    {
        var at = _position;
        PushNew(new PickleText(file, at, Skip(length)), 40);
    }

    private void PushBytes(ulong length)
    {
        Skip(length);
        _stack.Push(RawBytes);
    }

    private void PushLong(int length)
    {
        if (length is < 0 or > 32)
        {
            throw Bad($"has an integer of {length} bytes");
        }
        var number = new BigInteger(Take(length));
        PushNew(number >= long.MinValue && number <= long.MaxValue ? (object)(long)number : number, 72);
    }

    private void PushTuple(object?[] items)
    {
        budget.Charge(48 + 8 * items.Length);
        _stack.Push(new PickleTuple(items));
    }

    private void Append(ReadOnlySpan<object?> items)
    {
        switch (_stack.Top())
        {
            case PickleList list:
                budget.Charge(16 * items.Length);
                list.Items.AddRange(items);
                break;
            case PickleInert:
                break;
            default:
                throw Bad("appends to something that is no list");
        }
    }

    private void SetItems(object?[] items)
    {
        if (items.Length % 2 != 0)
        {
            throw Bad("sets a key without a value");
        }
        switch (_stack.Top())
        {
            case PickleDict dict:
                budget.Charge(16 * items.Length);
                for (var i = 0; i < items.Length; i += 2)
                {
                    dict.Items.Add(new(items[i], items[i + 1]));
                }
                break;
            case PickleInert:
                break;
            default:
                throw Bad("sets items of something that is no dictionary");
        }
    }

    private void Remember(uint index)
    {
        var value = _stack.Top();
        if (!_memo.ContainsKey(index))
        {
            budget.Charge(64);
        }
        _memo[index] = value;
    }

    private object? Recall(uint index) =>
        _memo.TryGetValue(index, out var value) ? value : throw Bad($"recalls entry {index}, which was never stored");

    private object Persistent(object? id)
    {
        if (PickleConstructors.Storage(id) is not { } storage)
        {
            return new PickleInert("a reference to something outside the pickle");
        }
        if (!_storages.TryGetValue(storage.Key, out var known))
        {
            budget.Charge(200 + 2 * storage.Key.Length);
            _storages.Add(storage.Key, storage with { View = null });
            return storage;
        }
        if (known.TypeName != storage.TypeName || known.Count != storage.Count)
        {
            throw Bad($"describes storage '{storage.Key}' in two ways");
        }
        if (storage.View is null)
        {
            return known;
        }
        budget.Charge(150);
        return storage;
    }
}
