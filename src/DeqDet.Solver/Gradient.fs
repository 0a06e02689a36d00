namespace DeqDet.Solver

open System
open TorchSharp

/// How the adjoint problem of a gradient went.
type Adjoint =
    /// This gradient has none.
    | NotNeeded
    /// The backward pass has not come by yet.
    | Pending
    /// It was solved, each sample to its outcome; where that is not Converged the best approximation was used.
    | Solved of Report[]
    /// It raised; the gradient passed as in the one-step approximation.
    | Failed of exn

/// A fixed point with a gradient.
type Attached internal (state: torch.Tensor, adjoint: unit -> Adjoint) =

    /// [B, ...], in the graph: the map applied (once or more) to the solved state.
    member _.State = state

    /// What happened to the adjoint problem so far; look after the backward pass.
    member _.Adjoint = adjoint ()

/// A way to differentiate through a fixed point z* = f(z*): takes the map of the whole batch and the solved state (any graph it
/// has is cut off) and gives the state back attached to whatever f depends on. With u = dL/dz*, J = df/dz at z* and p a
/// parameter or input of f, the exact gradient is u^T (I - J)^-1 df/dp. The backward pass must come before the dispose scope
/// ends in which the gradient was attached. Gradients of gradients are not supported.
type Gradient =
    {
        /// For people.
        Name: string
        Attach: (torch.Tensor -> torch.Tensor) -> torch.Tensor -> Attached
    }

/// The gradients of deep-equilibrium models.
module Gradient =

    let private explicit (name: string) (applications: int) (next: torch.Tensor -> torch.Tensor -> torch.Tensor) =
        if applications < 1 then
            invalidArg "steps" $"at least one application is needed, not {applications}"

        {
            Name = name
            Attach =
                fun map state ->
                    let mutable reached = state.detach ()

                    for _ in 1..applications do
                        reached <- next reached (map reached)

                    Attached(reached, (fun () -> NotNeeded))
        }

    /// k applications of f from the detached state, differentiated as they stand: u^T (I + J + ... + J^(k-1)) df/dp near the
    /// fixed point (the refinement-aware gradient of DEQDet, Wang et al., ICCV 2023, is k = 2).
    /// Raises ArgumentException "steps" for k < 1.
    let unrolled (k: int) : Gradient =
        explicit $"unrolled({k})" k (fun _ image -> image)

    /// u^T df/dp: one application (Jacobian-free backpropagation, Fung et al., AAAI 2022).
    let oneStep: Gradient = { unrolled 1 with Name = "one step" }

    /// k damped applications z + t (f(z) - z) from the detached state (the unrolled phantom gradient of Geng et al., NeurIPS
    /// 2021). Raises ArgumentException "steps" for k < 1, "damping" for t outside (0, 2).
    let phantom (k: int) (damping: float) : Gradient =
        Scheme.checkDamping damping
        explicit $"phantom({k}, {damping})" k (Scheme.relaxed damping)

    /// Applies f once and sends the gradient through `way`, which gets a function u -> J^T u of the whole batch.
    let private implicitly (name: string) (before: Adjoint) way : Gradient =
        {
            Name = name
            Attach =
                fun map state ->
                    let input = state.detach().requires_grad_()
                    let image = map input

                    if not image.requires_grad then
                        Attached(image, (fun () -> before))
                    else
                        let adjoint = ref before
                        let transposed = Native.vectorJacobian image input

                        let attached =
                            Detour.through
                                (fun gradient -> way transposed (fun outcome -> adjoint.Value <- outcome) gradient)
                                (fun error -> adjoint.Value <- Failed error)
                                image

                        Attached(attached, (fun () -> adjoint.Value))
        }

    /// The first k terms of u^T (I + J + J^2 + ...) df/dp, all at the solved state: the memory of one application whatever k.
    /// k = 1 is `oneStep`. Raises ArgumentException "steps" for k < 1.
    let neumann (k: int) : Gradient =
        if k < 1 then
            invalidArg "steps" $"at least one term is needed, not {k}"

        let way transposed _ (gradient: torch.Tensor) =
            Seq.fold (fun sum _ -> Native.plus gradient (transposed sum)) gradient (seq { 2..k })

        implicitly $"neumann({k})" NotNeeded way

    /// Anderson acceleration to a relative residual of 1e-6 in at most 100 evaluations.
    let adjointDefaults: SolveOptions =
        { Solve.defaults with
            Tolerance = Tolerance.relative 1e-6
        }

    /// The exact gradient by the implicit function theorem (Bai et al., NeurIPS 2019): in the backward pass the adjoint fixed
    /// point v = u + J^T v is solved, each sample on its own, with the scheme, tolerance and limits given.
    let implicit (options: SolveOptions) : Gradient =
        let way transposed (note: Adjoint -> unit) (gradient: torch.Tensor) =
            let map = Solve.whole gradient.shape[0] transposed

            let affine state (index: torch.Tensor) =
                Native.plus (gradient.index_select (0, index)) (map state index)

            let solution = Solve.runIndexed options affine gradient
            note (Solved solution.Reports)
            solution.State

        implicitly $"implicit({options.Scheme.Name})" Pending way
