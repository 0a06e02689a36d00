using DeqDet.CommandLine;
using DeqDet.Settings;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Host.Devices;

/// <summary>The device that tensors live on, and the threads that work on the CPU's.</summary>
public static class ComputeDevice
{
    /// <summary>
    /// Loads libtorch and resolves the user's choice to a device that exists. On a GPU float32 products and convolutions are float32's, or TF32's where
    /// that is asked for: libtorch by itself would take TF32 for convolutions alone.
    /// </summary>
    /// <param name="choice">What was asked for.</param>
    /// <param name="tf32">Whether TF32 was asked for.</param>
    /// <param name="place">Number of this process among those that share the machine's devices, from 0: each takes the next one.</param>
    /// <exception cref="InputError">
    /// A CUDA device was asked for that is not there, or TF32 where there is none; or libtorch cannot be loaded.
    /// </exception>
    public static Device Choose(DeviceChoice choice, bool tf32, int place = 0)
    {
        var libtorch = LibTorch.Load();
        var usable = CudaDevices(libtorch);
        var own = choice switch
        {
            DeviceChoice.Cuda cuda => DeviceChoice.NewCuda(cuda.index + place),
            { IsAuto: true } when place > 0 && usable > 0 => DeviceChoice.NewCuda(place),
            _ => choice,
        };
        if (Decide(own, libtorch.Cuda, usable, CudaDriver.Find) is not { } index)
        {
            return tf32 ? throw new InputError("--tf32 is for GPUs, and this is to run on the CPU; leave it out") : CPU;
        }
        UseTf32(tf32);
        return new Device(DeviceType.CUDA, index);
    }

    /// <summary>Whether float32 products and convolutions on GPUs may be computed in TF32.</summary>
    public static void UseTf32(bool allowed)
    {
        backends.cuda.matmul.allow_tf32 = allowed;
        backends.cudnn.allow_tf32 = allowed;
    }

    /// <summary>The CUDA devices that libtorch can use.</summary>
    // A libtorch for the CPU is not queried: TorchSharp would look for another one.
    public static int CudaDevices(LibTorchPlace place) => place.Cuda && cuda.is_available() ? cuda.device_count() : 0;

    /// <summary>
    /// The index of the CUDA device to use, or null for the CPU.
    /// </summary>
    /// <param name="choice">What was asked for.</param>
    /// <param name="built">Whether libtorch can use CUDA at all.</param>
    /// <param name="usable">Number of CUDA devices that it can use.</param>
    /// <param name="driver">Queries the driver, for the message only.</param>
    /// <exception cref="InputError">The device does not exist: the message names those that do, and the remedy.</exception>
    public static int? Decide(DeviceChoice choice, bool built, int usable, Func<CudaDriver?> driver)
    {
        if (choice.IsCpu)
            return null;
        if (choice is not DeviceChoice.Cuda cuda)
            return usable > 0 ? 0 : null;
        if (cuda.index < usable)
            return cuda.index;
        if (usable > 0)
            throw new InputError(
                $"--device {choice}: there is no such device; there "
                    + (usable == 1 ? "is only cuda:0" : $"are cuda:0 to cuda:{usable - 1}")
            );

        var found = driver() switch
        {
            null => "no NVIDIA driver is installed on this machine",
            { Problem: { } problem } => $"NVIDIA's driver cannot be used: {problem}",
            { Devices: [] } => "NVIDIA's driver sees no GPU",
            var other => $"the machine has {string.Join(", ", other.Devices.Select(device => device.Name))}",
        };
        var remedy = built
            ? "libtorch is able to use CUDA but finds no device; is CUDA_VISIBLE_DEVICES set, is the driver new enough?"
            : "this program's libtorch is for the CPU only; build with -p:LibTorch=cuda or bring your own (docs/gpu.md).";
        throw new InputError(
            $"--device {choice}: {found}, and {remedy} `doctor` shows more; --device cpu works always"
        );
    }

    /// <summary>
    /// Sets the number of threads for tensor operations. Null: what OMP_NUM_THREADS says, or else one for each core that this process
    /// may use.
    /// </summary>
    /// <param name="threads">What was asked for.</param>
    /// <param name="processes">Processes that share the machine, and its cores unless each is bound to cores of its own.</param>
    /// <exception cref="InputError">libtorch cannot be loaded.</exception>
    public static void UseThreads(int? threads, int processes = 1)
    {
        LibTorch.Load();
        if (threads is not null || Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is null)
            set_num_threads(threads ?? Processor.CoresOfEach(processes));
    }
}
