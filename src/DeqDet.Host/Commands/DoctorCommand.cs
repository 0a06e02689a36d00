using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Kernels;
using DeqDet.Reports;
using DeqDet.Settings;
using Spectre.Console;
using TorchSharp;

namespace DeqDet.Host.Commands;

/// <summary>`doctor`: what this machine has, whether it works, and what to do about what is missing.</summary>
public static class DoctorCommand
{
    /// <summary>Runs all checks, also when some fail.</summary>
    /// <param name="console">Receives the findings, each as soon as it is made.</param>
    /// <param name="version">The program's version.</param>
    /// <param name="load">Loads libtorch or raises <see cref="InputError"/>.</param>
    /// <returns>0 if everything that is needed is there and works, else 1.</returns>
    public static int Run(IAnsiConsole console, string version, Func<LibTorchPlace> load)
    {
        var report = new DoctorReport(new(console));
        report.Section("Versions");
        foreach (var (name, text) in MachineChecks.Versions(version))
        {
            report.Good(name, text);
        }

        report.Section("libtorch");
        var place = Load(load, report);

        report.Section("Devices");
        CheckCpu(place is not null, report);
        CheckCuda(place, report);

        report.Section("Machine");
        MachineChecks.CheckMemory(report);
        MachineChecks.CheckFolder(report);
        MachineChecks.CheckImages(report);
        MachineChecks.CheckSettings(report);
        return report.Finish();
    }

    private static LibTorchPlace? Load(Func<LibTorchPlace> load, DoctorReport report)
    {
        try
        {
            var clock = System.Diagnostics.Stopwatch.StartNew();
            var place = load();
            var source = place.BuiltIn ? "built in" : $"your own, by {LibTorch.FolderVariable}";
            var kind = place.Cuda ? "with CUDA" : "for the CPU";
            report.Good("found", $"{place.Version ?? LibTorch.VersionOfTorchSharp} {kind}, {source}");
            report.Good("folder", Human.Path(Path.TrimEndingDirectorySeparator(place.Folder)));
            // The first touch of a tensor starts TorchSharp's part.
            torch.tensor(1f).Dispose();
            report.Good("loads", $"in {clock.Elapsed.TotalSeconds:0.00} s");
            if (place.IsOtherVersion)
            {
                report.Note(
                    "version",
                    $"TorchSharp was made for libtorch {LibTorch.ExpectedVersion}; calls to another may fail",
                    $"Use a libtorch {LibTorch.ExpectedVersion} (docs/gpu.md)."
                );
            }
            return place;
        }
        catch (InputError error)
        {
            report.Missing("libtorch", "cannot be used", error.Message);
        }
        catch (Exception error)
            when (error is TypeInitializationException or DllNotFoundException or NotSupportedException)
        {
            var reason = (error.InnerException ?? error).Message.Split('\n')[0];
            report.Missing("libtorch", $"cannot be used: {reason}", "Delete bin and obj and build again.");
        }
        return null;
    }

    private static void CheckCpu(bool loaded, DoctorReport report)
    {
        var cores = Processor.UsableCores;
        report.Good(
            "cpu",
            $"{Processor.Name ?? "unknown processor"}, {Count(cores, "core")}, {Count(Environment.ProcessorCount, "hardware thread")}"
        );
        if (loaded)
        {
            ComputeDevice.UseThreads(null);
            report.Good(
                "  threads",
                $"{torch.get_num_threads()} for tensor operations; --threads or OMP_NUM_THREADS changes it"
            );
            report.Good("  kernels", Kernels(Computation.Best.Instructions));
            report.Good("  memory", Memory());
            Compute(torch.CPU, report, "Delete bin and obj and build again; if that does not help, report it.");
            if (Computation.Lacking(Precision.Bf16) is { } lacking)
            {
                report.Note("  bf16", $"this processor lacks {lacking}: float32 alone", null);
            }
            else
            {
                ShowGain(
                    PrecisionGain.Of("bf16", torch.ScalarType.BFloat16, torch.CPU),
                    "train.precision=bf16",
                    report
                );
            }
        }
    }

    private static string Kernels(Instructions instructions) =>
        instructions switch
        {
            Instructions.Avx512 => "AVX-512, 16 numbers at a time",
            Instructions.Avx2 => "AVX2, 8 numbers at a time",
            Instructions.Vector128 => "128 bits, 4 numbers at a time",
            _ => "none for this processor: libtorch's operations",
        };

    private static string Memory() =>
        !Allocator.IsGlibc ? "the system's allocator, as it is"
        : Environment.GetEnvironmentVariable(Allocator.Variable) == "system"
            ? $"glibc's allocator, left alone by {Allocator.Variable}"
        : $"freed memory is kept for the next operation; {Allocator.Variable}=system leaves glibc's allocator alone";

    private static void CheckCuda(LibTorchPlace? place, DoctorReport report)
    {
        var driver = CudaDriver.Find();
        var usable = place is null ? 0 : ComputeDevice.CudaDevices(place);
        for (var index = 0; index < usable; index++)
        {
            var known = driver?.Devices.ElementAtOrDefault(index);
            report.Good(
                $"cuda:{index}",
                known is null
                    ? "a GPU of which the driver tells nothing"
                    : $"{known.Name}, {Human.Bytes(known.MemoryBytes)}, compute capability {known.Capability}"
            );
            var device = new torch.Device(DeviceType.CUDA, index);
            ComputeDevice.UseTf32(false);
            Compute(device, report, "Update NVIDIA's driver; compare docs/gpu.md.");
            ShowGain(PrecisionGain.OfTf32(device), "--tf32", report);
            ShowGain(PrecisionGain.Of("bf16", torch.ScalarType.BFloat16, device), "train.precision=bf16", report);
            ShowGain(PrecisionGain.Of("fp16", torch.ScalarType.Float16, device), "train.precision=fp16", report);
        }
        if (usable > 0)
        {
            return;
        }

        switch (driver)
        {
            case null:
                report.Note("cuda", "no NVIDIA driver on this machine: everything runs on the CPU", null);
                break;
            case { Problem: { } problem }:
                report.Note(
                    "cuda",
                    $"NVIDIA's driver cannot be used: {problem}",
                    "See whether nvidia-smi works, if there is a GPU."
                );
                break;
            case { Devices: [] }:
                report.Note(
                    "cuda",
                    "NVIDIA's driver sees no GPU",
                    "See nvidia-smi and CUDA_VISIBLE_DEVICES, if there is a GPU."
                );
                break;
            case { Devices: var devices } when place is { Cuda: true }:
                report.Missing(
                    "cuda",
                    $"libtorch finds none of the {Count(devices.Count, "GPU")} here ({devices[0].Name}; driver for CUDA {driver.Version})",
                    "Update NVIDIA's driver, or use a libtorch for an older CUDA (docs/gpu.md)."
                );
                break;
            case { Devices: var devices }:
                report.Note(
                    "cuda",
                    $"{Count(devices.Count, "GPU")} here ({devices[0].Name}), but this libtorch is for the CPU only",
                    "Build with -p:LibTorch=cuda, or bring your own libtorch (docs/gpu.md)."
                );
                break;
        }
    }

    private static void Compute(torch.Device device, DoctorReport report, string remedy)
    {
        var check = DeviceCheck.Run(device);
        if (check.Fault is { } fault)
        {
            report.Missing("  computes", fault, remedy);
        }
        else
        {
            report.Good(
                "  computes",
                "product, gradient and convolution are right; "
                    + $"1024 x 1024 product in {check.ProductTime.TotalMilliseconds:0.0} ms, {check.GigaFlops:0} GFLOP/s"
            );
        }
    }

    private static void ShowGain(PrecisionGain gain, string switchedOnBy, DoctorReport report) =>
        report.Good(
            $"  {gain.Name.ToLowerInvariant()}",
            $"product {gain.Product:0.0} times, convolution {gain.Convolution:0.0} times as fast as in float32, with their gradients ({switchedOnBy})"
        );

    private static string Count(int count, string what) => $"{count} {what}{(count == 1 ? "" : "s")}";
}
