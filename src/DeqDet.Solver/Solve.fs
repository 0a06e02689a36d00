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
            Active: int[]
            Index: torch.Tensor
            State: torch.Tensor
            Memory: torch.Tensor list
        }

    /// Lives through the whole solve, written in place: rows of finished samples are never written again.
    type private Books =
        {
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

    let private evaluate (map: BatchMap) (frame: Frame) : torch.Tensor =
        let image = map frame.State frame.Index

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

    let private measure (tolerance: Tolerance) (frame: Frame) (image: torch.Tensor) : Measured =
        let measured = tolerance.Measure frame.State image

        for name, numbers in [ "absolute", measured.Absolute; "relative", measured.Relative ] do
            if not (Native.sameShape numbers frame.Index) || numbers.dtype <> torch.float64 then
                invalidArg "measure" $"the {name} residual must be float64 with one number a sample"

        measured

    /// Keeps, of the active samples, the states that are better than all before, and those that have converged.
    let private remember (tolerance: Tolerance) (books: Books) (frame: Frame) (measured: Measured) =
        let everyone = frame.Active.Length = books.Ledgers.Length

        let current (book: torch.Tensor) =
            if everyone then
                book
            else
                book.index_select (0, frame.Index)

        let write (book: torch.Tensor) (rows: torch.Tensor) =
            if everyone then
                book.copy_ rows |> ignore
            else
                book.index_copy_ (0, frame.Index, rows) |> ignore

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

        choose (Native.overSamples frame.State chosen) frame.State books.Best
        choose chosen measured.Absolute books.BestResidual

    /// Writes the measured numbers into the ledgers; the positions in the frame of the samples that go on.
    let private settle (options: SolveOptions) (books: Books) (frame: Frame) (numbers: float[]) : int[] =
        let count = frame.Active.Length

        let going =
            [|
                for position in 0 .. count - 1 do
                    let sample = frame.Active[position]

                    let ledger =
                        Ledger.observe numbers[position] numbers[count + position] books.Ledgers[sample]

                    books.Ledgers[sample] <- ledger
                    books.Outcomes[sample] <- Ledger.verdict options.Tolerance options.Divergence ledger

                    if books.Outcomes[sample].IsNone then
                        position
            |]

        if options.Trace then
            let whole offset =
                let row = Array.create books.Ledgers.Length nan

                frame.Active
                |> Array.iteri (fun at sample -> row[sample] <- numbers[offset + at])

                row

            books.Rows <-
                {
                    Evaluation = frame.Number + 1
                    Absolute = whole 0
                    Relative = whole count
                }
                :: books.Rows

        going

    /// The frame and the image without the samples that have finished.
    let private leave (going: int[]) (frame: Frame) (image: torch.Tensor) : Frame * torch.Tensor =
        if going.Length = frame.Active.Length then
            frame, image
        else
            let rows = torch.tensor (going |> Array.map int64, device = frame.State.device)
            let select (tensor: torch.Tensor) = tensor.index_select (0, rows)

            { frame with
                Active = going |> Array.map (fun position -> frame.Active[position])
                Index = select frame.Index
                State = select frame.State
                Memory = frame.Memory |> List.map select
            },
            select image

    let private advance (scheme: Scheme) (frame: Frame) (image: torch.Tensor) : Frame =
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
            State = advanced.Next
            Memory = advanced.Memory
        }

    let private tensors (frame: Frame) =
        frame.Index :: frame.State :: frame.Memory

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
            | Evaluations limit when books.Spent + int64 frame.Active.Length > limit -> Some BudgetUsed
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

        let frame number =
            {
                Number = number
                Active = Array.init count id
                Index = log
                State = log
                Memory = []
            }

        for number in 0 .. int log.shape[0] - 1 do
            let row = numbers[2 * count * number .. 2 * count * (number + 1) - 1]
            settle options books (frame number) row |> ignore

    /// Solves z = f(z) for each sample of `start` [B, ...]. No gradients are recorded; attach one with `Gradient`.
    /// A hard problem is an outcome, not an exception. Raises ArgumentException, naming the argument, for settings out of
    /// range, a start without batch axis or with NaN, and a map that changes shape, type or device; what the map itself
    /// raises comes through. Nothing but the returned state outlives the call.
    let runIndexed (options: SolveOptions) (map: BatchMap) (start: torch.Tensor) : Solution =
        check options start
        use scope = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let live = Tolerance.tests options.Tolerance
        let count = int start.shape[0]
        let onDevice = start.device
        let first = start.detach().clone()

        let books =
            {
                Best = first.clone ()
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
            let image = evaluate map frame
            let measured = measure options.Tolerance frame image
            books.Spent <- books.Spent + int64 frame.Active.Length
            remember options.Tolerance books frame measured

            match options.Observer with
            | Some observer ->
                observer
                    {
                        Evaluation = frame.Number + 1
                        Index = frame.Index
                        State = frame.State
                        Image = image
                    }
            | None -> ()

            let numbers = torch.stack ([| measured.Absolute; measured.Relative |])

            let going =
                match log with
                | Some log ->
                    log.select(0, int64 frame.Number).copy_ numbers |> ignore
                    Array.init count id
                | None -> settle options books frame (numbers.cpu().data<float>().ToArray())

            let smaller, image = leave going frame image
            let onlyTested = options.Answer = Best && frame.Number + 1 >= options.Steps

            let next =
                if smaller.Active.Length = 0 || onlyTested then
                    { smaller with
                        Number = smaller.Number + 1
                    }
                else
                    advance options.Scheme smaller image

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

        let final, ending =
            loop
                {
                    Number = 0
                    Active = Array.init count id
                    Index = torch.arange (int64 count, dtype = torch.int64, device = onDevice)
                    State = first
                    Memory = options.Scheme.Init first
                }

        if options.Answer = Last && final.Active.Length = count then
            books.Best.copy_ (Scheme.finiteOr books.Best final.State) |> ignore
        elif options.Answer = Last && final.Active.Length > 0 then
            let best = books.Best.index_select (0, final.Index)

            books.Best.index_copy_ (0, final.Index, Scheme.finiteOr best final.State)
            |> ignore

        match log with
        | None ->
            let rows = List.rev books.Rows
            Solution(books.Best.MoveToOuterDisposeScope(), ending, lazy (reports options books), lazy rows)
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

            Solution(books.Best.MoveToOuterDisposeScope(), ending, reports, trace)

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
