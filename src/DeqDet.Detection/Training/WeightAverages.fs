namespace DeqDet.Detection

open System
open TorchSharp
open DeqDet.Model

/// Exponential moving averages of a detector's trainable weights, which often detect better than the weights themselves. The average of
/// step n forgets with min(decay, (1 + n) / (10 + n)), so that it does not stay with what training began with.
[<Sealed>]
type WeightAverages(detector: Detector, decay: float) =

    let weights =
        [
            for spec, weight in Detector.trainable detector ->
                spec, weight, weight.detach().clone().DetachFromDisposeScope()
        ]

    let averaged =
        let averages = dict [ for spec, _, average in weights -> spec.Name, average ]

        let tensorOf (spec: Spec, tensor: torch.Tensor) =
            match averages.TryGetValue spec.Name with
            | true, average -> average
            | _ -> tensor

        let found =
            dict [ for entry in detector.Tensors -> (fst entry).Name, tensorOf entry ]

        // the stored statistics are the detector's own
        Detector.over detector (fun spec -> found[spec.Name])

    /// The detector with the averages in the place of its weights.
    member _.Averaged: Detector = averaged

    /// After the step with this number, from 1.
    member _.Follow(step: int64) : unit =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let step = float step
        let decay = min decay ((1.0 + step) / (10.0 + step))

        for _, weight, average in weights do
            addTo average ((weight - average) * scalar (1.0 - decay)) |> ignore

    interface IDisposable with
        member _.Dispose() =
            Detector.release averaged

            for _, _, average in weights do
                average.Dispose()
