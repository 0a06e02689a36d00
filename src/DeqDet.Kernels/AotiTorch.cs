using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>
/// libtorch's C interface (torch/csrc/inductor/aoti_torch/c/shim.h), for operators that TorchSharp does not have. Its functions return an error
/// code where others let an exception end the process. Its tensor handles are TorchSharp's: each points to an at::Tensor of its own.
/// </summary>
internal static unsafe partial class AotiTorch
{
    private const string Library = "torch_cpu";

    /// <summary>Whether this libtorch has the interface; without it the operators below must not be called.</summary>
    public static bool IsAvailable { get; } = Exists("aoti_torch_call_dispatcher");

    /// <summary>Whether a tensor's numbers are what kernels read: float32 in the memory of the CPU.</summary>
    public static bool IsPlainFloat(Tensor tensor) =>
        tensor.dtype == ScalarType.Float32 && tensor.device_type == DeviceType.CPU;

    /// <summary>Where the tensor's first number lies.</summary>
    public static void* Data(Tensor tensor)
    {
        void* data;
        Check(GetDataPointer(tensor.Handle, &data), "get_data_ptr");
        return data;
    }

    /// <summary>The tensor's strides, in numbers.</summary>
    public static ReadOnlySpan<long> Strides(Tensor tensor)
    {
        long* strides;
        long dimensions;
        Check(GetStrides(tensor.Handle, &strides), "get_strides");
        Check(GetDimensions(tensor.Handle, &dimensions), "get_dim");
        return new(strides, (int)dimensions);
    }

    /// <summary>The tensor's sizes.</summary>
    public static ReadOnlySpan<long> Sizes(Tensor tensor)
    {
        long* sizes;
        long dimensions;
        Check(GetSizes(tensor.Handle, &sizes), "get_sizes");
        Check(GetDimensions(tensor.Handle, &dimensions), "get_dim");
        return new(sizes, (int)dimensions);
    }

    /// <summary>
    /// How often the numbers have been written to in place, through whichever tensor shares them; null where libtorch does not count, so that
    /// whatever was made from the tensor may be out of date.
    /// </summary>
    public static long? Version(Tensor tensor) =>
        hasVersion && !IsInference(tensor.Handle) ? VersionOf(tensor.Handle) : null;

    /// <summary>Calls an operator that takes and returns what fits into 64 bits each; tensors are handles that it takes over.</summary>
    public static Tensor Call(string name, params ReadOnlySpan<ulong> arguments)
    {
        Span<ulong> stack = stackalloc ulong[Math.Max(arguments.Length, 1)];
        arguments.CopyTo(stack);
        fixed (ulong* first = stack)
        {
            Check(CallDispatcher(name, "", first), name);
        }
        return Take((nint)stack[0]);
    }

    /// <summary>A further handle of a tensor, for an operator that takes it over.</summary>
    public static ulong Copy(Tensor tensor)
    {
        nint copy;
        Check(NewTensorHandle(tensor.Handle, &copy), "new_tensor_handle");
        return (ulong)copy;
    }

    /// <summary>A tensor from a handle that becomes its own.</summary>
    public static Tensor Take(nint handle) => Tensor.UnsafeCreateTensor(handle);

    /// <summary>Raises where a function of the interface failed.</summary>
    public static void Check(int code, string name)
    {
        if (code != 0)
        {
            throw new ExternalException($"libtorch's {name} failed");
        }
    }

    private static readonly bool hasVersion =
        Exists("_ZNK2at10TensorBase8_versionEv") && Exists("_ZN2at6native12is_inferenceERKNS_6TensorE");

    /// <summary>Whether this libtorch has a function.</summary>
    public static bool Exists(string function) =>
        NativeLibrary.TryLoad(Library, typeof(AotiTorch).Assembly, null, out var library)
        && NativeLibrary.TryGetExport(library, function, out _);

    [LibraryImport(Library, EntryPoint = "aoti_torch_call_dispatcher", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int CallDispatcher(string name, string overload, ulong* stack);

    [LibraryImport(Library, EntryPoint = "aoti_torch_new_tensor_handle")]
    private static partial int NewTensorHandle(nint original, nint* copy);

    [LibraryImport(Library, EntryPoint = "aoti_torch_get_data_ptr")]
    private static partial int GetDataPointer(nint tensor, void** data);

    [LibraryImport(Library, EntryPoint = "aoti_torch_get_strides")]
    private static partial int GetStrides(nint tensor, long** strides);

    [LibraryImport(Library, EntryPoint = "aoti_torch_get_dim")]
    private static partial int GetDimensions(nint tensor, long* dimensions);

    [LibraryImport(Library, EntryPoint = "aoti_torch_get_sizes")]
    private static partial int GetSizes(nint tensor, long** sizes);

    // Of a tensor that was made in inference mode there is no version, and asking for it would end the process.
    [LibraryImport(Library, EntryPoint = "_ZN2at6native12is_inferenceERKNS_6TensorE")]
    [return: MarshalAs(UnmanagedType.I1)]
    private static partial bool IsInference(nint tensor);

    [LibraryImport(Library, EntryPoint = "_ZNK2at10TensorBase8_versionEv")]
    private static partial long VersionOf(nint tensor);
}
