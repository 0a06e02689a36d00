namespace DeqDet.Checkpoints.PyTorch;

/// <summary>
/// The constructors whose calls a state dict is made of, known by name. Each takes the arguments as plain data and gives plain
/// data; a call of anything else, or with other arguments, gives a <see cref="PickleInert"/>.
/// </summary>
internal static class PickleConstructors
{
    /// <summary>What calling <paramref name="callee"/> gives.</summary>
    public static object Call(object? callee, object? arguments, MemoryBudget budget)
    {
        // An instance of a subclass of Tensor: the function that makes the tensor inside, the class, the arguments, and what the
        // class keeps besides. The tensor inside may again be one; a loop, because a hostile file can nest them without end.
        while (
            callee is PickleGlobal { Module: "torch._tensor" or "torch.tensor" } wrapper
            && wrapper.Name is "_rebuild_from_type" or "_rebuild_from_type_v2"
            && arguments is PickleTuple { Items: [PickleGlobal inner, _, PickleTuple innerArguments, ..] }
        )
        {
            (callee, arguments) = (inner, innerArguments);
        }
        if (callee is not PickleGlobal global || arguments is not PickleTuple { Items: var items })
        {
            return Unknown(callee);
        }
        object? made = (global.Module, global.Name) switch
        {
            ("collections", "OrderedDict") => Dictionary(items, budget),
            ("torch", "Size") => items is [PickleTuple size] ? size : null,
            ("torch._utils", "_rebuild_parameter" or "_rebuild_parameter_with_state") => items is [PickleTensor t, ..]
                ? t
                : null,
            ("torch._utils", "_rebuild_tensor" or "_rebuild_tensor_v2") => items is [var storage, .. var view]
                ? Tensor(storage, view, budget)
                : null,
            ("torch._utils", "_rebuild_tensor_v3") => items
                is [var storage, var o, var s, var t, _, var hooks, var type, .. var marks]
                ? Tensor(storage, [o, s, t, type, hooks, .. marks], budget)
                : null,
            _ => null,
        };
        return made ?? global.Result;
    }

    /// <summary>The inert stand-in for an instance or result of <paramref name="callee"/>.</summary>
    public static PickleInert Unknown(object? callee) =>
        callee switch
        {
            PickleGlobal global => global.Result,
            PickleInert inert => inert,
            _ => UnknownObject,
        };

    /// <summary>The storage a persistent id speaks of; null for anything else.</summary>
    public static PickleStorage? Storage(object? id)
    {
        if (
            id
                is not PickleTuple
                {
                    Items: [PickleText tag, PickleGlobal kind, PickleText key, _, long count and >= 0, .. var rest]
                }
            || !tag.Is("storage"u8)
            || key.Length > 512
            || !IsStorage(kind, out var type)
        )
        {
            return null;
        }
        StorageView? view = null;
        if (rest is [PickleTuple { Items: [_, long offset and >= 0, long length and >= 0] }, ..])
        {
            view = new StorageView(offset, length);
        }
        return new PickleStorage(key.ToString(), type, kind.Name, count, view);
    }

    private static readonly PickleInert UnknownObject = new("an unknown object");

    private static PickleDict? Dictionary(object?[] arguments, MemoryBudget budget)
    {
        budget.Charge(64);
        var made = new PickleDict();
        switch (arguments)
        {
            case []:
                return made;
            case [PickleDict other]:
                budget.Charge(16 * other.Items.Count);
                made.Items.AddRange(other.Items);
                return made;
            case [PickleList pairs]:
                budget.Charge(16 * pairs.Items.Count);
                foreach (var pair in pairs.Items)
                {
                    var items = pair is PickleList list ? [.. list.Items.Take(3)] : (pair as PickleTuple)?.Items;
                    if (items is not [var key, var value])
                    {
                        return null;
                    }
                    made.Items.Add(new(key, value));
                }
                return made;
            default:
                return null;
        }
    }

    // view: offset, shape, strides; then the element type or whether a gradient is wanted, hooks, and marks such as that the
    // numbers are to be read with the other sign.
    private static PickleTensor? Tensor(object? storage, object?[] view, MemoryBudget budget)
    {
        if (
            storage is not PickleStorage known
            || view.Length > 5 && view[5] is not (null or PickleDict { Items.Count: 0 })
            || view is not [long offset, PickleTuple shape, PickleTuple strides, .. var rest]
            || !TryNumbers(shape, out var sizes)
            || !TryNumbers(strides, out var steps)
        )
        {
            return null;
        }
        var type = known.Type;
        if (rest is [PickleGlobal { Module: "torch", Name: var name }, ..])
        {
            if (!Types.TryGetValue(name, out var own) || (type is not null && type != own))
            {
                return null;
            }
            type = own;
        }
        budget.Charge(150 + 16 * sizes.Length);
        return new PickleTensor(known, type, offset, sizes, steps);
    }

    private static bool TryNumbers(PickleTuple tuple, out long[] numbers)
    {
        numbers = tuple.Items.Length > TensorShape.MaxDimensions ? [] : [.. tuple.Items.OfType<long>()];
        return numbers.Length == tuple.Items.Length;
    }

    private static bool IsStorage(PickleGlobal kind, out ElementType? type)
    {
        type = null;
        if (kind.Module is not ("torch" or "torch.cuda" or "torch.storage"))
        {
            return false;
        }
        if (kind.Name == "UntypedStorage")
        {
            return true;
        }
        var known = StorageTypes.TryGetValue(kind.Name, out var found);
        type = found;
        return known;
    }

    private static readonly Dictionary<string, ElementType> StorageTypes = new()
    {
        ["BoolStorage"] = ElementType.Bool,
        ["ByteStorage"] = ElementType.UInt8,
        ["CharStorage"] = ElementType.Int8,
        ["ShortStorage"] = ElementType.Int16,
        ["IntStorage"] = ElementType.Int32,
        ["LongStorage"] = ElementType.Int64,
        ["HalfStorage"] = ElementType.Float16,
        ["BFloat16Storage"] = ElementType.BFloat16,
        ["FloatStorage"] = ElementType.Float32,
        ["DoubleStorage"] = ElementType.Float64,
    };

    private static readonly Dictionary<string, ElementType> Types = new()
    {
        ["bool"] = ElementType.Bool,
        ["uint8"] = ElementType.UInt8,
        ["int8"] = ElementType.Int8,
        ["uint16"] = ElementType.UInt16,
        ["int16"] = ElementType.Int16,
        ["uint32"] = ElementType.UInt32,
        ["int32"] = ElementType.Int32,
        ["uint64"] = ElementType.UInt64,
        ["int64"] = ElementType.Int64,
        ["float16"] = ElementType.Float16,
        ["bfloat16"] = ElementType.BFloat16,
        ["float32"] = ElementType.Float32,
        ["float64"] = ElementType.Float64,
    };
}
