namespace DeqDet.Solver

open TorchSharp

/// Settings of Anderson acceleration.
type AndersonOptions =
    {
        /// m: earlier evaluations that are mixed with the newest one. A linear problem of dimension m is solved after m + 1
        /// evaluations. (Where a window counts the newest evaluation too, as in torchdeq, its number is one more.)
        Window: int
        /// t: how far to go along the extrapolated residual.
        Damping: float
        /// Tikhonov term of the least-squares problem, relative to the size of each column: the larger, the more
        /// cautious. 0 solves the plain problem; a column that depends on the others is then left out.
        Regularisation: float
    }

/// Anderson acceleration, the least-squares form ("type II") of Walker and Ni, Anderson Acceleration for Fixed-Point
/// Iterations, SIAM J. Numer. Anal. 49 (2011), with a regularisation that scales with the residuals:
///
///   g_k = f(z_k) - z_k,   dG, dZ = the last m differences of g and z, one a column
///   c = argmin |g_k - dG c|^2 + lambda * sum_i |dG_i|^2 c_i^2
///   z_{k+1} = z_k + t g_k - (dZ + t dG) c
module Anderson =

    let defaults: AndersonOptions =
        {
            Window = 5
            Damping = 1.0
            Regularisation = 1e-20
        }

    /// Part of a column that must be left after the columns before it are taken out, or it counts as dependent on them.
    let private independence (dtype: torch.ScalarType) =
        if dtype = torch.float64 then 1e-14 else 1e-6

    /// c of argmin |target - sum_i c_i columns_i|^2 + lambda sum_i |columns_i|^2 c_i^2, for each sample.
    /// columns [A, k, d], target [A, d] -> [A, k]. By modified Gram-Schmidt on the columns, extended by sqrt(lambda)
    /// |column_i| e_i: forming the normal equations would lose half of the digits.
    let private leastSquares (lambda: float) (columns: torch.Tensor) (target: torch.Tensor) : torch.Tensor =
        let count = columns.shape[1]
        let sizes = columns.norm (2, false, 2.0f)
        let smallest = independence columns.dtype

        let work =
            if lambda > 0.0 then
                let tail = torch.diag_embed (sizes * sqrt lambda)
                let none = torch.zeros_like(tail).narrow(1, 0, 1)
                Native.join 1 [ Native.join 2 [ columns; tail ]; Native.join 2 [ target.unsqueeze 1; none ] ]
            else
                Native.join 1 [ columns; target.unsqueeze 1 ]

        // Row i of `work` becomes the i-th direction; `triangle` holds (norm, products with all later rows).
        let triangle =
            [|
                for i in 0L .. count - 1L do
                    let column = work.select (1, i)
                    let norm = column.norm (1, true, 2.0f)
                    let usable = norm.gt (sizes.narrow (1, i, 1) * smallest)
                    let direction = torch.where (usable, column / norm, torch.zeros_like column)
                    let later = work.narrow (1, i + 1L, count - i)
                    let products = torch.bmm (later, direction.unsqueeze 2)
                    later.sub_ (products * direction.unsqueeze 1) |> ignore
                    usable, norm, products.squeeze 2
            |]

        let back (i: int) (solved: torch.Tensor list) : torch.Tensor list =
            let usable, norm, products = triangle[i]
            let right = products.narrow (1, count - 1L - int64 i, 1)

            let known =
                match solved with
                | [] -> right
                | later ->
                    right
                    - (products.narrow (1, 0, count - 1L - int64 i) * Native.join 1 later).sum(1L, true)

            torch.where (usable, known / norm, torch.zeros_like right) :: solved

        List.foldBack back [ 0 .. int count - 1 ] [] |> Native.join 1

    /// History [A, k, d] with a newer column in front, and without the oldest where it gets longer than the window.
    let private extended (window: int) (history: torch.Tensor) (newest: torch.Tensor) : torch.Tensor =
        let kept = min history.shape[1] (int64 window - 1L)
        Native.join 1 [ newest.unsqueeze 1; history.narrow (1, 0, kept) ]

    let private step (options: AndersonOptions) (at: Evaluated) : Advanced =
        match at.Memory with
        | [ lastState; lastResidual; moves; changes ] ->
            let state, image = Native.rows at.State, Native.rows at.Image
            let residual = image - state
            let plain = Scheme.relaxed options.Damping state image

            let advanced moves changes (next: torch.Tensor) =
                {
                    Memory = [ state.alias (); residual; moves; changes ]
                    Next = next.reshape at.State.shape
                }

            if at.Number = 0 then
                advanced moves changes plain
            else
                let moves = extended options.Window moves (state - lastState)
                let changes = extended options.Window changes (residual - lastResidual)
                let mix = leastSquares options.Regularisation changes residual
                let back = moves + changes * options.Damping.ToScalar()
                let next = plain - torch.bmm(mix.unsqueeze 1, back).squeeze 1
                advanced moves changes (Scheme.finiteOr plain next)
        | other -> invalidArg (nameof at) $"Anderson acceleration remembers 4 tensors, not {other.Length}"

    /// Raises ArgumentException "window", "damping" or "regularisation" where a setting is out of range.
    let scheme (options: AndersonOptions) : Scheme =
        if options.Window < 1 then
            invalidArg "window" $"the window must be at least 1, not {options.Window}"

        if not (options.Regularisation >= 0.0 && options.Regularisation < 1.0) then
            invalidArg "regularisation" $"the regularisation must be in [0, 1), not {options.Regularisation}"

        Scheme.checkDamping options.Damping

        {
            Name = $"anderson(window {options.Window})"
            Init =
                fun start ->
                    let rows = Native.rows start
                    let none = rows.unsqueeze(1).narrow(1, 0, 0)
                    [ rows.alias (); torch.zeros_like rows; none; none.alias () ]
            Step = step options
        }
