namespace DeqDet.Model

open TorchSharp

/// Small helpers for tensors in F#.
[<AutoOpen>]
module TensorOps =

    type Tensor = torch.Tensor

    /// A number as TorchSharp's Scalar: `x * scalar 0.5`.
    let inline scalar (value: float) : Scalar = value.ToScalar()

    /// Runs f in a dispose scope of its own and keeps only the tensors that `keep` names in its result.
    let scoped (keep: 'result -> Tensor seq) (f: unit -> 'result) : 'result =
        use scope = torch.NewDisposeScope()
        let result = f ()

        for tensor in keep result do
            tensor.MoveToOuterDisposeScope() |> ignore

        result
