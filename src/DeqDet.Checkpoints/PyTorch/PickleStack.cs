namespace DeqDet.Checkpoints.PyTorch;

/// <summary>A pickle took what is not on the stack, or put too much there.</summary>
internal sealed class PickleStackException(string message) : Exception(message);

/// <summary>
/// The stack of a pickle: values, and marks between them below which only an instruction that consumes the mark may reach.
/// </summary>
internal sealed class PickleStack
{
    /// <summary>Python writes containers in batches of 1000, so that real pickles keep a few thousand values here.</summary>
    private const int MaxCount = 1 << 19;

    private readonly List<object?> _values = [];
    private readonly List<int> _marks = [];

    private int Floor => _marks.Count > 0 ? _marks[^1] : 0;

    public void Mark()
    {
        _marks.Add(_values.Count);
        CheckDepth(_marks.Count);
    }

    public void Push(object? value)
    {
        _values.Add(value);
        CheckDepth(_values.Count);
    }

    public object? Top() =>
        _values.Count > Floor ? _values[^1] : throw new PickleStackException("takes from an empty stack");

    public object? Pop()
    {
        var value = Top();
        _values.RemoveAt(_values.Count - 1);
        return value;
    }

    /// <summary>Drops the top value, or the mark if there is none above it.</summary>
    public void PopValueOrMark()
    {
        if (_marks.Count > 0 && _marks[^1] == _values.Count)
        {
            _marks.RemoveAt(_marks.Count - 1);
        }
        else
        {
            Pop();
        }
    }

    /// <summary>The last <paramref name="count"/> values, oldest first.</summary>
    public object?[] PopMany(int count)
    {
        if (_values.Count - Floor < count)
        {
            throw new PickleStackException("takes from an empty stack");
        }
        var items = new object?[count];
        _values.CopyTo(_values.Count - count, items, 0, count);
        _values.RemoveRange(_values.Count - count, count);
        return items;
    }

    /// <summary>The values above the last mark, oldest first; the mark goes with them.</summary>
    public object?[] PopToMark()
    {
        if (_marks.Count == 0)
        {
            throw new PickleStackException("looks for a mark that is not there");
        }
        var items = PopMany(_values.Count - Floor);
        _marks.RemoveAt(_marks.Count - 1);
        return items;
    }

    private static void CheckDepth(int count)
    {
        if (count > MaxCount)
        {
            throw new PickleStackException("keeps more on its stack than any checkpoint; it is damaged or hostile");
        }
    }
}
