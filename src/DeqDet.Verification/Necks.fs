/// The neck alone: its maps, and the gradients of weights and inputs.
module DeqDet.Verification.Necks

open System.Collections.Generic
open TorchSharp
open DeqDet.Model

/// Checks of a `*_neck` file.
let check (file: GoldenFile) : Check list =
    let find name = GoldenFile.find name file
    let levels = GoldenFile.count (fun i -> $"in{i}") file

    let form =
        [ Family.deqDet; Family.adaMixer ]
        |> List.map _.Neck
        |> List.find (fun form -> GoldenFile.has $"state.{form.Name}.0.conv.weight" file)

    let leaves = Dictionary<string, Tensor>()

    let weight (spec: Spec) =
        let leaf = (find $"state.{spec.Name}").clone().requires_grad_ true
        leaves[spec.Name] <- leaf
        leaf

    let inputs =
        [ for i in 0 .. levels - 1 -> (find $"in{i}").clone().requires_grad_ true ]

    let channels = int ((find "state.gn_out.weight").size 0)

    let neck =
        WeightSource.build weight (Neck.create form [ for x in inputs -> int (x.size 1) ] channels)

    let outputs = Neck.apply neck inputs

    (outputs
     |> List.mapi (fun i output -> (output * find $"cotangent{i}").sum())
     |> List.reduce (.+))
        .backward()

    let gradient name (leaf: Tensor) =
        Check.ofScale Tolerances.headGradient file.Name name (find name) leaf.grad

    [
        for i, output in List.indexed outputs do
            Check.ofScale Tolerances.forward file.Name $"out{i}" (find $"out{i}") output
        for i, input in List.indexed inputs do
            gradient $"grad_in{i}" input
        for KeyValue(name, leaf) in leaves do
            gradient $"grad.{name}" leaf
    ]
