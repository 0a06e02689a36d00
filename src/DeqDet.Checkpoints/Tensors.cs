using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Checkpoints;

/// <summary>Between stored tensors and libtorch's.</summary>
public static class Tensors
{
    private const int PieceBytes = 1 << 26;

    /// <summary>libtorch's name for an element type; null for unsigned 16-, 32- and 64-bit integers, which TorchSharp lacks.</summary>
    public static ScalarType? ToScalarType(ElementType type) =>
        type switch
        {
            ElementType.Bool => ScalarType.Bool,
            ElementType.UInt8 => ScalarType.Byte,
            ElementType.Int8 => ScalarType.Int8,
            ElementType.Int16 => ScalarType.Int16,
            ElementType.Int32 => ScalarType.Int32,
            ElementType.Int64 => ScalarType.Int64,
            ElementType.Float16 => ScalarType.Float16,
            ElementType.BFloat16 => ScalarType.BFloat16,
            ElementType.Float32 => ScalarType.Float32,
            ElementType.Float64 => ScalarType.Float64,
            _ => null,
        };

    /// <summary>The stored form of libtorch's element type.</summary>
    /// <exception cref="ArgumentException">A complex or quantised type.</exception>
    public static ElementType ToElementType(ScalarType type) =>
        type switch
        {
            ScalarType.Bool => ElementType.Bool,
            ScalarType.Byte => ElementType.UInt8,
            ScalarType.Int8 => ElementType.Int8,
            ScalarType.Int16 => ElementType.Int16,
            ScalarType.Int32 => ElementType.Int32,
            ScalarType.Int64 => ElementType.Int64,
            ScalarType.Float16 => ElementType.Float16,
            ScalarType.BFloat16 => ElementType.BFloat16,
            ScalarType.Float32 => ElementType.Float32,
            ScalarType.Float64 => ElementType.Float64,
            _ => throw new ArgumentException($"tensors of type {type} cannot be written to a checkpoint"),
        };

    /// <summary>
    /// A new tensor with the stored shape, type and values, on <paramref name="device"/> (default: the CPU). Copies straight
    /// from the mapped file into the tensor; no gradient is recorded.
    /// </summary>
    /// <exception cref="CheckpointError">TorchSharp has no such element type, or a Boolean is neither 0 nor 1.</exception>
    public static Tensor Load(StoredTensor stored, Device? device = null)
    {
        var type =
            ToScalarType(stored.Type)
            ?? throw new CheckpointError(
                stored.Path,
                $"tensor '{stored.Name}' has the type {stored.Type.ShortName()}, which TorchSharp cannot hold"
            );
        var tensor = empty(stored.Shape.ToArray(), dtype: type, device: CPU);
        try
        {
            FillFrom(tensor, stored);
            if (device is null || device.type == DeviceType.CPU)
            {
                return tensor;
            }
            var moved = tensor.to(device);
            tensor.Dispose();
            return moved;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Prepares a tensor for a writer. The tensor may lie on any device and have any strides; it is read when the file is
    /// written, so it must live and stay unchanged until then.
    /// </summary>
    /// <exception cref="ArgumentException">Its type cannot be stored.</exception>
    public static TensorToWrite ToWrite(string name, Tensor tensor) =>
        new(name, ToElementType(tensor.dtype), tensor.shape, stream => Write(tensor, stream));

    private static void FillFrom(Tensor tensor, StoredTensor stored)
    {
        var size = stored.Type.ByteSize();
        ForEachPiece(tensor, size, (piece, first) => stored.CopyTo(first, piece.bytes));
    }

    private static void Write(Tensor tensor, Stream stream)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var plain = tensor.detach().cpu().contiguous();
        ForEachPiece(plain, plain.ElementSize, (piece, _) => stream.Write(piece.bytes));
    }

    // Tensor.bytes ends at 2 GB, so that large tensors go piece by piece.
    private static void ForEachPiece(Tensor contiguous, long elementSize, Action<Tensor, long> action)
    {
        var count = contiguous.numel();
        if (count == 0)
        {
            return;
        }
        using var scope = NewDisposeScope();
        var flat = contiguous.view(-1);
        var step = PieceBytes / elementSize;
        for (long first = 0; first < count; first += step)
        {
            using var piece = flat.narrow(0, first, Math.Min(step, count - first));
            action(piece, first);
        }
    }
}
