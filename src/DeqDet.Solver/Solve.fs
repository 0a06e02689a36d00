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
            Frame.settle options books number everyone row |> ignore

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
                Best = (Frame.byPart parts first).clone()
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
            let image = Frame.evaluate parts map frame
            let measured = Frame.measure parts options.Tolerance frame image
            books.Spent <- books.Spent + int64 frame.Moving.Length
            Frame.remember options books frame image measured

            match options.Observer with
            | Some observer ->
                observer
                    {
                        Evaluation = frame.Number + 1
                        Index = frame.MovingIndex
                        State = Frame.moving parts frame frame.State
                        Image = Frame.moving parts frame image
                    }
            | None -> ()

            let numbers = torch.stack ([| measured.Absolute; measured.Relative |])

            let going =
                match log with
                | Some log ->
                    log.select(0, int64 frame.Number).copy_ numbers |> ignore
                    frame.Moving
                | None -> Frame.settle options books frame.Number frame.Moving (numbers.cpu().data<float>().ToArray())

            let smaller, image = Frame.leave books going frame image
            let onlyTested = options.Answer <> Last && frame.Number + 1 >= options.Steps

            let next =
                if smaller.Active.Length = 0 || onlyTested then
                    { smaller with
                        Number = smaller.Number + 1
                    }
                else
                    Frame.advance parts options.Scheme smaller image

            Frame.replace frame next
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
            books.Best.copy_ (Scheme.finiteOr books.Best (Frame.byPart parts final.State))
            |> ignore
        elif options.Answer = Last && final.Moving.Length > 0 then
            let best = books.Best.index_select (0, final.MovingIndex)

            books.Best.index_copy_ (0, final.MovingIndex, Scheme.finiteOr best (Frame.moving parts final final.State))
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
