namespace DeqDet.Model.Backbones

open TorchSharp
open DeqDet.Model
open DeqDet.Solver

/// Statistics of a batch normalisation over images that several processes hold.
type SharedStatistics =
    {
        /// [C].
        Mean: Tensor
        /// [C], divided by the number of values.
        Variance: Tensor
        /// Values of each channel in all processes together.
        Values: float
    }

module SharedStatistics =

    let private overImages = [| 0L; 2L; 3L |]

    /// Those of x [B, C, H, W] and of what the other processes hold. Where `counts` is false x adds nothing.
    let ofMaps (exchange: Exchange) (counts: bool) (x: Tensor) : SharedStatistics =
        use _ = torch.no_grad ()

        scoped (fun statistics -> [ statistics.Mean; statistics.Variance ]) (fun () ->
            let values = x.size 0 * x.size 2 * x.size 3
            let own = if counts then float values else 0.0
            // float64: what processes add up has to lose no digits where the mean is far from 0
            let mean = x.mean(overImages, false, torch.float32).``to`` torch.float64

            let centred =
                x.``to`` torch.float32 - mean.``to``(torch.float32).view(1L, -1L, 1L, 1L)

            let variance =
                (centred * centred).mean(overImages, false, torch.float32).``to`` torch.float64

            let totals =
                torch.cat (
                    [|
                        mean * scalar own
                        (variance .+ mean * mean) * scalar own
                        torch.tensor ([| own |], dtype = torch.float64, device = x.device)
                    |],
                    0L
                )

            exchange.Sum totals
            let channels = x.size 1
            let values = totals.narrow(0L, 2L * channels, 1L).cpu().item<float>()
            let mean = totals.narrow (0L, 0L, channels) / scalar values
            let variance = totals.narrow (0L, channels, channels) / scalar values - mean * mean

            {
                Mean = mean.``to`` torch.float32
                Variance = (variance.clamp_min (scalar 0.0)).``to`` torch.float32
                Values = values
            })

    /// x, such that a gradient that comes back through a normalisation by these statistics becomes that of one whose statistics depend on x: less its
    /// mean over all images, and less its part along the normalised x (Ioffe and Szegedy 2015).
    let follow
        (exchange: Exchange)
        (counts: bool)
        (epsilon: float)
        (statistics: SharedStatistics)
        (x: Tensor)
        : Tensor =
        if not x.requires_grad || not (torch.is_grad_enabled ()) then
            x
        else
            let channels = x.size 1
            // the scope of the forward pass ends before the backward pass, after which these are freed
            let held = x.detach().DetachFromDisposeScope()
            let mean = statistics.Mean.alias().DetachFromDisposeScope()
            let variance = statistics.Variance.alias().DetachFromDisposeScope()

            let way (gradient: Tensor) : Tensor =
                use held = held
                use mean = mean
                use variance = variance

                let perChannel (values: Tensor) =
                    values.``to``(torch.float32).view(1L, -1L, 1L, 1L)

                let normalised =
                    (held.``to`` torch.float32 - perChannel mean)
                    / perChannel ((variance + scalar epsilon).sqrt())

                let own = if counts then 1.0 else 0.0

                let total (values: Tensor) =
                    values.sum(overImages, false, torch.float32).``to`` torch.float64 * scalar own

                let totals = torch.cat ([| total gradient; total (gradient * normalised) |], 0L)
                exchange.Sum totals
                let means = totals / scalar statistics.Values

                if counts then
                    (gradient
                     - perChannel (means.narrow (0L, 0L, channels))
                     - normalised * perChannel (means.narrow (0L, channels, channels)))
                        .``to``
                        gradient.dtype
                else
                    gradient

            Detour.through way exchange.Failed x
