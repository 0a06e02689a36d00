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

    /// What is added to the sizes of images, so that the relative residual stays defined where an image is zero: 1e-9, but no more
    /// than a millionth of the sizes [B] at hand. A problem of tiny numbers is not solved because its numbers are tiny.
    let private floorOf (sizes: torch.Tensor) : torch.Tensor =
        let floor = Native.times 1e-6 sizes
        let floor = 1e-9 |> Native.withNumber floor.clamp_max
        // above 0, also where both tensors are 0
        2.3e-308 |> Native.withNumber floor.clamp_min

    let private compare (floor: torch.Tensor) : Measure =
        fun state image ->
            let inFull (tensor: torch.Tensor) = tensor.to_type torch.float64
            let absolute = Native.lengths (inFull image - inFull state)

            {
                Absolute = absolute
                Relative = absolute / Native.plus (Native.lengths image) floor
            }

    let private floor (state: torch.Tensor) (image: torch.Tensor) : torch.Tensor =
        floorOf (torch.maximum (Native.lengths state, Native.lengths image))

    /// Absolute: |f(z) - z|, relative: |f(z) - z| / (|f(z)| + 1e-9), Euclidean norms of each sample in float64. Where the sizes that a
    /// sample begins with, |z| and |f(z)|, are below 1e-3, a millionth of the larger one stands in the place of 1e-9; a call outside
    /// a solve takes those of the two tensors.
    let euclidean: Measure = fun state image -> compare (floor state image) state image

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

    /// What the measure needs to know of the beginning of a solve: a number for each row of the start, None where it needs nothing.
    let internal anchor (tolerance: Tolerance) (start: torch.Tensor) (image: torch.Tensor) : torch.Tensor option =
        if obj.ReferenceEquals(tolerance.Measure, euclidean) then
            Some(floor start image)
        else
            None

    /// The measure of a solve with such an anchor, rows being those that are compared.
    let internal anchored (tolerance: Tolerance) (anchor: torch.Tensor option) : Measure =
        match anchor with
        | Some floor -> compare floor
        | None -> tolerance.Measure

    /// The resolution of a state: what the measure makes of one unit in the last place of all components that have left their start.
    /// The others have taken part in no sum that could have swallowed anything.
    let internal resolution (measure: Measure) (start: torch.Tensor) (state: torch.Tensor) : torch.Tensor =
        let eps = torch.finfo(state.dtype).eps
        let nudged = Native.times (1.0 - eps) state
        (measure state (torch.where (state.eq start, state, nudged))).Absolute

    /// Raises ArgumentException "tolerance" for a bound that is not a positive finite number.
    let internal check (tolerance: Tolerance) : unit =
        for name, bound in [ "absolute", tolerance.Absolute; "relative", tolerance.Relative ] do
            match bound with
            | Some value when not (Double.IsFinite value && value > 0.0) ->
                invalidArg (nameof tolerance) $"the {name} tolerance must be positive and finite, not {value}"
            | _ -> ()
