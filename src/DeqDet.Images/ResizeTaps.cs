using System.Runtime.Intrinsics;

namespace DeqDet.Images;

/// <summary>
/// For every target position of one axis the first of its two neighbouring source positions, and the weights of both in 1/2048. Where
/// there is no second one its weight is 0.
/// </summary>
internal sealed class ResizeTaps
{
    private const int WeightOne = 2048;

    /// <summary>The taps of an axis of <paramref name="from"/> positions, <paramref name="step"/> apart, resized to <paramref name="to"/>.</summary>
    public ResizeTaps(int from, int to, int step)
    {
        (First, FirstWeight, SecondWeight) = (new int[to], new short[to], new short[to]);
        var scale = 1.0 / ((double)to / from);
        for (var i = 0; i < to; i++)
        {
            var position = (float)((i + 0.5) * scale - 0.5);
            var first = (int)MathF.Floor(position);
            var fraction = position - first;
            if (first < 0 || first >= from - 1)
            {
                (first, fraction) = (Math.Clamp(first, 0, from - 1), 0);
            }

            First[i] = first * step;
            FirstWeight[i] = (short)MathF.Round((1 - fraction) * WeightOne);
            SecondWeight[i] = (short)MathF.Round(fraction * WeightOne);
        }
    }

    /// <summary>Where the first source position lies; the second follows it.</summary>
    public int[] First { get; }

    /// <summary>Weight of the first.</summary>
    public short[] FirstWeight { get; }

    /// <summary>Weight of the second.</summary>
    public short[] SecondWeight { get; }

    /// <summary>
    /// Weights of the first and the second by turns, for three channels and nothing, of target positions n and n + 2, then of n + 1 and n + 3;
    /// n being every fourth position with three after it.
    /// </summary>
    public Vector256<short>[] Pairs()
    {
        var pairs = new Vector256<short>[First.Length / 4 * 2];
        for (var i = 0; i < pairs.Length; i++)
        {
            var n = i / 2 * 4 + i % 2;
            pairs[i] = Vector256.Create(Pair(n), Pair(n + 2)).AsInt16();
        }

        return pairs;
    }

    private Vector128<int> Pair(int i) => Vector128.Create((ushort)FirstWeight[i] | (SecondWeight[i] << 16));

    /// <summary>The last target position becomes the first: a mirrored picture.</summary>
    public void Reverse()
    {
        Array.Reverse(First);
        Array.Reverse(FirstWeight);
        Array.Reverse(SecondWeight);
    }
}
