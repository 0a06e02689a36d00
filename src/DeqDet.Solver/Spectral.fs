namespace DeqDet.Solver

open System
open TorchSharp

/// Settings of the power iteration.
type SpectralOptions =
    {
        /// Products with the Jacobian at most.
        Steps: int
        /// A sample is done when its residual (see `SpectralReport`) is this small.
        Tolerance: float
        /// Of the random vector the iteration starts from.
        Seed: int64
    }

/// What is known of the Jacobian of one sample.
type SpectralReport =
    {
        /// The estimate of the spectral radius, max |eigenvalue|.
        Radius: float
        /// |J^2 v - a J v - b v| / |J^2 v|, how far the last directions are from an invariant plane (0: the estimate is exact).
        Residual: float
        /// Products with the Jacobian that were used.
        Steps: int
        /// Whether the residual came within the tolerance.
        Converged: bool
    }

/// The spectral radius of a map's Jacobian at a point: below 1, plain iteration converges there, at this rate.
module Spectral =

    let defaults: SpectralOptions =
        {
            Steps = 500
            Tolerance = 1e-4
            Seed = 0L
        }

    let private dot (a: torch.Tensor) (b: torch.Tensor) = (a * b).sum 1L

    /// |z|, and z of length 1 (or still 0).
    let private normalised (z: torch.Tensor) =
        let size = z.norm (1, true, 2.0f)
        size.squeeze 1, torch.where (size.gt (0.0.ToScalar()), z / size, torch.zeros_like z)

    /// The larger root of l^2 = a l + b in modulus, where unit vectors obey
    /// J v0 = g1 v1, J v1 = g2 v2 and v2 is nearest to alpha v1 + beta v0; and what is left of v2. Both [B].
    /// A plane is fitted because the dominant eigenvalues may be a conjugate pair or +l and -l, where a line never settles.
    let private fit (v0: torch.Tensor) (v1: torch.Tensor) (v2: torch.Tensor) (g1: torch.Tensor) (g2: torch.Tensor) =
        let cosine = dot v0 v1
        let onV1, onV0 = dot v2 v1, dot v2 v0
        let determinant = 1.0.ToScalar() - cosine * cosine
        // v0 and v1 on one line: the eigenvector is found, and v1 alone carries v2.
        let line = determinant.lt (1e-10.ToScalar())
        let safe = torch.where (line, torch.ones_like determinant, determinant)
        let alpha = torch.where (line, onV1, (onV1 - cosine * onV0) / safe)

        let beta = torch.where (line, torch.zeros_like onV0, (onV0 - cosine * onV1) / safe)

        let rest =
            (v2 - alpha.unsqueeze 1 * v1 - beta.unsqueeze 1 * v0).norm(1, false, 2.0f)

        let half, b = alpha * g2 / 2.0.ToScalar(), beta * g1 * g2
        let discriminant = half * half + b
        let real = half.abs () + discriminant.clamp_min(0.0.ToScalar()).sqrt()
        let pair = b.neg().clamp_min(0.0.ToScalar()).sqrt()
        let radius = torch.where (discriminant.ge (0.0.ToScalar()), real, pair)
        radius, rest

    /// Radius of each sample of `point` [B, ...] for a map of the whole batch, by power iteration with vector-Jacobian
    /// products (the transposed Jacobian has the same eigenvalues). Raises ArgumentException "point" without a batch axis
    /// and "steps" or "tolerance" where they are not positive. Where f is not finite the radius is NaN.
    let radius (options: SpectralOptions) (map: torch.Tensor -> torch.Tensor) (point: torch.Tensor) : SpectralReport[] =
        if point.dim () < 1L then
            invalidArg (nameof point) "the point has no batch axis: its shape must be [B, ...]"

        if options.Steps < 2 then
            invalidArg "steps" $"at least 2 steps are needed, not {options.Steps}"

        if not (options.Tolerance > 0.0) then
            invalidArg "tolerance" $"the tolerance must be positive, not {options.Tolerance}"

        use _ = torch.NewDisposeScope()
        let input = point.detach().requires_grad_()

        let output =
            use _ = torch.enable_grad ()
            map input

        use _ = torch.no_grad ()
        let count = int point.shape[0]
        use generator = new torch.Generator(uint64 options.Seed, point.device)

        let random =
            torch.randn (point.shape, dtype = point.dtype, device = point.device, generator = generator)

        let product (direction: torch.Tensor) =
            (direction.reshape point.shape
             |> Native.vectorJacobian output input
             |> Native.rows)
                .to_type
                torch.float64
            |> normalised

        let inDtype (direction: torch.Tensor) = direction.to_type point.dtype

        let unknown =
            {
                Radius = nan
                Residual = infinity
                Steps = 0
                Converged = false
            }

        let found = Array.create count unknown

        // Where the map itself has no value its Jacobian has none, whatever the backward pass makes of it.
        let defined =
            torch.isfinite(Native.rows output).all(1L, false).cpu().data<bool>().ToArray()

        let note step (radius: torch.Tensor) (rest: torch.Tensor) =
            let numbers = torch.stack([| radius; rest |]).cpu().data<float>().ToArray()

            for sample in 0 .. count - 1 do
                if defined[sample] && not found[sample].Converged then
                    let residual = numbers[count + sample]

                    found[sample] <-
                        {
                            Radius = numbers[sample]
                            Residual = residual
                            Steps = step
                            Converged = residual <= options.Tolerance
                        }

        let rec iterate step (v0: torch.Tensor) (v1: torch.Tensor) (g1: torch.Tensor) =
            if
                step <= options.Steps
                && found |> Array.exists (fun report -> not report.Converged)
            then
                let following =
                    use _ = torch.NewDisposeScope()
                    let g2, v2 = product (inDtype v1)
                    let radius, rest = fit v0 v1 v2 g1 g2
                    note step radius rest
                    Native.keep [ g2; v2 ]
                    v0.Dispose()
                    v2, g2

                iterate (step + 1) v1 (fst following) (snd following)

        let _, v0 = normalised ((Native.rows random).to_type torch.float64)
        let g1, v1 = product (inDtype v0)
        iterate 2 v0 v1 g1
        found
