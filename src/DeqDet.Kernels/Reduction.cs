using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>Between float32 and bfloat16, number by number.</summary>
internal static unsafe class Reduction<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>bfloat16 to float32, without loss.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(ushort* source, float* target, int count)
    {
        var i = 0;
        for (; i + TLanes.Count <= count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.LoadReduced(source + i), target + i);
        }
        for (; i < count; i++)
        {
            target[i] = Wide(source[i]);
        }
    }

    /// <summary>float32 to bfloat16, rounded to the nearest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Narrow(float* source, ushort* target, int count)
    {
        var i = 0;
        for (; i + TLanes.Count <= count; i += TLanes.Count)
        {
            TLanes.StoreReduced(TLanes.Load(source + i), target + i);
        }
        if (i == count)
        {
            return;
        }
        // the rest through a vector of its own, as nothing may be read or written beyond the end
        Span<float> numbers = stackalloc float[TLanes.Count];
        Span<ushort> reduced = stackalloc ushort[TLanes.Count];
        new Span<float>(source + i, count - i).CopyTo(numbers);
        fixed (float* from = numbers)
        fixed (ushort* to = reduced)
        {
            TLanes.StoreReduced(TLanes.Load(from), to);
        }
        reduced[..(count - i)].CopyTo(new(target + i, count - i));
    }

    /// <summary>Adds bfloat16 to float32 in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(ushort* source, float* target, int count)
    {
        var i = 0;
        for (; i + TLanes.Count <= count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.Add(TLanes.Load(target + i), TLanes.LoadReduced(source + i)), target + i);
        }
        for (; i < count; i++)
        {
            target[i] += Wide(source[i]);
        }
    }

    private static float Wide(ushort number) => BitConverter.UInt32BitsToSingle((uint)number << 16);
}
