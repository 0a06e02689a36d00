using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Several tensors, of which some may be missing, as they were when something was made from them together.</summary>
internal sealed class Sources : IDisposable
{
    private readonly Source?[] sources;

    private Sources(Source?[] sources) => this.sources = sources;

    /// <summary>Of tensors as they are now; null where it cannot be told whether they change.</summary>
    public static Sources? Of(params ReadOnlySpan<Tensor?> tensors)
    {
        var result = new Sources(new Source?[tensors.Length]);
        for (var i = 0; i < tensors.Length; i++)
        {
            if (tensors[i] is { } tensor && (result.sources[i] = Source.Of(tensor)) is null)
            {
                result.Dispose();
                return null;
            }
        }
        return result;
    }

    /// <summary>Whether the same tensors are there, with the numbers that they had.</summary>
    public bool AreStill(params ReadOnlySpan<Tensor?> tensors)
    {
        for (var i = 0; i < tensors.Length; i++)
        {
            if (tensors[i] is { } tensor ? sources[i]?.IsStill(tensor) != true : sources[i] is not null)
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Lets go of the memory.</summary>
    public void Dispose()
    {
        foreach (var source in sources)
        {
            source?.Dispose();
        }
    }
}
