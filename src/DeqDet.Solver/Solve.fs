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

    /// One evaluation and what follows from it: the frame of the next one.
    let private iterate options (map: PartMap) (books: Books) (log: torch.Tensor option) (frame: Frame) : Frame =
        use _ = torch.NewDisposeScope()
        let state = Frame.moving books.Parts frame frame.State
        let image = Frame.evaluate map frame |> Frame.moving books.Parts frame
        let measured = Books.measure options.Tolerance books frame state image
        books.Spent <- books.Spent + int64 frame.Moving.Length

        let going, unreliable =
            match log with
            | Some log ->
                FixedSteps.note log frame.Number measured
                frame.Moving, [||]
            | None ->
                Books.residuals options.Tolerance books frame state measured
                |> Books.settle options books frame.Number frame.Moving

        Books.remember options books frame state image measured unreliable

        match options.Observer with
        | Some observer ->
            observer
                {
                    Evaluation = frame.Number + 1
                    Index = frame.MovingIndex
                    State = state
                    Image = image
                }
        | None -> ()

        let smaller, image =
            Frame.withMoving books.Parts frame image |> Leaving.leave books going frame

        let onlyTested = options.Answer <> Last && frame.Number + 1 >= options.Steps

        let next =
            if smaller.Active.Length = 0 || onlyTested then
                { smaller with
                    Number = smaller.Number + 1
                }
            else
                Frame.advance books.Parts options.Scheme smaller image

        Frame.replace frame next
        next

    /// A clock that shows the time since now; it is asked only where there is a budget of time.
    let private stopwatch (budget: Budget) : unit -> TimeSpan =
        match budget with
        | Time(_, clock) ->
            let started = clock ()
            fun () -> clock () - started
        | _ -> fun () -> TimeSpan.Zero

    let private standing (books: Books) (elapsed: unit -> TimeSpan) (frame: Frame) : Standing =
        {
            Number = frame.Number
            Active = frame.Active.Length
            Moving = frame.Moving.Length
            Spent = books.Spent
            Elapsed = elapsed
        }

    /// The loop over samples of `parts` parts each, which lie on the second axis where there are several. `shape`: that of the answer.
    let private solve (options: SolveOptions) (parts: int) (shape: int64[]) (map: PartMap) (start: torch.Tensor) =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let books = Books.create parts start

        let log =
            if Tolerance.tests options.Tolerance then
                None
            else
                Some(FixedSteps.log options books)

        let first = start.detach().clone()
        let elapsed = stopwatch options.Budget

        let rec loop (frame: Frame) =
            match Termination.ending options (standing books elapsed frame) with
            | Some ending -> frame, ending
            | None -> loop (iterate options map books log frame)

        let final, ending = loop (Frame.first parts (options.Scheme.Init first) first)

        let answer =
            (Books.answer options books final).reshape(shape).MoveToOuterDisposeScope()

        let read =
            match log with
            | None -> lazy ()
            | Some log ->
                let log = log.narrow(0, 0, int64 final.Number).MoveToOuterDisposeScope()

                lazy
                    (FixedSteps.replay options books log
                     log.Dispose())

        let reports =
            lazy
                (read.Force()
                 Books.reports options books)

        let trace =
            lazy
                (read.Force()
                 List.rev books.Rows)

        Solution(answer, ending, reports, trace)

    /// Solves z = f(z) for each sample of `start` [B, P, ...], whose `parts` P come to rest one by one: a part that has finished stays at
    /// its answer, bit for bit, where the other parts of its sample see it, and is neither evaluated nor moved any more; the sample
    /// leaves when all of its parts have finished. The scheme works on whole samples. Everything that `runIndexed` says of samples is
    /// said of parts here: the measure compares rows [W, ...] of moving parts, `Reports`, `Trace` and the observer number them through the
    /// batch (sample * P + part), a budget counts their evaluations.
    let runParts (options: SolveOptions) (parts: int) (map: PartMap) (start: torch.Tensor) : Solution =
        check options start

        if parts < 1 || start.dim () < 2L || start.shape[1] <> int64 parts then
            invalidArg (nameof parts) $"the start must be [B, {parts}, ...], a row for each part"

        if parts > 1 then
            solve options parts start.shape map start
        else
            // samples of one part are its rows already; the map alone sees the axis of parts
            let map (rows: torch.Tensor) index places =
                match map (rows.unsqueeze 1L) index places with
                | null -> null
                | image when image.IsInvalid -> image
                | image -> image.squeeze 1L

            use rows = start.squeeze 1L
            solve options 1 start.shape map rows

    /// Solves z = f(z) for each sample of `start` [B, ...]. No gradients are recorded; attach one with `Gradient`.
    /// A hard problem is an outcome, not an exception. Raises ArgumentException, naming the argument, for settings out of
    /// range, a start without batch axis or with NaN, and a map that changes shape, type or device; what the map itself
    /// raises comes through. Nothing but the returned state outlives the call.
    let runIndexed (options: SolveOptions) (map: BatchMap) (start: torch.Tensor) : Solution =
        check options start
        solve options 1 start.shape (fun state index _ -> map state index) start

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
