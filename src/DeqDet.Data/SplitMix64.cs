namespace DeqDet.Data;

/// <summary>
/// The SplitMix64 generator (Steele, Lea, Flood 2014): 64-bit integer arithmetic only, so the same seed gives the same
/// numbers on every machine. Not thread-safe: every image, epoch or worker derives its own with <see cref="For"/>.
/// </summary>
public sealed class SplitMix64(ulong state)
{
    private const ulong Increment = 0x9E3779B97F4A7C15UL;

    private ulong state = state;

    /// <summary>Scrambles 64 bits (the generator's output function): equal inputs give equal outputs, neighbours unrelated ones.</summary>
    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9UL;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EBUL;
        return value ^ (value >> 31);
    }

    /// <summary>
    /// A generator of its own for a place in the program: h = Mix(seed + c), then h = Mix((h ^ part) + c) for each part in turn,
    /// c being the golden-ratio constant.
    /// </summary>
    public static SplitMix64 For(long seed, params ReadOnlySpan<long> parts)
    {
        var hash = Mix(unchecked((ulong)seed) + Increment);
        foreach (var part in parts)
        {
            hash = Mix((hash ^ unchecked((ulong)part)) + Increment);
        }

        return new SplitMix64(hash);
    }

    /// <summary>The next 64 random bits.</summary>
    public ulong Next()
    {
        state += Increment;
        return Mix(state);
    }

    /// <summary>An integer from 0 to below <paramref name="bound"/> (at least 1); its bias is below bound / 2^64.</summary>
    public int Below(int bound) => (int)Math.BigMul(Next(), (ulong)bound, out _);

    /// <summary>An integer from <paramref name="low"/> to <paramref name="high"/>, both included.</summary>
    public int Between(int low, int high) => low + Below(high - low + 1);

    /// <summary>A double from 0 to below 1: 53 random bits over 2^53, exact.</summary>
    public double Unit() => (Next() >> 11) * (1.0 / 9007199254740992.0);

    /// <summary>A double from <paramref name="low"/> to below <paramref name="high"/>.</summary>
    public double Between(double low, double high) => low + (high - low) * Unit();

    /// <summary>True with the given probability.</summary>
    public bool Chance(double probability) => Unit() < probability;

    /// <summary>One of the values, each equally likely.</summary>
    public T Pick<T>(IReadOnlyList<T> values) => values[Below(values.Count)];

    /// <summary>Brings the values into a random order (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> values)
    {
        for (var i = values.Length - 1; i > 0; i--)
        {
            var j = Below(i + 1);
            (values[i], values[j]) = (values[j], values[i]);
        }
    }
}
