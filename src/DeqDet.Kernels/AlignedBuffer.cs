using System.Runtime.InteropServices;

namespace DeqDet.Kernels;

/// <summary>Memory of floats that begins at the start of a cache line, of the size that was last asked for or more.</summary>
internal sealed unsafe class AlignedBuffer : IDisposable
{
    private const int CacheLine = 64;

    private long capacity;

    /// <summary>The first number; null while there is no memory.</summary>
    public float* Start { get; private set; }

    /// <summary>Makes room for so many floats; what was there is lost where there was not enough.</summary>
    public void Reserve(long floats)
    {
        if (floats <= capacity)
        {
            return;
        }
        Dispose();
        Start = (float*)NativeMemory.AlignedAlloc((nuint)(floats * sizeof(float)), CacheLine);
        capacity = floats;
        GC.AddMemoryPressure(capacity * sizeof(float));
        GC.ReRegisterForFinalize(this);
    }

    /// <summary>Frees the memory; `Reserve` takes it anew.</summary>
    public void Dispose()
    {
        if (Start != null)
        {
            NativeMemory.AlignedFree(Start);
            GC.RemoveMemoryPressure(capacity * sizeof(float));
            Start = null;
            capacity = 0;
        }
        GC.SuppressFinalize(this);
    }

    ~AlignedBuffer() => Dispose();
}
