using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>
/// oneDNN's convolutions together with what follows them, which libtorch has for compiled graphs. A convolution that oneDNN refuses
/// gives null instead of an error, as libtorch's plain one may still be able to do it.
/// </summary>
internal static unsafe partial class FusedConvolution
{
    private const string Library = "torch_cpu";

    /// <summary>Whether this libtorch has them.</summary>
    public static bool IsAvailable { get; } =
        AotiTorch.IsAvailable
        && AotiTorch.Exists("torch_new_list_reserve_size")
        && AotiTorch.Exists("aoti_torch_cpu_mkldnn__convolution_pointwise")
        && AotiTorch.Exists("aoti_torch_cpu_mkldnn__convolution_pointwise_binary_");

    /// <summary>
    /// A kernel [out, in / groups, kh, kw] in the order in which oneDNN reads it for inputs of one shape [B, in, H, W], channels last. Inputs of other shapes
    /// are convolved rightly, too, but may need another order, into which the kernel is brought each time, slowly.
    /// </summary>
    public static Tensor Pack(Tensor kernel, int stride, int padding, int groups, ReadOnlySpan<long> input)
    {
        // libtorch frees what is optional
        var optional = (ulong*)NativeMemory.Alloc(sizeof(ulong));
        *optional = List(input);
        return AotiTorch.Call(
            "mkldnn::_reorder_convolution_weight",
            AotiTorch.Copy(kernel),
            List([padding, padding]),
            List([stride, stride]),
            List([1, 1]),
            (ulong)groups,
            (ulong)optional
        );
    }

    /// <summary>Convolution with bias, then ReLU where asked for.</summary>
    public static Tensor? Apply(Tensor x, Tensor kernel, Tensor bias, int stride, int padding, int groups, bool rectify)
    {
        var strides = stackalloc long[] { stride, stride };
        var paddings = stackalloc long[] { padding, padding };
        var dilations = stackalloc long[] { 1, 1 };
        var (biasHandle, result) = (bias.Handle, default(nint));
        // the list of the activation's numbers is empty, but its address is read
        double* number = null;
        fixed (byte* activation = rectify ? "relu\0"u8 : "none\0"u8)
        {
            var none = activation + 4;
            var code = Convolve(
                x.Handle,
                kernel.Handle,
                &biasHandle,
                paddings,
                2,
                strides,
                2,
                dilations,
                2,
                groups,
                activation,
                &number,
                0,
                &none,
                &result
            );
            return code == 0 ? AotiTorch.Take(result) : null;
        }
    }

    /// <summary>A convolution with bias is added to `sum` in place, then ReLU; a further handle of `sum`.</summary>
    public static Tensor? AddRectified(
        Tensor sum,
        Tensor x,
        Tensor kernel,
        Tensor bias,
        int stride,
        int padding,
        int groups
    )
    {
        var strides = stackalloc long[] { stride, stride };
        var paddings = stackalloc long[] { padding, padding };
        var dilations = stackalloc long[] { 1, 1 };
        var (biasHandle, result) = (bias.Handle, default(nint));
        double* number = null;
        fixed (byte* add = "add\0"u8)
        fixed (byte* relu = "relu\0"u8)
        {
            var (activation, none) = ((nint)relu, (nint)(relu + 4));
            var code = ConvolveInto(
                sum.Handle,
                x.Handle,
                kernel.Handle,
                &biasHandle,
                paddings,
                2,
                strides,
                2,
                dilations,
                2,
                groups,
                add,
                null,
                (byte**)&activation,
                &number,
                0,
                (byte**)&none,
                &result
            );
            return code == 0 ? AotiTorch.Take(result) : null;
        }
    }

    private static ulong List(ReadOnlySpan<long> numbers)
    {
        nint list;
        AotiTorch.Check(NewList((nuint)numbers.Length, &list), "new_list");
        foreach (var number in numbers)
        {
            AotiTorch.Check(PushBack(list, (ulong)number), "list_push_back");
        }
        return (ulong)list;
    }

    [LibraryImport(Library, EntryPoint = "torch_new_list_reserve_size")]
    private static partial int NewList(nuint size, nint* list);

    [LibraryImport(Library, EntryPoint = "torch_list_push_back")]
    private static partial int PushBack(nint list, ulong element);

    [LibraryImport(Library, EntryPoint = "aoti_torch_cpu_mkldnn__convolution_pointwise")]
    private static partial int Convolve(
        nint x,
        nint kernel,
        nint* bias,
        long* padding,
        long paddings,
        long* stride,
        long strides,
        long* dilation,
        long dilations,
        long groups,
        byte* activation,
        double** numbers,
        long numberCount,
        byte** algorithm,
        nint* result
    );

    [LibraryImport(Library, EntryPoint = "aoti_torch_cpu_mkldnn__convolution_pointwise_binary_")]
    private static partial int ConvolveInto(
        nint sum,
        nint x,
        nint kernel,
        nint* bias,
        long* padding,
        long paddings,
        long* stride,
        long strides,
        long* dilation,
        long dilations,
        long groups,
        byte* operation,
        double* factor,
        byte** activation,
        double** numbers,
        long numberCount,
        byte** algorithm,
        nint* result
    );
}
