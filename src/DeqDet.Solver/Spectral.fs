namespace DeqDet.Solver

open System
open TorchSharp

/// Settings of the search for the spectral radius.
type SpectralOptions =
    {
        /// Products with the Jacobian at most.
        Steps: int
        /// A sample is done when the relative error of its radius is estimated to be this small.
        Tolerance: float
        /// Of the random vector that the search starts from.
        Seed: int64
    }

/// What is known of the Jacobian of one sample.
type SpectralReport =
    {
        /// The estimate of the spectral radius, max |eigenvalue|.
        Radius: float
        /// Estimate of the radius' relative error: of the subspace that was searched and of the rounding of the products, both times the
        /// condition number of the eigenvalue, which is 1 for symmetric Jacobians and large for those far from normal.
        Residual: float
        /// Products with the Jacobian that were used.
        Steps: int
        /// Whether the estimated error came within the tolerance.
        Converged: bool
    }

/// The spectral radius of a map's Jacobian at a point: below 1, plain iteration converges there, at this rate.
module Spectral =

    let defaults: SpectralOptions =
        {
            Steps = 500
            Tolerance = 1e-7
            Seed = 0L
        }

    /// Directions that are kept at most, and after a restart.
    let private most, kept = 40, 16

    /// Directions before which an eigenvalue that has settled may still not be the largest one.
    let private least = 10

    /// J^T for rows of directions, float64 [B, d], computed in the type of the point.
    let private transposed (map: torch.Tensor -> torch.Tensor) (point: torch.Tensor) =
        let input = point.detach().requires_grad_()

        let output =
            use _ = torch.enable_grad ()
            map input

        let product (directions: torch.Tensor) =
            (directions.to_type(point.dtype).reshape point.shape
             |> Native.vectorJacobian output input
             |> Native.rows)
                .to_type
                torch.float64

        // Where the map itself has no value its Jacobian has none, whatever the backward pass makes of it.
        product, torch.isfinite(Native.rows output).all(1L, false).cpu().data<bool>().ToArray()

    let private report (options: SpectralOptions) (step: int) (found: Dominant) : SpectralReport =
        let error =
            match found.Truncation + found.Rounding with
            | 0.0 -> 0.0
            | error -> error / found.Modulus

        {
            Radius = found.Modulus
            Residual = error
            Steps = step
            Converged = error <= options.Tolerance
        }

    let private unknown: SpectralReport =
        {
            Radius = nan
            Residual = infinity
            Steps = 0
            Converged = false
        }

    /// A sample after a product: what is known of it, and the subspace to go on with; None where more products are of no use.
    let private follow (options: SpectralOptions) (unit: float) step (krylov: Krylov) (known: SpectralReport) product =
        if not (torch.isfinite(product).all().item<bool>()) then
            { unknown with Steps = step }, None
        else
            let krylov = Krylov.extend krylov product
            let full = int64 krylov.Count + 1L = krylov.Vectors.shape[0]
            let over = Krylov.invariant krylov || step = options.Steps

            if not (over || full || krylov.Count % 4 = 0) then
                known, Some krylov
            else
                let found = Krylov.dominant unit krylov
                let report = report options step found
                // what is left to gain is below the rounding of the products
                let exhausted = found.Truncation <= 0.1 * found.Rounding

                if over || krylov.Count >= least && (report.Converged || exhausted) then
                    report, None
                elif full then
                    report, Some(Krylov.restart kept krylov)
                else
                    report, Some krylov

    /// Radius of each sample of `point` [B, ...] for a map of the whole batch, by Arnoldi's method with vector-Jacobian products (the
    /// transposed Jacobian has the same eigenvalues) and restarts: conjugate pairs and eigenvalues of equal modulus are no obstacle.
    /// Products are computed in the type of the point, all else in float64; in float32 six digits are the most that can be had, fewer
    /// where the Jacobian is far from normal, and `Residual` says so. Raises ArgumentException "point" without a batch axis and "steps" or
    /// "tolerance" where they are not positive. Where f or its Jacobian is not finite the radius is NaN.
    let radius (options: SpectralOptions) (map: torch.Tensor -> torch.Tensor) (point: torch.Tensor) : SpectralReport[] =
        if point.dim () < 1L then
            invalidArg (nameof point) "the point has no batch axis: its shape must be [B, ...]"

        if options.Steps < 2 then
            invalidArg "steps" $"at least 2 steps are needed, not {options.Steps}"

        if not (options.Tolerance > 0.0) then
            invalidArg "tolerance" $"the tolerance must be positive, not {options.Tolerance}"

        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let product, defined = transposed map point
        use generator = new torch.Generator(uint64 options.Seed, point.device)

        let random =
            torch.randn (point.shape, dtype = point.dtype, device = point.device, generator = generator)
            |> Native.rows

        let size = int random.shape[1]
        let unit = torch.finfo(point.dtype).eps
        let found = Array.create defined.Length unknown

        let searches =
            defined
            |> Array.mapi (fun sample defined ->
                if defined && size > 0 then
                    Some(Krylov.start (min most size) (random.select (0, int64 sample)))
                else
                    None)

        let multiply step =
            use _ = torch.NewDisposeScope()
            let nothing = torch.zeros (int64 size, dtype = torch.float64, device = point.device)

            let directions =
                searches
                |> Array.map (Option.map Krylov.direction >> Option.defaultValue nothing)

            let products = product (torch.stack directions)

            searches
            |> Array.iteri (fun sample search ->
                match search with
                | Some krylov ->
                    let report, next =
                        follow options unit step krylov found[sample] (products.select (0, int64 sample))

                    found[sample] <- report
                    searches[sample] <- next
                | None -> ())

        let rec iterate step =
            if step <= options.Steps && Array.exists Option.isSome searches then
                multiply step
                iterate (step + 1)

        iterate 1
        found
