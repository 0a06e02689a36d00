namespace DeqDet.Solver

open System
open TorchSharp

/// What a solve remembers of its parts, written in place: the rows of parts that have finished are not written again.
type internal Books =
    {
        Parts: int
        /// A row for each part of the batch.
        Best: torch.Tensor
        /// The initial state.
        Start: torch.Tensor
        BestResidual: torch.Tensor
        Ledgers: Ledger[]
        Outcomes: Outcome option[]
        /// What the measure keeps of the first evaluation.
        mutable Anchor: torch.Tensor option
        mutable Spent: int64
        mutable Rows: TraceRow list
    }

/// Measuring, remembering and judging the moving parts after an evaluation.
module internal Books =

    let create (parts: int) (start: torch.Tensor) : Books =
        let rows = Frame.byPart parts (start.detach ())
        let count = int start.shape[0] * parts

        {
            Parts = parts
            Best = rows.clone ()
            Start = rows
            BestResidual =
                infinity
                |> Native.withNumber (fun number -> torch.full ([| int64 count |], number, torch.float64, start.device))
            Ledgers = Array.create count Ledger.empty
            Outcomes = Array.create count None
            Anchor = None
            Spent = 0L
            Rows = []
        }

    let private everyoneMoves (books: Books) (frame: Frame) =
        frame.Moving.Length = books.Ledgers.Length

    /// The moving parts' rows of a book.
    let private current (books: Books) (frame: Frame) (book: torch.Tensor) =
        if everyoneMoves books frame then
            book
        else
            book.index_select (0, frame.MovingIndex)

    let private write (books: Books) (frame: Frame) (book: torch.Tensor) (rows: torch.Tensor) =
        if everyoneMoves books frame then
            book.copy_ rows |> ignore
        else
            book.index_copy_ (0, frame.MovingIndex, rows) |> ignore

    let private measureOf (tolerance: Tolerance) (books: Books) (frame: Frame) =
        Option.map (current books frame) books.Anchor |> Tolerance.anchored tolerance

    /// The residuals of the moving parts, from the rows of their states and images.
    let measure
        (tolerance: Tolerance)
        (books: Books)
        (frame: Frame)
        (state: torch.Tensor)
        (image: torch.Tensor)
        : Measured =
        if frame.Number = 0 then
            books.Anchor <- Tolerance.anchor tolerance state image
            Option.toList books.Anchor |> Native.keep

        let measured = measureOf tolerance books frame state image

        for name, numbers in [ "absolute", measured.Absolute; "relative", measured.Relative ] do
            if
                not (Native.sameShape numbers frame.MovingIndex)
                || numbers.dtype <> torch.float64
            then
                invalidArg "measure" $"the {name} residual must be float64 with one number a row"

        measured

    /// The residuals on the host; waits for the device.
    let residuals
        (tolerance: Tolerance)
        (books: Books)
        (frame: Frame)
        (state: torch.Tensor)
        (measured: Measured)
        : Residual[] =
        let resolution =
            state
            |> Tolerance.resolution (measureOf tolerance books frame) (current books frame books.Start)

        let numbers =
            torch.stack([| measured.Absolute; measured.Relative; resolution |]).cpu().data<float>().ToArray()

        let count = frame.Moving.Length

        Array.init count (fun at ->
            {
                Absolute = numbers[at]
                Relative = numbers[count + at]
                Resolution = numbers[2 * count + at]
            })

    /// Writes the residuals of an evaluation of `parts` into the ledgers. Gives the parts that go on, and the places of those whose
    /// residual is not to be relied on.
    let settle (options: SolveOptions) (books: Books) (number: int) (parts: int[]) (residuals: Residual[]) =
        let verdicts =
            Array.map2
                (fun part residual ->
                    let ledger = books.Ledgers[part]
                    let verdict = Termination.judge options.Tolerance options.Divergence ledger residual

                    let trust, outcome =
                        match verdict with
                        | GoOn trust -> trust, None
                        | Finished(outcome, trust) -> trust, Some outcome

                    books.Ledgers[part] <- Ledger.observe trust residual ledger
                    books.Outcomes[part] <- outcome
                    trust)
                parts
                residuals

        if options.Trace then
            let whole (number: Residual -> float) =
                let row = Array.create books.Ledgers.Length nan
                Array.iter2 (fun part residual -> row[part] <- number residual) parts residuals
                row

            books.Rows <-
                {
                    Evaluation = number + 1
                    Absolute = whole _.Absolute
                    Relative = whole _.Relative
                }
                :: books.Rows

        parts |> Array.filter (fun part -> books.Outcomes[part].IsNone),
        [|
            for at in 0 .. parts.Length - 1 do
                if verdicts[at] <> Sound then
                    at
        |]

    /// Keeps, of the moving parts, the states (or their images) that are better than all before, and those that have converged, but for
    /// the places whose residual is not to be relied on.
    let remember
        (options: SolveOptions)
        (books: Books)
        (frame: Frame)
        (state: torch.Tensor)
        (image: torch.Tensor)
        (measured: Measured)
        (unreliable: int[])
        =
        let tolerance = options.Tolerance

        let within (bound: float option) (numbers: torch.Tensor) (chosen: torch.Tensor) =
            match bound with
            | Some bound -> chosen.logical_or (bound |> Native.withNumber numbers.le)
            | None -> chosen

        let before = current books frame books.BestResidual

        let chosen =
            measured.Absolute.lt before
            |> within tolerance.Absolute measured.Absolute
            |> within tolerance.Relative measured.Relative

        if unreliable.Length > 0 then
            let places = torch.tensor (Array.map int64 unreliable, device = chosen.device)

            chosen.index_copy_ (0, places, torch.zeros_like places |> _.to_type(torch.bool))
            |> ignore

        let choose (chosen: torch.Tensor) fresh (book: torch.Tensor) =
            write books frame book (torch.where (chosen, fresh, current books frame book))

        let kept = if options.Answer = Image then image else state

        choose (Native.overSamples kept chosen) kept books.Best
        choose chosen measured.Absolute books.BestResidual

    /// The answers [B * parts, ...]: the best states, but the last ones of the parts that have not finished where those are asked for.
    let answer (options: SolveOptions) (books: Books) (final: Frame) : torch.Tensor =
        if options.Answer = Last && final.Moving.Length > 0 then
            Scheme.finiteOr (current books final books.Best) (Frame.moving books.Parts final final.State)
            |> write books final books.Best

        books.Best

    /// What there is to report of all parts.
    let reports (options: SolveOptions) (books: Books) : Report[] =
        Array.map2
            (fun ledger outcome -> Ledger.report (options.Answer = Last) (defaultArg outcome StepLimit) ledger)
            books.Ledgers
            books.Outcomes
