namespace DeqDet.Host.Data;

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

    /// <summary>The last target position becomes the first: a mirrored picture.</summary>
    public void Reverse()
    {
        Array.Reverse(First);
        Array.Reverse(FirstWeight);
        Array.Reverse(SecondWeight);
    }
}
