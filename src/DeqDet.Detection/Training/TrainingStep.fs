namespace DeqDet.Detection

open System
open System.Collections.Generic
open TorchSharp
open DeqDet.Data
open DeqDet.Model

/// One optimiser step on one batch.
module TrainingStep =

    let private randomStream = 0x57E9L

    /// Tensors that the forward pass changes: stored statistics of batch normalisations.
    let private buffers (detector: Detector) =
        [
            for spec, tensor in detector.Tensors do
                if spec.Role = Buffer && not spec.Integer then
                    spec.Name, tensor
        ]

    /// Numbers of a step by name, and which tensors are not finite, in one transfer from the device.
    let private read (entries: LossEntry list) (buffers: (string * torch.Tensor) list) =
        let numbers = [ for entry in entries -> entry.Value.``to`` torch.float64 ]

        let finite =
            [ for _, tensor in buffers -> tensor.isfinite().all().``to`` torch.float64 ]

        let values =
            torch.stack(Array.ofList (numbers @ finite)).cpu().data<float>().ToArray()

        let losses =
            [|
                for i, entry in List.indexed entries -> KeyValuePair(entry.Name, values[i])
            |]

        let broken =
            [
                for i, (name, _) in List.indexed buffers do
                    if values[entries.Length + i] <> 1.0 then
                        name
            ]

        losses, broken

    /// Forward and backward pass, clipping, and a step with every learning rate times `factor`; `seed` and the number of the step (from 0)
    /// decide everything random. Gives the entries of the log and the norm that the gradient had.
    /// Raises TrainingDivergedException where a number is not finite. After any error detector and optimiser are as they were before.
    let run
        (state: TrainingState)
        (device: torch.Device)
        (seed: int64)
        (factor: float)
        (batch: Batch)
        : KeyValuePair<string, float>[] * float =
        use _ = torch.NewDisposeScope()
        let detector, optimiser, step = state.Detector, state.Optimiser, state.Progress.Step

        use generator =
            let random = SplitMix64.For(seed, ReadOnlySpan [| randomStream; step |])
            new torch.Generator(random.Next(), torch.CPU)

        let buffers = buffers detector
        let before = [ for _, tensor in buffers -> tensor.clone () ]

        let restore () =
            use _ = torch.no_grad ()

            for (_, tensor), saved in List.zip buffers before do
                tensor.copy_ saved |> ignore

        let gradients () =
            optimiser.ZeroGradients()

            let entries =
                Detector.trainStep
                    detector
                    (BatchTensors.images device batch)
                    (BatchTensors.targets device batch)
                    generator

            let losses, broken = read entries buffers
            let norm = optimiser.ClipGradients()

            let faults =
                [
                    for entry in losses do
                        if not (Double.IsFinite entry.Value) then
                            entry.Key

                    if not (Double.IsFinite norm) then
                        $"the gradient's norm ({norm})"

                    yield! broken
                ]

            if not faults.IsEmpty then
                let names = String.concat ", " [ for image in batch.Images -> image.FileName ]
                let faults = String.concat ", " faults

                raise (
                    TrainingDivergedException
                        $"training diverged at step {step + 1L}: not finite: {faults}; images {names}"
                )

            losses, norm

        let losses, norm =
            try
                gradients ()
            with _ ->
                restore ()
                reraise ()

        optimiser.Step factor
        losses, norm
