namespace DeqDet.Solver

open System
open TorchSharp

/// Lives from one evaluation to the next.
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

/// Lives through the whole solve, written in place: rows of finished parts are never written again.
type internal Books =
    {
        Parts: int
        /// A row for each part of the batch.
        Best: torch.Tensor
        BestResidual: torch.Tensor
        Ledgers: Ledger[]
        Outcomes: Outcome option[]
        mutable Spent: int64
        mutable Rows: TraceRow list
    }

/// What happens to samples and their parts between two evaluations: they are measured, remembered, come to rest, and leave.
module internal Frame =

    /// A row for each part: [A, parts, ...] -> [A * parts, ...]; samples of one part are rows already.
    let byPart (parts: int) (tensor: torch.Tensor) =
        if parts = 1 then tensor else tensor.flatten (0, 1)

    /// The rows of the moving parts.
    let moving (parts: int) (frame: Frame) (tensor: torch.Tensor) =
        let rows = byPart parts tensor

        match frame.Places with
        | None -> rows
        | Some places -> rows.index_select (0, places)

    /// `held`, with the moving parts taken from `fresh`.
    let onlyMoving (parts: int) (frame: Frame) (held: torch.Tensor) (fresh: torch.Tensor) =
        match frame.Places with
        | None -> fresh
        | Some places ->
            let rows = (byPart parts held).clone()

            rows.index_copy_(0, places, moving parts frame fresh).reshape held.shape

    let evaluate (parts: int) (map: PartMap) (frame: Frame) : torch.Tensor =
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

        onlyMoving parts frame frame.State (image.detach ())

    let measure (parts: int) (tolerance: Tolerance) (frame: Frame) (image: torch.Tensor) : Measured =
        let measured =
            tolerance.Measure (moving parts frame frame.State) (moving parts frame image)

        for name, numbers in [ "absolute", measured.Absolute; "relative", measured.Relative ] do
            if
                not (Native.sameShape numbers frame.MovingIndex)
                || numbers.dtype <> torch.float64
            then
                invalidArg "measure" $"the {name} residual must be float64 with one number a row"

        measured

    /// Keeps, of the moving parts, the states (or their images) that are better than all before, and those that have converged.
    let remember (options: SolveOptions) (books: Books) (frame: Frame) (image: torch.Tensor) (measured: Measured) =
        let tolerance = options.Tolerance
        let everyone = frame.Moving.Length = books.Ledgers.Length

        let current (book: torch.Tensor) =
            if everyone then
                book
            else
                book.index_select (0, frame.MovingIndex)

        let write (book: torch.Tensor) (rows: torch.Tensor) =
            if everyone then
                book.copy_ rows |> ignore
            else
                book.index_copy_ (0, frame.MovingIndex, rows) |> ignore

        let within (bound: float option) (numbers: torch.Tensor) (chosen: torch.Tensor) =
            match bound with
            | Some bound -> chosen.logical_or (numbers.le (bound.ToScalar()))
            | None -> chosen

        let before = current books.BestResidual

        let chosen =
            measured.Absolute.lt before
            |> within tolerance.Absolute measured.Absolute
            |> within tolerance.Relative measured.Relative

        let choose (chosen: torch.Tensor) fresh (book: torch.Tensor) =
            write book (torch.where (chosen, fresh, current book))

        let kept =
            moving books.Parts frame (if options.Answer = Image then image else frame.State)

        choose (Native.overSamples kept chosen) kept books.Best
        choose chosen measured.Absolute books.BestResidual

    /// Writes the measured numbers into the ledgers; the parts that go on.
    let settle (options: SolveOptions) (books: Books) (number: int) (parts: int[]) (numbers: float[]) : int[] =
        let count = parts.Length

        let going =
            [|
                for position in 0 .. count - 1 do
                    let part = parts[position]

                    let ledger =
                        Ledger.observe numbers[position] numbers[count + position] books.Ledgers[part]

                    books.Ledgers[part] <- ledger
                    books.Outcomes[part] <- Ledger.verdict options.Tolerance options.Divergence ledger

                    if books.Outcomes[part].IsNone then
                        part
            |]

        if options.Trace then
            let whole offset =
                let row = Array.create books.Ledgers.Length nan

                parts |> Array.iteri (fun at part -> row[part] <- numbers[offset + at])

                row

            books.Rows <-
                {
                    Evaluation = number + 1
                    Absolute = whole 0
                    Relative = whole count
                }
                :: books.Rows

        going

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
                let rows = (byPart books.Parts tensor).clone()
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
            State = onlyMoving parts frame frame.State advanced.Next
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
