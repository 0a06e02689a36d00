using System.Text;

namespace DeqDet.Host.Commands;

/// <summary>
/// Names for the files that <c>detect</c> writes into one folder: that of what was looked at, numbered where another one has it, or where there is a
/// file of that name that is not of our making.
/// </summary>
/// <param name="isFree">Whether a name may be used: nothing is there, or something that an earlier run wrote.</param>
public sealed class OutputNames(Func<string, bool> isFree)
{
    // Systems allow 255 bytes; a number and an ending come after it.
    private const int LongestStem = 200;

    private readonly HashSet<string> taken = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>A name without its endings, which no earlier one has, in whatever case, with any of its own.</summary>
    public string Take(string stem, params ReadOnlySpan<string> endings)
    {
        stem = Short(stem);
        for (var number = 1; ; number++)
        {
            var name = number == 1 ? stem : $"{stem}-{number}";
            var free = true;
            foreach (var ending in endings)
            {
                free &= !taken.Contains(name + ending) && isFree(name + ending);
            }

            if (free)
            {
                foreach (var ending in endings)
                {
                    taken.Add(name + ending);
                }

                return name;
            }
        }
    }

    // Whole characters.
    private static string Short(string stem)
    {
        if (Encoding.UTF8.GetByteCount(stem) <= LongestStem)
        {
            return stem;
        }

        var (text, bytes) = (new StringBuilder(), 0);
        foreach (var rune in stem.EnumerateRunes())
        {
            if ((bytes += rune.Utf8SequenceLength) > LongestStem)
            {
                break;
            }

            text.Append(rune);
        }

        return text.ToString();
    }
}
