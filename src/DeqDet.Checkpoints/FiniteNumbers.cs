using System.Numerics;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Checkpoints;

/// <summary>
/// Looks for NaN and infinity among weights, buffers and optimiser states. A model that holds one answers nothing but NaN, or finds
/// nothing, without an error; so such numbers are neither loaded nor saved. Integers and Booleans are always finite.
/// </summary>
public static class FiniteNumbers
{
    private const int PieceBytes = 1 << 20;

    /// <summary>The names of the stored tensors that hold NaN or infinity, in the given order. Reads all floating-point numbers.</summary>
    /// <exception cref="CheckpointError">A check sum is wrong.</exception>
    public static IReadOnlyList<string> NotFinite(IEnumerable<StoredTensor> stored)
    {
        var buffer = new byte[PieceBytes];
        return [.. stored.Where(tensor => !IsFinite(tensor, buffer)).Select(tensor => tensor.Name)];
    }

    /// <summary>The names of the tensors, on any device, that hold NaN or infinity, in the given order.</summary>
    public static IReadOnlyList<string> NotFinite(IEnumerable<(string Name, Tensor Tensor)> tensors)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        // The device is waited for once, after all tensors have been looked at.
        var looked = tensors
            .Where(entry => entry.Tensor.is_floating_point())
            .Select(entry =>
            {
                using var inner = NewDisposeScope();
                return (entry.Name, Finite: isfinite(entry.Tensor).all().MoveToOuterDisposeScope());
            })
            .ToList();
        return [.. looked.Where(entry => !entry.Finite.item<bool>()).Select(entry => entry.Name)];
    }

    /// <summary>Refuses a file of which a tensor holds NaN or infinity, before anything is made of it.</summary>
    /// <param name="path">The file, for the message.</param>
    /// <param name="stored">What is going to be used of it.</param>
    /// <exception cref="CheckpointError">The names of all such tensors; or a check sum is wrong.</exception>
    public static void Check(string path, IEnumerable<StoredTensor> stored)
    {
        if (NotFinite(stored) is { Count: > 0 } names)
        {
            throw new CheckpointError(path, $"{Holding(names)}; its training diverged, use an earlier checkpoint");
        }
    }

    /// <summary>The part of a message that names such tensors: one in the sentence, several on a line each.</summary>
    internal static string Holding(IReadOnlyList<string> names) =>
        names.Count == 1
            ? $"tensor '{names[0]}' holds NaN or infinity"
            : $"{names.Count} tensors hold NaN or infinity ({string.Join(", ", names)})";

    private static bool IsFinite(StoredTensor tensor, byte[] buffer)
    {
        var size = tensor.Type.ByteSize();
        for (long done = 0; Exponent(tensor.Type) != 0 && done < tensor.ByteCount; done += buffer.Length)
        {
            var piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, tensor.ByteCount - done));
            tensor.CopyTo(done / size, piece);
            var finite = size switch
            {
                2 => AllBelow(MemoryMarshal.Cast<byte, ushort>(piece), (ushort)Exponent(tensor.Type)),
                4 => AllBelow(MemoryMarshal.Cast<byte, uint>(piece), (uint)Exponent(tensor.Type)),
                _ => AllBelow(MemoryMarshal.Cast<byte, ulong>(piece), Exponent(tensor.Type)),
            };
            if (!finite)
            {
                return false;
            }
        }
        return true;
    }

    // The bits of the exponent; all of them are set in NaN and infinity, and in nothing else.
    private static ulong Exponent(ElementType type) =>
        type switch
        {
            ElementType.Float16 => 0x7C00,
            ElementType.BFloat16 => 0x7F80,
            ElementType.Float32 => 0x7F80_0000,
            ElementType.Float64 => 0x7FF0_0000_0000_0000,
            _ => 0,
        };

    private static bool AllBelow<T>(ReadOnlySpan<T> bits, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        var vectors = MemoryMarshal.Cast<T, Vector<T>>(bits);
        var all = new Vector<T>(exponent);
        foreach (var vector in vectors)
        {
            if (Vector.EqualsAny(vector & all, all))
            {
                return false;
            }
        }
        foreach (var value in bits[(vectors.Length * Vector<T>.Count)..])
        {
            if ((value & exponent) == exponent)
            {
                return false;
            }
        }
        return true;
    }
}
