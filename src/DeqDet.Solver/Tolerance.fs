namespace DeqDet.Solver

open System
open TorchSharp

/// How far each sample is from being a fixed point: both [B], float64, on the device of the state.
type Measured =
    {
        Absolute: torch.Tensor
        Relative: torch.Tensor
    }

/// Compares states z [B, ...] with their images f(z) [B, ...], every sample on its own. NaN and infinity in a sample must
/// show in its numbers.
type Measure = torch.Tensor -> torch.Tensor -> Measured

/// When a sample counts as solved: as soon as its absolute OR its relative residual is at or below its bound.
/// With neither bound nothing is ever tested: a solve of a fixed number of steps, which never waits for the device.
type Tolerance =
    {
        Absolute: float option
        Relative: float option
        Measure: Measure
    }

/// Residuals and the bounds on them.
module Tolerance =

    /// Keeps the relative residual defined where the image is zero.
    let private tiny = 1e-9

    let private norms (tensor: torch.Tensor) : torch.Tensor =
        (Native.wide tensor).norm(1, false, 2.0f).to_type torch.float64

    /// Absolute: |f(z) - z|, relative: |f(z) - z| / (|f(z)| + 1e-9), Euclidean norms of each sample.
    let euclidean: Measure =
        fun state image ->
            let absolute = norms (image - state)

            {
                Absolute = absolute
                Relative = absolute / norms(image).add_(tiny.ToScalar())
            }

    /// No bound: every sample takes all steps.
    let never: Tolerance =
        {
            Absolute = None
            Relative = None
            Measure = euclidean
        }

    /// Solved at a relative residual of `bound` or less.
    let relative (bound: float) : Tolerance = { never with Relative = Some bound }

    /// Solved at an absolute residual of `bound` or less.
    let absolute (bound: float) : Tolerance = { never with Absolute = Some bound }

    /// Whether there is anything to test.
    let tests (tolerance: Tolerance) : bool =
        tolerance.Absolute.IsSome || tolerance.Relative.IsSome

    /// Whether residuals (absolute, relative) are within the bounds; NaN never is.
    let reached (tolerance: Tolerance) (absolute: float) (relative: float) : bool =
        let within (bound: float option) (value: float) =
            match bound with
            | Some bound -> value <= bound
            | None -> false

        within tolerance.Absolute absolute || within tolerance.Relative relative

    /// Raises ArgumentException "tolerance" for a bound that is not a positive finite number.
    let internal check (tolerance: Tolerance) : unit =
        for name, bound in [ "absolute", tolerance.Absolute; "relative", tolerance.Relative ] do
            match bound with
            | Some value when not (Double.IsFinite value && value > 0.0) ->
                invalidArg (nameof tolerance) $"the {name} tolerance must be positive and finite, not {value}"
            | _ -> ()
