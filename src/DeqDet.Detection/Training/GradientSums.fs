namespace DeqDet.Detection

open System
open System.Collections.Generic
open TorchSharp
open DeqDet.Communication
open DeqDet.Communication.Nccl
open DeqDet.Kernels
open DeqDet.Model

/// Gradients that lie side by side in one flat tensor, of which each weight's `grad` is a view, and their sum over all processes: between GPUs
/// where there is a way, else through the host's memory.
[<Sealed>]
type private FlatGradients(communicator: ICommunicator, gpus: NcclSums option, weights: torch.Tensor list) =

    // every gradient begins a cache line of its own, as kernels like it
    static let place (weight: torch.Tensor) = (weight.numel () + 15L) / 16L * 16L

    /// Numbers of one sum, 1 MiB: what stays in a processor's caches. All sums of a step are under way together.
    static let mostInSum = 256L <<< 10

    let total = weights |> List.sumBy place
    let device = weights.Head.device
    /// Whether the sum is made where the gradients lie.
    let inPlace = device.``type`` = DeviceType.CPU || gpus.IsSome

    let flat =
        torch.zeros([| total |], dtype = torch.float32, device = device).DetachFromDisposeScope()

    /// What is summed: the gradients themselves, or their copy in the host's memory.
    let summed =
        if inPlace then
            flat
        else
            torch.zeros([| total |], dtype = torch.float32).pin_memory().DetachFromDisposeScope()

    let pending = List<IPending>()

    do
        use _ = torch.NewDisposeScope()

        (0L, weights)
        ||> List.fold (fun start weight ->
            weight.grad <- flat.narrow(0L, start, weight.numel ()).view(weight.shape)
            start + place weight)
        |> ignore

    /// Begins the sum; the gradients must not be touched until `Finish`.
    member _.Start() : unit =
        if not inPlace then
            summed.copy_ flat |> ignore

        let address = TensorMemory.Address summed

        let start address count =
            match gpus with
            | Some gpus -> gpus.StartSum(address, count)
            | None -> communicator.StartSum(address, count)

        for first in 0L .. mostInSum .. total - 1L do
            let count = min mostInSum (total - first)
            pending.Add(start (address + nativeint (first * 4L)) count)

    /// Waits for the sum.
    member _.Finish() : unit =
        for sum in pending do
            sum.Wait()

        pending.Clear()

        if not inPlace then
            flat.copy_ (summed, nonBlocking = true) |> ignore

    interface IDisposable with
        member _.Dispose() =
            flat.Dispose()

            if not inPlace then
                summed.Dispose()

/// Sums a detector's gradients over all processes: those of the decoder while neck and backbone compute theirs. `notice` gets, in the first
/// process, why GPUs are summed through the host's memory, if they are.
[<Sealed>]
type GradientSums(communicator: ICommunicator, detector: Detector, notice: string -> unit) =

    let isOfDecoder (spec: Spec) =
        not (spec.Name.StartsWith("backbone.", StringComparison.Ordinal))
        && not (spec.Name.StartsWith("neck.", StringComparison.Ordinal))

    let decoder, others =
        Detector.trainable detector |> List.partition (fst >> isOfDecoder)

    let gpus =
        match Detector.trainable detector with
        | (_, weight) :: _ when weight.device.``type`` = DeviceType.CUDA ->
            NcclSums.Open(communicator, weight.device.index, notice) |> Option.ofObj
        | _ -> None

    let group weights =
        match List.map snd weights with
        | [] -> None
        | weights -> Some(new FlatGradients(communicator, gpus, weights))

    let decoder, others = group decoder, group others
    let mutable started = false

    /// Whether the sums of a step have been begun, so that the step cannot be computed anew.
    member _.Started: bool = started

    /// Begins with the gradients of the decoder, once they are complete.
    member _.StartDecoder() : unit =
        started <- true
        decoder |> Option.iter _.Start()

    /// Sums the others, and waits for all.
    member _.Finish() : unit =
        others |> Option.iter _.Start()
        decoder |> Option.iter _.Finish()
        others |> Option.iter _.Finish()
        started <- false

    interface IDisposable with
        member _.Dispose() =
            for group in List.choose id [ decoder; others ] do
                (group :> IDisposable).Dispose()

            for gpus in Option.toList gpus do
                (gpus :> IDisposable).Dispose()
