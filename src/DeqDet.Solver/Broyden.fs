namespace DeqDet.Solver

open TorchSharp

/// Settings of Broyden's method.
type BroydenOptions =
    {
        /// Rank-one terms kept; when they are used up all are dropped and collecting begins anew. (To replace only the
        /// oldest one breaks the chain the others stand in: on most of the golden problems that never arrives.)
        Memory: int
        /// t: how far to go along the quasi-Newton direction.
        Damping: float
    }

/// Broyden's first ("good") method for g(z) = f(z) - z = 0 with the inverse Jacobian as -I + sum of rank-one terms
/// (Broyden 1965; limited memory as in Bai, Kolter and Koltun, Deep Equilibrium Models, NeurIPS 2019):
///
///   H_0 = -I,   s = z_{k+1} - z_k,   y = g_{k+1} - g_k
///   H <- H + (s - H y) (s^T H) / (s^T H y),   z <- z - t H g
module Broyden =

    let defaults: BroydenOptions = { Memory = 30; Damping = 1.0 }

    /// -x + sum_i left_i (right_i . x), [A, d].
    let private apply (left: torch.Tensor) (right: torch.Tensor) (x: torch.Tensor) : torch.Tensor =
        let products = torch.bmm (right, x.unsqueeze 2)
        torch.bmm(products.transpose (1, 2), left).squeeze(1).sub_ x

    let private step (options: BroydenOptions) (at: Evaluated) : Advanced =
        match at.Memory with
        | [ lastState; lastResidual; left; right ] ->
            let state, image = Native.wide at.State, Native.wide at.Image
            let residual = image - state

            if at.Number > 0 then
                let slot = int64 ((at.Number - 1) % options.Memory)

                if slot = 0L && at.Number > 1 then
                    left.zero_ () |> ignore

                let moved, change = state - lastState, residual - lastResidual
                let row = apply right left moved
                let miss = moved - apply left right change
                // In units of their own, of which s^T H y needs only the latter's: products stay within the range of the type.
                let rowUnit, changeUnit =
                    Native.powersOfTwo [| 1L |] row, Native.powersOfTwo [| 1L |] change

                let row, change = row / rowUnit, change / changeUnit
                let scale = (row * change).sum(1L, true)
                let smallest = if state.dtype = torch.float64 then 1e-14 else 1e-6

                let usable =
                    scale.abs().gt(row.norm (1, true, 2.0f) * change.norm (1, true, 2.0f) |> Native.times smallest)

                let column = torch.where (usable, miss / changeUnit / scale, torch.zeros_like miss)

                left.select(1, slot).copy_ column |> ignore
                right.select(1, slot).copy_ row |> ignore

            let direction = apply left right residual
            let next = state - Native.times options.Damping direction
            let plain = Scheme.relaxed options.Damping state image

            {
                Memory = [ state.alias (); residual; left; right ]
                Next = (Scheme.finiteOr plain next).to_type(at.State.dtype).reshape at.State.shape
            }
        | other -> invalidArg (nameof at) $"Broyden's method remembers 4 tensors, not {other.Length}"

    /// Raises ArgumentException "memory" or "damping" where a setting is out of range.
    let scheme (options: BroydenOptions) : Scheme =
        if options.Memory < 1 then
            invalidArg "memory" $"the memory must be at least 1, not {options.Memory}"

        Scheme.checkDamping options.Damping

        {
            Name = $"broyden(memory {options.Memory})"
            Init =
                fun start ->
                    let rows = Native.wide start

                    let terms () =
                        torch.zeros ([| rows.shape[0]; int64 options.Memory; rows.shape[1] |], rows.dtype, rows.device)

                    [ rows.alias (); torch.zeros_like rows; terms (); terms () ]
            Step = step options
        }
