namespace DeqDet.Solver

open TorchSharp

/// The residuals of a solve without tolerance, which no part ever leaves: they stay on the device, so that nothing waits for it, and are
/// judged when somebody looks at the reports.
module internal FixedSteps =

    /// Room for the residuals of all evaluations, [N, 2, parts].
    let log (options: SolveOptions) (books: Books) : torch.Tensor =
        torch.zeros (
            [| int64 options.Steps; 2L; int64 books.Ledgers.Length |],
            torch.float64,
            books.BestResidual.device
        )

    /// Puts the residuals of an evaluation into the log.
    let note (log: torch.Tensor) (number: int) (measured: Measured) : unit =
        log.select(0, int64 number).copy_(torch.stack ([| measured.Absolute; measured.Relative |]))
        |> ignore

    /// Writes the log of the evaluations that were made, [N, 2, parts], into the books, as a solve that tests would have done.
    let replay (options: SolveOptions) (books: Books) (log: torch.Tensor) : unit =
        let count = books.Ledgers.Length
        use onHost = log.cpu ()
        let numbers = onHost.data<float>().ToArray()
        let everyone = Array.init count id

        for number in 0 .. int log.shape[0] - 1 do
            let first = 2 * count * number

            Array.init count (fun part ->
                {
                    Absolute = numbers[first + part]
                    Relative = numbers[first + count + part]
                    Resolution = 0.0
                })
            |> Books.settle options books number everyone
            |> ignore
