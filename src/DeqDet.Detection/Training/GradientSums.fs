namespace DeqDet.Detection

open System
open System.Collections.Generic
open TorchSharp
open DeqDet.Communication
open DeqDet.Kernels
open DeqDet.Model

/// Gradients that lie side by side in one flat tensor, of which each weight's `grad` is a view, and their sum over all processes.
[<Sealed>]
type private FlatGradients(communicator: ICommunicator, weights: torch.Tensor list) =

    // every gradient begins a cache line of its own, as kernels like it
    static let place (weight: torch.Tensor) = (weight.numel () + 15L) / 16L * 16L

    /// Numbers of one sum: large enough for the network's bandwidth, small enough that the first are there while the last are on the way.
    static let mostInSum = 4L <<< 20

    let total = weights |> List.sumBy place
    let device = weights.Head.device
    let onHost = device.``type`` = DeviceType.CPU

    let flat =
        torch.zeros([| total |], dtype = torch.float32, device = device).DetachFromDisposeScope()

    /// What is summed: the gradients themselves, or their copy in the host's memory.
    let host =
        if onHost then
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
        if not onHost then
            host.copy_ flat |> ignore

        let address = TensorMemory.Address host

        for start in 0L .. mostInSum .. total - 1L do
            let count = min mostInSum (total - start)
            pending.Add(communicator.StartSum(address + nativeint (start * 4L), count))

    /// Waits for the sum.
    member _.Finish() : unit =
        for sum in pending do
            sum.Wait()

        pending.Clear()

        if not onHost then
            flat.copy_ (host, nonBlocking = true) |> ignore

    interface IDisposable with
        member _.Dispose() =
            flat.Dispose()

            if not onHost then
                host.Dispose()

/// Sums a detector's gradients over all processes: those of the decoder while neck and backbone compute theirs.
[<Sealed>]
type GradientSums(communicator: ICommunicator, detector: Detector) =

    let isOfDecoder (spec: Spec) =
        not (spec.Name.StartsWith("backbone.", StringComparison.Ordinal))
        && not (spec.Name.StartsWith("neck.", StringComparison.Ordinal))

    let decoder, others =
        Detector.trainable detector |> List.partition (fst >> isOfDecoder)

    let group weights =
        match List.map snd weights with
        | [] -> None
        | weights -> Some(new FlatGradients(communicator, weights))

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
