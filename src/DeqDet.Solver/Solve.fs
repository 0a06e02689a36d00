namespace DeqDet.Solver

open System
open System.Threading
open TorchSharp

/// The one loop: evaluates, measures, lets finished samples leave, asks the scheme for the next states.
module Solve =

    /// Anderson acceleration to a relative residual of 1e-4 in at most 100 evaluations.
    let defaults: SolveOptions =
        {
            Scheme = Anderson.scheme Anderson.defaults
            Tolerance = Tolerance.relative 1e-4
            Steps = 100
            Answer = Best
            Divergence = 1e4
            Budget = Unlimited
            Trace = false
            Observer = None
            Cancellation = CancellationToken.None
        }

    /// Lives from one evaluation to the next.
    type private Frame =
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
    type private Books =
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

    let private check (options: SolveOptions) (start: torch.Tensor) =
        Tolerance.check options.Tolerance

        if options.Steps < 1 then
            invalidArg "steps" $"at least one step is needed, not {options.Steps}"

        if not (options.Divergence > 1.0) then
            invalidArg "divergence" $"the divergence factor must be above 1, not {options.Divergence}"

        match options.Budget with
        | Evaluations limit when limit < 1L -> invalidArg "budget" $"a budget of {limit} evaluations allows none"
        | Time(limit, _) when limit <= TimeSpan.Zero -> invalidArg "budget" $"a budget of {limit} allows nothing"
        | _ -> ()

        if isNull start || start.IsInvalid then
            invalidArg "start" "the initial state is no tensor"

        if start.dim () < 1L then
            invalidArg "start" "the initial state has no batch axis: its shape must be [B, ...]"

        if not (start.is_floating_point ()) then
            invalidArg "start" $"the initial state must hold floating-point numbers, not {start.dtype}"

        // The one look at the numbers before the loop; on an accelerator it would make a solve wait that otherwise never does.
        if Tolerance.tests options.Tolerance || start.device_type = DeviceType.CPU then
            use _ = torch.NewDisposeScope()

            if not (torch.isfinite(start).all().item<bool>()) then
                invalidArg "start" "the initial state holds NaN or infinity"

    /// A row for each part: [A, parts, ...] -> [A * parts, ...]; samples of one part are rows already.
    let private byPart (parts: int) (tensor: torch.Tensor) =
        if parts = 1 then tensor else tensor.flatten (0, 1)

    /// The rows of the moving parts.
    let private moving (parts: int) (frame: Frame) (tensor: torch.Tensor) =
        let rows = byPart parts tensor

        match frame.Places with
        | None -> rows
        | Some places -> rows.index_select (0, places)

    /// `held`, with the moving parts taken from `fresh`.
    let private onlyMoving (parts: int) (frame: Frame) (held: torch.Tensor) (fresh: torch.Tensor) =
        match frame.Places with
        | None -> fresh
        | Some places ->
            let rows = (byPart parts held).clone()

            rows.index_copy_(0, places, moving parts frame fresh).reshape held.shape

    let private evaluate (parts: int) (map: PartMap) (frame: Frame) : torch.Tensor =
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

    let private measure (parts: int) (tolerance: Tolerance) (frame: Frame) (image: torch.Tensor) : Measured =
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
    let private remember
        (options: SolveOptions)
        (books: Books)
        (frame: Frame)
        (image: torch.Tensor)
        (measured: Measured)
        =
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
    let private settle (options: SolveOptions) (books: Books) (number: int) (parts: int[]) (numbers: float[]) : int[] =
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
    let private leave (books: Books) (going: int[]) (frame: Frame) (image: torch.Tensor) : Frame * torch.Tensor =
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

    let private advance (parts: int) (scheme: Scheme) (frame: Frame) (image: torch.Tensor) : Frame =
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
    let private replace (before: Frame) (after: Frame) =
        let without (others: torch.Tensor list) =
            List.filter (fun tensor -> not (List.exists (fun other -> obj.ReferenceEquals(other, tensor)) others))

        let old, fresh = tensors before, tensors after
        // Those of the old frame are in that scope already: moved again, they would outlive the solve.
        fresh |> without old |> Native.keep

        for tensor in old |> without fresh do
            tensor.Dispose()

    let private ending (options: SolveOptions) (books: Books) (started: TimeSpan) (frame: Frame) : Ending option =
        if frame.Active.Length = 0 then
            Some AllFinished
        elif frame.Number >= options.Steps then
            Some StepsUsed
        elif frame.Number = 0 then
            None
        elif options.Cancellation.IsCancellationRequested then
            Some Cancelled
        else
            match options.Budget with
            | Evaluations limit when books.Spent + int64 frame.Moving.Length > limit -> Some BudgetUsed
            | Time(limit, clock) when clock () - started >= limit -> Some BudgetUsed
            | _ -> None

    let private reports (options: SolveOptions) (books: Books) : Report[] =
        Array.map2
            (fun ledger outcome -> Ledger.report (options.Answer = Last) (defaultArg outcome StepLimit) ledger)
            books.Ledgers
            books.Outcomes

    /// Replays a log [N, 2, B] of a solve without tolerance, in which no sample ever left.
    let private replay (options: SolveOptions) (books: Books) (log: torch.Tensor) : unit =
        let count = books.Ledgers.Length
        use onHost = log.cpu ()
        let numbers = onHost.data<float>().ToArray()

        let everyone = Array.init count id

        for number in 0 .. int log.shape[0] - 1 do
            let row = numbers[2 * count * number .. 2 * count * (number + 1) - 1]
            settle options books number everyone row |> ignore

    /// Solves z = f(z) for each sample of `start` [B, P, ...], whose `parts` P come to rest one by one: a part that has finished stays at
    /// its answer, bit for bit, where the other parts of its sample see it, and is neither evaluated nor moved any more; the sample
    /// leaves when all of its parts have finished. The scheme works on whole samples. Everything that `runIndexed` says of samples is
    /// said of parts here: the measure compares rows [W, ...] of moving parts, `Reports`, `Trace` and the observer number them through the
    /// batch (sample * P + part), a budget counts their evaluations.
    let runParts (options: SolveOptions) (parts: int) (map: PartMap) (start: torch.Tensor) : Solution =
        check options start

        if parts < 1 || parts > 1 && (start.dim () < 2L || start.shape[1] <> int64 parts) then
            invalidArg (nameof parts) $"the start must be [B, {parts}, ...], a row for each part"

        use scope = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let live = Tolerance.tests options.Tolerance
        let samples = int start.shape[0]
        let count = samples * parts
        let onDevice = start.device
        let first = start.detach().clone()

        let books =
            {
                Parts = parts
                Best = (byPart parts first).clone()
                BestResidual = torch.full ([| int64 count |], infinity.ToScalar(), torch.float64, onDevice)
                Ledgers = Array.create count Ledger.empty
                Outcomes = Array.create count None
                Spent = 0L
                Rows = []
            }

        let log =
            if live then
                None
            else
                Some(torch.zeros ([| int64 options.Steps; 2L; int64 count |], torch.float64, onDevice))

        let iterate (frame: Frame) : Frame =
            use _ = torch.NewDisposeScope()
            let image = evaluate parts map frame
            let measured = measure parts options.Tolerance frame image
            books.Spent <- books.Spent + int64 frame.Moving.Length
            remember options books frame image measured

            match options.Observer with
            | Some observer ->
                observer
                    {
                        Evaluation = frame.Number + 1
                        Index = frame.MovingIndex
                        State = moving parts frame frame.State
                        Image = moving parts frame image
                    }
            | None -> ()

            let numbers = torch.stack ([| measured.Absolute; measured.Relative |])

            let going =
                match log with
                | Some log ->
                    log.select(0, int64 frame.Number).copy_ numbers |> ignore
                    frame.Moving
                | None -> settle options books frame.Number frame.Moving (numbers.cpu().data<float>().ToArray())

            let smaller, image = leave books going frame image
            let onlyTested = options.Answer <> Last && frame.Number + 1 >= options.Steps

            let next =
                if smaller.Active.Length = 0 || onlyTested then
                    { smaller with
                        Number = smaller.Number + 1
                    }
                else
                    advance parts options.Scheme smaller image

            replace frame next
            next

        let started =
            match options.Budget with
            | Time(_, clock) -> clock ()
            | _ -> TimeSpan.Zero

        let rec loop (frame: Frame) =
            match ending options books started frame with
            | Some ending -> frame, ending
            | None -> loop (iterate frame)

        let numbers (many: int) =
            torch.arange (int64 many, dtype = torch.int64, device = onDevice)

        let index = numbers samples

        let final, ending =
            loop
                {
                    Number = 0
                    Active = Array.init samples id
                    Index = index
                    Moving = Array.init count id
                    MovingIndex = if parts = 1 then index else numbers count
                    Places = None
                    State = first
                    Memory = options.Scheme.Init first
                }

        if options.Answer = Last && final.Moving.Length = count then
            books.Best.copy_ (Scheme.finiteOr books.Best (byPart parts final.State))
            |> ignore
        elif options.Answer = Last && final.Moving.Length > 0 then
            let best = books.Best.index_select (0, final.MovingIndex)

            books.Best.index_copy_ (0, final.MovingIndex, Scheme.finiteOr best (moving parts final final.State))
            |> ignore

        let answer = books.Best.reshape(start.shape).MoveToOuterDisposeScope()

        match log with
        | None ->
            let rows = List.rev books.Rows
            Solution(answer, ending, lazy (reports options books), lazy rows)
        | Some log ->
            let log = log.narrow(0, 0, int64 final.Number).MoveToOuterDisposeScope()

            let read =
                lazy
                    (replay options books log
                     log.Dispose())

            let reports =
                lazy
                    (read.Force()
                     reports options books)

            let trace =
                lazy
                    (read.Force()
                     List.rev books.Rows)

            Solution(answer, ending, reports, trace)

    /// Solves z = f(z) for each sample of `start` [B, ...]. No gradients are recorded; attach one with `Gradient`.
    /// A hard problem is an outcome, not an exception. Raises ArgumentException, naming the argument, for settings out of
    /// range, a start without batch axis or with NaN, and a map that changes shape, type or device; what the map itself
    /// raises comes through. Nothing but the returned state outlives the call.
    let runIndexed (options: SolveOptions) (map: BatchMap) (start: torch.Tensor) : Solution =
        runParts options 1 (fun state index _ -> map state index) start

    /// `runIndexed` for a map that treats all samples alike and takes any number of them.
    let run (options: SolveOptions) (map: torch.Tensor -> torch.Tensor) (start: torch.Tensor) : Solution =
        runIndexed options (fun state _ -> map state) start

    /// Makes a map of the whole batch [B, ...] one of its active samples: the others are computed on zeros and dropped. For
    /// maps that cannot take part of their batch; it saves no work.
    let whole (batch: int64) (map: torch.Tensor -> torch.Tensor) : BatchMap =
        fun state index ->
            if index.shape[0] = batch then
                map state
            else
                let sizes = state.shape
                sizes[0] <- batch
                let all = torch.zeros ((sizes: int64[]), state.dtype, state.device)
                (map (all.index_copy_ (0, index, state))).index_select(0, index)
