using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Where the numbers of tensors lie, for libraries that read and write them there.</summary>
public static class TensorMemory
{
    /// <summary>
    /// Address of the first number of a tensor whose numbers lie one after the other, on whatever device; the tensor has to outlive its use.
    /// </summary>
    /// <exception cref="ArgumentException">The numbers do not lie one after the other.</exception>
    public static unsafe nint Address(Tensor tensor)
    {
        if (!tensor.is_contiguous())
        {
            throw new ArgumentException("the tensor's numbers do not lie one after the other", nameof(tensor));
        }
        return (nint)AotiTorch.Data(tensor);
    }
}
