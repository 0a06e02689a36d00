namespace DeqDet.Solver

open System
open TorchSharp

/// What one evaluation hands to the next.
type internal Frame =
    {
        Number: int
        /// Samples that are left, in ascending order, and the same on the device, [A].
        Active: int[]
        Index: torch.Tensor
        /// Their parts that still move, numbered through the batch (sample * parts + part), and the same on the device, [W].
        /// Where a sample is of one part these are the samples themselves.
        Moving: int[]
        MovingIndex: torch.Tensor
        /// Where the moving parts lie among the A * parts rows of the state, [W]; None: they are all of them.
        Places: torch.Tensor option
        State: torch.Tensor
        Memory: torch.Tensor list
    }

/// The states of a solve from one evaluation to the next: what is evaluated, and where the scheme goes from there.
module internal Frame =

    /// The first frame of a solve from `state` [B, ...].
    let first (parts: int) (memory: torch.Tensor list) (state: torch.Tensor) : Frame =
        let samples = int state.shape[0]

        let numbers (many: int) = Native.below (int64 many) state.device

        let index = numbers samples

        {
            Number = 0
            Active = Array.init samples id
            Index = index
            Moving = Array.init (samples * parts) id
            MovingIndex = if parts = 1 then index else numbers (samples * parts)
            Places = None
            State = state
            Memory = memory
        }

    /// A row for each part: [A, parts, ...] -> [A * parts, ...]; samples of one part are rows already.
    let byPart (parts: int) (tensor: torch.Tensor) =
        if parts = 1 then tensor else tensor.flatten (0, 1)

    /// The rows of the moving parts.
    let moving (parts: int) (frame: Frame) (tensor: torch.Tensor) =
        let rows = byPart parts tensor

        match frame.Places with
        | None -> rows
        | Some places -> rows.index_select (0, places)

    /// The state, with the moving parts' rows in their places.
    let withMoving (parts: int) (frame: Frame) (rows: torch.Tensor) =
        let state = frame.State

        match frame.Places with
        | None -> rows.reshape state.shape
        | Some places -> (byPart parts state).clone().index_copy_(0, places, rows).reshape state.shape

    /// The images; only those of the moving parts count. Raises ArgumentException "map" for what is no image.
    let evaluate (map: PartMap) (frame: Frame) : torch.Tensor =
        let image = map frame.State frame.Index frame.Places

        if isNull image || image.IsInvalid then
            invalidArg (nameof map) "the map returned no tensor"

        if not (Native.sameShape image frame.State) then
            let sizes (tensor: torch.Tensor) =
                tensor.shape |> Seq.map string |> String.concat ", "

            invalidArg
                (nameof map)
                ($"the map made [{sizes image}] of states [{sizes frame.State}]; it must keep their shape, "
                 + "also when only some samples are left (their numbers are its second argument)")

        if image.dtype <> frame.State.dtype || image.device_type <> frame.State.device_type then
            invalidArg
                (nameof map)
                $"the map made {image.dtype} on {image.device} of {frame.State.dtype} on {frame.State.device}"

        image.detach ()

    /// Asks the scheme for the next state of what still moves.
    let advance (parts: int) (scheme: Scheme) (frame: Frame) (image: torch.Tensor) : Frame =
        let advanced =
            scheme.Step
                {
                    Number = frame.Number
                    Memory = frame.Memory
                    State = frame.State
                    Image = image
                }

        { frame with
            Number = frame.Number + 1
            State = moving parts frame advanced.Next |> withMoving parts frame
            Memory = advanced.Memory
        }

    let private tensors (frame: Frame) =
        frame.Index :: frame.MovingIndex :: frame.State :: Option.toList frame.Places
        @ frame.Memory
        |> List.distinctBy (fun tensor -> tensor.Handle)

    /// Hands the new frame to the scope of the solve and frees what the old one alone held.
    let replace (before: Frame) (after: Frame) =
        let without (others: torch.Tensor list) =
            List.filter (fun tensor -> not (List.exists (fun other -> obj.ReferenceEquals(other, tensor)) others))

        let old, fresh = tensors before, tensors after
        // Those of the old frame are in that scope already: moved again, they would outlive the solve.
        fresh |> without old |> Native.keep

        for tensor in old |> without fresh do
            tensor.Dispose()
