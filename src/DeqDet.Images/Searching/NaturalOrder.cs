namespace DeqDet.Images;

/// <summary>
/// The order of names in which people count: frame2 before frame10. Runs of the digits 0 to 9 are compared as numbers of any length, everything
/// else by its code units; names that differ in leading zeros alone are in ordinal order. A total order: only equal names compare as equal.
/// </summary>
public sealed class NaturalOrder : IComparer<string>
{
    /// <summary>The one order.</summary>
    public static readonly NaturalOrder Instance = new();

    private NaturalOrder() { }

    /// <inheritdoc/>
    public int Compare(string? x, string? y)
    {
        if (x is null || y is null)
        {
            return string.CompareOrdinal(x, y);
        }

        var (i, j) = (0, 0);
        while (i < x.Length && j < y.Length)
        {
            int order;
            if (char.IsAsciiDigit(x[i]) && char.IsAsciiDigit(y[j]))
            {
                var first = Number(x, ref i);
                var second = Number(y, ref j);
                order =
                    first.Length != second.Length
                        ? first.Length.CompareTo(second.Length)
                        : first.SequenceCompareTo(second);
            }
            else
            {
                order = x[i++].CompareTo(y[j++]);
            }

            if (order != 0)
            {
                return order;
            }
        }

        var rest = (x.Length - i).CompareTo(y.Length - j);
        return rest != 0 ? rest : string.CompareOrdinal(x, y);
    }

    // The digits from a place on, without leading zeros.
    private static ReadOnlySpan<char> Number(string text, ref int at)
    {
        while (at < text.Length && text[at] == '0')
        {
            at++;
        }

        var start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
        {
            at++;
        }

        return text.AsSpan(start, at - start);
    }
}
