namespace DeqDet.Solver

open System
open System.Threading
open TorchSharp

/// The map of a fixed-point problem: states of the active samples [A, ...] and their numbers in the batch (int64 [A], on the
/// device of the state) -> images [A, ...], in a tensor that is not overwritten later. No sample may look at another.
type BatchMap = torch.Tensor -> torch.Tensor -> torch.Tensor

/// The map of a problem whose samples have parts that come to rest one by one: states [A, P, ...] of the active samples, their numbers
/// (int64 [A]), and the places of the parts that still move among the A * P rows (int64 [W]; None: all of them) -> images [A, P, ...].
/// Only the moving parts' rows are looked at; the others are at rest and may hold anything. Parts of one sample may look at each other.
type PartMap = torch.Tensor -> torch.Tensor -> torch.Tensor option -> torch.Tensor

/// Which state a sample gives back that has not converged.
type Answer =
    /// The one with the smallest absolute residual among those evaluated.
    | Best
    /// The one after the last step, which nobody has evaluated yet: with `Picard` and N steps this is f applied N times.
    /// Samples that diverged or met NaN give their best state all the same.
    | Last
    /// The image f(z) of the state that converged, or of the best one: one application ahead of what was measured, for nothing.
    /// `Report.EmpiricalError` is about this state.
    | Image

/// What a solve may spend at most, beside its steps. At least one evaluation is always made.
type Budget =
    | Unlimited
    /// Evaluations, summed over the samples.
    | Evaluations of int64
    /// Time by the clock that is passed in (any start; it is asked before each evaluation).
    | Time of limit: TimeSpan * clock: (unit -> TimeSpan)

/// Why the loop ended.
type Ending =
    | AllFinished
    | StepsUsed
    | BudgetUsed
    | Cancelled

/// One evaluation, as an observer sees it. The tensors live only during the call.
type Observation =
    {
        /// 1 is the start's.
        Evaluation: int
        /// Numbers of the active samples (of the moving parts, where samples have parts), int64 [A].
        Index: torch.Tensor
        /// z and f(z), [A, ...].
        State: torch.Tensor
        Image: torch.Tensor
    }

/// Settings of a solve.
type SolveOptions =
    {
        Scheme: Scheme
        Tolerance: Tolerance
        /// Evaluations of the map at most, each followed by a step.
        Steps: int
        Answer: Answer
        /// A sample has diverged when its absolute residual exceeds the smallest one seen this many times.
        Divergence: float
        Budget: Budget
        /// Keep the residuals of every evaluation.
        Trace: bool
        /// Called after every evaluation.
        Observer: (Observation -> unit) option
        /// Ends the solve before the next evaluation; what has been found is returned.
        Cancellation: CancellationToken
    }

/// The result of a solve; a plain value but for `State`, which belongs to the caller.
type Solution internal (state: torch.Tensor, ending: Ending, reports: Lazy<Report[]>, trace: Lazy<TraceRow list>) =

    /// [B, ...], without a graph, in the dispose scope around the solve: of each sample the state that converged, else the
    /// one `Answer` asks for. Never NaN or infinite where the start was finite.
    member _.State = state

    /// Why the loop ended.
    member _.Ending = ending

    /// What was measured, sample by sample. After a solve without tolerance the first look waits for the device, and must
    /// come before the surrounding dispose scope ends.
    member _.Reports = reports.Value

    /// With `Trace`, the residuals of every evaluation, the first one first; else empty.
    member _.Trace = trace.Value

    /// Whether every sample has converged.
    member this.Converged =
        this.Reports |> Array.forall (fun report -> report.Outcome = Converged)
