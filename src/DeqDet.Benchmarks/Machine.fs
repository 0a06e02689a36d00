namespace DeqDet.Benchmarks

open System
open System.Diagnostics
open TorchSharp

/// The fastest that the machine was seen to compute and to copy, in this process with these threads.
type Rates =
    {
        /// Floating-point operations a second in libtorch's fastest float32 matrix product.
        Fp32: float
        /// The same for bfloat16 operands; None where the device has no instructions for them.
        Bf16: float option
        /// Bytes a second of a copy, those read and those written together.
        Copy: float
    }

/// What a benchmark ran on.
type Machine =
    {
        Processor: string
        /// Hardware threads.
        Cores: int
        /// Threads of tensor operations.
        Threads: int
        LibTorch: string
        Device: string
        /// Of the fast kernels.
        Instructions: string
        Rates: Rates
    }

module Rates =

    /// Rows and columns of the product: large enough to reach the peak, small enough to take some milliseconds.
    let private side = 1024L

    /// Numbers copied: more than any cache holds.
    let private numbers = 32L <<< 20

    let private attempts = 5

    let private best (device: torch.Device) (action: unit -> unit) : float =
        let once () =
            let start = Stopwatch.GetTimestamp()
            action ()
            Device.synchronise device
            Stopwatch.GetElapsedTime(start).TotalSeconds

        // the first time buffers are mapped and kernels compiled
        once () |> ignore
        List.init attempts (fun _ -> once ()) |> List.min

    /// The better one of two libraries: libtorch gives products to one and convolutions to another, and on some processors the first is
    /// only half as fast.
    let private product (device: torch.Device) (dtype: torch.ScalarType) : float =
        use _ = torch.NewDisposeScope()
        let a = torch.ones ([| side; side |], dtype = dtype, device = device)
        let b = torch.ones ([| side; side |], dtype = dtype, device = device)
        let result = torch.zeros ([| side; side |], dtype = dtype, device = device)

        // the same product as a convolution of 1 x 1
        let image, kernel = b.view (1L, side, 1L, side), a.view (side, side, 1L, 1L)

        let seconds =
            min
                (best device (fun () -> result.addmm_ (a, b, 0f, 1f) |> ignore))
                (best device (fun () -> torch.nn.functional.conv2d(image, kernel).Dispose()))

        2.0 * float side ** 3.0 / seconds

    let private copy (device: torch.Device) : float =
        use _ = torch.NewDisposeScope()
        let source = torch.ones ([| numbers |], dtype = torch.float32, device = device)
        let target = torch.zeros ([| numbers |], dtype = torch.float32, device = device)

        float (2L * 4L * numbers)
        / best device (fun () -> target.copy_ source |> ignore)

    /// Measures a device in a few tenths of a second. `bf16`: whether it has instructions for bfloat16.
    let measure (device: torch.Device) (bf16: bool) : Rates =
        use _ = torch.no_grad ()

        {
            Fp32 = product device torch.float32
            Bf16 = if bf16 then Some(product device torch.bfloat16) else None
            Copy = copy device
        }

    /// The faster one of each.
    let fastest (a: Rates) (b: Rates) : Rates =
        {
            Fp32 = max a.Fp32 b.Fp32
            Bf16 = max a.Bf16 b.Bf16
            Copy = max a.Copy b.Copy
        }

/// The fastest that a device has been seen to do so far. A machine that others work on as well shows its peak only now and then, so it is
/// looked at again before each timing.
[<Sealed>]
type Peak(device: torch.Device, bf16: bool) =
    let mutable seen = Rates.measure device bf16

    /// What has been seen.
    member _.Seen: Rates = seen

    /// Measures once more.
    member _.Look() : Rates =
        seen <- Rates.fastest seen (Rates.measure device bf16)
        seen
