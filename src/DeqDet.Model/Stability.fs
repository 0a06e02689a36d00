namespace DeqDet.Model

open TorchSharp

/// Penalties on the refinement map f near a supervised state z, which make it a map that comes to rest: its Jacobian, and how far it moves the
/// state. Both are means over the queries of the whole batch and the numbers of their rows, in the units of `QueryState.units` (sizes of the
/// box, logarithms, lengths of the content).
module Stability =

    /// Length of the difference that stands for a derivative, in units: small against a box, large against float32's rounding.
    let private difference = 1e-3

    /// Noise for the estimate of the Jacobian at so many supervised states, standard normal [B, Q, 4 + C] each: for the whole batch, of which
    /// the share's part is kept. Drawn on the CPU, so that a seed means the same on every device.
    let probes (share: Share) (states: int) (content: Tensor) (generator: torch.Generator) : Tensor list =
        let queries, width = content.size 1, 4L + content.size 2

        [
            for _ in 1..states do
                torch.randn ([| share.Batch; queries; width |], generator = generator)
                |> Share.narrow share 0
                |> onDevice content.device
        ]

    /// The share's part of the mean over the whole batch.
    let private mean (share: Share) (values: Tensor) : Tensor =
        let numbers = share.Batch * values.size 1 * values.size 2

        values.sum () * scalar (if share.Counts then 1.0 / float numbers else 0.0)

    /// How far f moves the state: mean of r^2 / (1 + r^2) with r = (f(z) - z) / u; rows [B, Q, 4 + C], gradients flow through f(z). Bounded,
    /// since a perturbed box may be taken to another place, several times its size away, and rightly so.
    let residual (share: Share) (state: Tensor) (image: Tensor) : Tensor =
        let units = QueryState.units(state).detach()
        let squares = ((image - state.detach ()) / units).square()
        mean share (squares / (squares + scalar 1.0))

    /// Hutchinson's estimate of the squared Frobenius norm of f's Jacobian in these units, over the number of its rows (the `jac_reg` of
    /// Bai, Koltun and Kolter, ICML 2021, "Stabilizing equilibrium models by Jacobian regularization"): mean of (J n)^2 for standard normal n.
    /// J n is a difference of two applications, where the paper differentiates n^T J a second time: sampling has no second derivative in
    /// libtorch, and the expectation is the same.
    let jacobian (share: Share) (map: Tensor -> Tensor) (state: Tensor) (image: Tensor) (noise: Tensor) : Tensor =
        let units = QueryState.units(state).detach()
        let moved = state.detach () .+ units * noise * scalar difference
        mean share (((map moved - image) / units * scalar (1.0 / difference)).square())
