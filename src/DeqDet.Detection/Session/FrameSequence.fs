namespace DeqDet.Detection

open System
open System.Threading
open DeqDet.Data
open DeqDet.Model

/// Images that follow each other, each solved from the equilibrium of the one before it: what moved little needs little refinement.
/// Where that fails, or the size changes, an image begins as usual.
type FrameSequence(session: DetectorSession) =
    let mutable previous: (Query * struct (int * int)) option = None
    let mutable warm = 0
    let mutable failed = 0

    let forget () =
        match previous with
        | Some(query, _) ->
            for tensor in Query.tensors query do
                tensor.Dispose()
        | None -> ()

        previous <- None

    /// Images that began at the equilibrium of the one before.
    member _.Warm: int = warm

    /// Images whose warm start failed, so that they began anew.
    member _.Failed: int = failed

    /// What is found in the next image, a batch of one. Raises OperationCanceledException when cancelled.
    member _.Next(image: Batch, cancellation: CancellationToken) : Prediction =
        let size = struct (image.Width, image.Height)

        let start =
            match previous with
            | Some(query, before) when before = size -> Some query
            | _ -> None

        let predictions, state, held = session.PredictFrom(start, image, cancellation)
        forget ()
        previous <- Some(state, size)

        if held then
            warm <- warm + 1
        elif start.IsSome then
            failed <- failed + 1

        predictions[0]

    interface IDisposable with
        member _.Dispose() = forget ()
