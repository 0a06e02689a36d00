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

    /// The next state [A, d] from pair = (g_k, z_k + t g_k) [A, 2d] and the earlier differences of such pairs, newest first
    /// [A, k, 2d]. Modified Gram-Schmidt on the g halves, extended by sqrt(lambda) |dG_i| e_i, takes each difference out of
    /// all later rows and out of the pair; the other halves go along, so what is left of the pair's is
    /// z_k + t g_k - sum_i c_i (dZ_i + t dG_i), without c being computed. (The normal equations would lose half of the digits.)
    let private extrapolate (lambda: float) (history: torch.Tensor) (pair: torch.Tensor) : torch.Tensor =
        let count, size = history.shape[1], pair.shape[1] / 2L
        let both = Native.join 1 [ history; pair.unsqueeze 1 ]
        let residuals = both.narrow (2, 0, size)
        // products of residuals stay within the range of the type
        let residuals = residuals / Native.powersOfTwo [| 1L; 2L |] residuals
        let lengths = residuals.narrow(1, 0, count).norm(2, false, 2.0f)
        let smallest = (Native.times (independence pair.dtype) lengths).square()
        let tail = torch.diag_embed (Native.times (sqrt lambda) lengths)
        let tails = Native.join 1 [ tail; torch.zeros_like(tail).narrow(1, 0, 1) ]
        let rows = Native.join 2 [ tails; residuals; both.narrow (2, size, size) ]

        for i in 0L .. count - 1L do
            let left = rows.narrow (1, i, count + 1L - i)
            let known = left.narrow (2, 0, count + size)
            let products = torch.bmm (known, known.narrow(1, 0, 1).transpose(1, 2))
            let square = products.narrow (1, 0, 1)
            let usable = square.gt (smallest.narrow(1, i, 1).unsqueeze 2)
            let factors = torch.where (usable, products / square, torch.zeros_like products)
            let later = count - i

            left.narrow(1, 1, later).sub_(factors.narrow (1, 1, later) * left.narrow (1, 0, 1))
            |> ignore

        rows.select(1, count).narrow(1, count + size, size)

    /// History [A, k, 2d] with a newer row in front, and without the oldest where it gets longer than the window.
    let private extended (window: int) (history: torch.Tensor) (newest: torch.Tensor) : torch.Tensor =
        let kept = min history.shape[1] (int64 window - 1L)
        Native.join 1 [ newest.unsqueeze 1; history.narrow (1, 0, kept) ]

    let private step (options: AndersonOptions) (at: Evaluated) : Advanced =
        match at.Memory with
        | [ last; history ] ->
            let state, image = Native.wide at.State, Native.wide at.Image
            let plain = Scheme.relaxed options.Damping state image
            let pair = Native.join 1 [ image - state; plain ]

            let advanced history (next: torch.Tensor) =
                {
                    Memory = [ pair; history ]
                    Next = next.to_type(at.State.dtype).reshape at.State.shape
                }

            if at.Number = 0 then
                advanced history plain
            else
                let history = extended options.Window history (pair - last)
                let next = extrapolate options.Regularisation history pair
                advanced history (Scheme.finiteOr plain next)
        | other -> invalidArg (nameof at) $"Anderson acceleration remembers 2 tensors, not {other.Length}"

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
                    let rows = Native.wide start

                    let last =
                        torch.zeros ([| rows.shape[0]; 2L * rows.shape[1] |], rows.dtype, rows.device)

                    [ last; last.unsqueeze(1).narrow(1, 0, 0) ]
            Step = step options
        }
