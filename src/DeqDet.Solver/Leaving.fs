namespace DeqDet.Solver

open System
open TorchSharp

/// Parts that have finished come to rest where the others see them, and samples all of whose parts have finished leave.
module internal Leaving =

    /// The state and the image with the parts that have just come to rest at their answers, where the others see them.
    let private rest (books: Books) (going: int[]) (frame: Frame) (image: torch.Tensor) =
        if books.Parts = 1 || going.Length = frame.Moving.Length then
            frame.State, image
        else
            let isGoing = Collections.Generic.HashSet going
            let resting = frame.Moving |> Array.filter (isGoing.Contains >> not)

            let place =
                dict (frame.Active |> Array.mapi (fun at sample -> sample, at * books.Parts))

            let onDevice (numbers: int[]) =
                torch.tensor (numbers |> Array.map int64, device = frame.State.device)

            let places =
                onDevice (
                    resting
                    |> Array.map (fun part -> place[part / books.Parts] + part % books.Parts)
                )

            let answers = books.Best.index_select (0, onDevice resting)

            let put (tensor: torch.Tensor) =
                let rows = (Frame.byPart books.Parts tensor).clone()
                rows.index_copy_(0, places, answers).reshape tensor.shape

            put frame.State, put image

    /// The frame and the image without what has finished: parts stay where they are and move no more, samples all of whose parts
    /// have finished are gone.
    let leave (books: Books) (going: int[]) (frame: Frame) (image: torch.Tensor) : Frame * torch.Tensor =
        if going.Length = frame.Moving.Length then
            frame, image
        else
            let onDevice (numbers: int[]) =
                torch.tensor (numbers |> Array.map int64, device = frame.State.device)

            let state, image = rest books going frame image
            let samples = going |> Array.map (fun part -> part / books.Parts) |> Array.distinct
            let left = Collections.Generic.HashSet samples

            let positions =
                [|
                    for at in 0 .. frame.Active.Length - 1 do
                        if left.Contains frame.Active[at] then
                            at
                |]

            let rows = onDevice positions

            let select (tensor: torch.Tensor) =
                if positions.Length = frame.Active.Length then
                    tensor
                else
                    tensor.index_select (0, rows)

            let index = select frame.Index
            let all = going.Length = samples.Length * books.Parts

            { frame with
                Active = samples
                Index = index
                Moving = going
                MovingIndex = if books.Parts = 1 then index else onDevice going
                Places =
                    if all then
                        None
                    else
                        let place = dict (samples |> Array.mapi (fun at sample -> sample, at * books.Parts))

                        going
                        |> Array.map (fun part -> place[part / books.Parts] + part % books.Parts)
                        |> onDevice
                        |> Some
                State = select state
                Memory = frame.Memory |> List.map select
            },
            select image
