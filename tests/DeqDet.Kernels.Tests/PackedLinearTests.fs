/// What a linear layer keeps beside its weights.
module DeqDet.Kernels.Tests.PackedLinearTests

open System
open System.Threading
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Tests.KernelProperties

let private random (seed: int) (shape: int list) =
    tensor shape (normals (Random seed) (List.fold (*) 1 shape))

/// That x W^T + b is computed by a kernel, of the weights as they are now.
let private expectApplied (packed: PackedLinear) (x: Tensor) (weight: Tensor) (bias: Tensor) what =
    let y = packed.TryApply(x, weight, bias)
    Expect.isNotNull y $"{what}: by a kernel"
    let outputs, inputs = int (weight.size 0), int (weight.size 1)
    let rows = int (y.numel ()) / outputs

    let expected, errors =
        Definitions.linear rows inputs outputs (numbers x) (numbers weight) (numbers bias)
        |> Array.unzip

    expectWithin (fun i -> errors[i]) expected (numbers y) what

let private changes kind =
    use packed = new PackedLinear(computation kind)
    let x, weight, bias = random 1 [ 3; 20 ], random 2 [ 70; 20 ], random 3 [ 70 ]

    let check what =
        expectApplied packed x weight bias $"{kind}: {what}"

    check "at first"
    weight.add_ ((0.5).ToScalar()) |> ignore
    check "after add_"
    weight.copy_ (random 4 [ 70; 20 ]) |> ignore
    check "after copy_"
    weight.narrow(0, 69L, 1L).fill_((2.0).ToScalar()) |> ignore
    check "written to through a part"
    weight.view(-1L).narrow(0, 0L, 1L).mul_((3.0).ToScalar()) |> ignore
    check "written to through a view"
    weight.detach().neg_() |> ignore
    check "written to through a detached one"

    let parameter = new Modules.Parameter(weight)
    let optimiser = torch.optim.SGD([ parameter ], 0.1)
    (parameter * random 5 [ 70; 20 ]).sum().backward()
    optimiser.step () |> ignore
    use _ = torch.no_grad ()
    expectApplied packed x parameter bias $"{kind}: after an optimiser's step"
    bias.add_ ((1.0).ToScalar()) |> ignore
    expectApplied packed x parameter bias $"{kind}: with another bias"

let private others kind =
    use packed = new PackedLinear(computation kind)
    let weight = random 1 [ 64; 40 ]

    let check what (weight: Tensor) =
        expectApplied
            packed
            (random 2 [ 5; int (weight.size 1) ])
            weight
            (random 3 [ int (weight.size 0) ])
            $"{kind}: {what}"

    // the same memory, as often written to, in other shapes
    check "as it is" weight
    check "in another shape" (weight.view (80L, 32L))
    check "its first rows" (weight.narrow (0, 0L, 48L))
    check "its first columns" (weight.narrow (1, 0L, 30L))
    check "transposed" (weight.view(40L, 64L).t())
    check "larger" (random 4 [ 300; 200 ])
    check "smaller" (random 5 [ 50; 1 ])
    packed.Dispose()
    check "after what was kept is freed" weight

/// Memory that is freed comes back under the same address with other numbers, as often written to as those before.
let private addresses kind =
    use packed = new PackedLinear(computation kind)
    let x, bias = random 1 [ 2; 20 ], random 2 [ 70 ]

    for seed in 1..20 do
        use _ = torch.NewDisposeScope()
        // cloned: in libtorch's memory, not in that of an array
        let weight = (random seed [ 70; 20 ]).clone()
        expectApplied packed x weight bias $"{kind}: weights {seed}"

/// Several threads with one memo: with one weight, then each with its own, while another one lets go of what is kept.
let private together kind =
    use packed = new PackedLinear(computation kind)
    let weights = [ for i in 0..2 -> random i [ 70 + 64 * i; 50 ] ]
    let mutable failure: exn = null

    let worker (weight: Tensor) free =
        Thread(fun () ->
            try
                use _ = torch.NewDisposeScope()
                let x, bias = random 7 [ 9; 50 ], random 8 [ int (weight.size 0) ]

                for _ in 1..30 do
                    expectApplied packed x weight bias $"{kind}: beside other threads"

                    if free then
                        packed.Dispose()
            with e ->
                Volatile.Write(&failure, e))

    for workers in
        [
            [ for _ in 0..2 -> worker weights[0] false ]
            [ for i in 0..2 -> worker weights[i] (i = 2) ]
        ] do
        for thread in workers do
            thread.Start()

        for thread in workers do
            thread.Join()

    if not (isNull failure) then
        raise failure

let private shapes kind =
    use packed = new PackedLinear(computation kind)
    let weight, bias = random 1 [ 65; 6 ], random 2 [ 65 ]

    for rows in [ []; [ 0 ]; [ 3 ]; [ 2; 0; 3 ]; [ 2; 3; 1 ] ] do
        let y = packed.TryApply(random 3 (rows @ [ 6 ]), weight, bias)
        Expect.sequenceEqual y.shape [ for n in rows @ [ 65 ] -> int64 n ] $"{kind}: [..., out]"

    expectApplied packed (random 3 [ 6; 4 ]).T weight bias $"{kind}: rows that lie across"
    // without inputs the result is the bias, in every row
    let y = packed.TryApply(random 3 [ 9; 0 ], random 1 [ 65; 0 ], bias)

    expectWithin
        (fun _ -> 0.0)
        (Array.replicate 9 (numbers bias) |> Array.concat |> Array.map float)
        (numbers y)
        $"{kind}: no inputs"

let private refusals kind =
    use packed = new PackedLinear(computation kind)
    let x, weight, bias = random 1 [ 4; 6 ], random 2 [ 65; 6 ], random 3 [ 65 ]

    let refused (x: Tensor) (weight: Tensor) (bias: Tensor) what =
        Expect.isNull (packed.TryApply(x, weight, bias)) $"{kind}: {what}"

    refused (random 1 [ 4; 5 ]) weight bias "too few inputs"
    refused (random 1 [ 4; 7 ]) weight bias "too many inputs"
    refused (random 1 []) weight bias "a single number"
    refused x (random 2 [ 65 ]) bias "weights that are no matrix"
    refused x weight (random 3 [ 64 ]) "too few biases"
    refused x weight (random 3 [ 65; 1 ]) "biases that are no vector"
    refused (x.``to`` torch.float64) weight bias "other numbers"
    refused x (weight.``to`` torch.float64) bias "weights of other numbers"
    refused x weight (bias.``to`` torch.float64) "biases of other numbers"
    refused x (random 2 [ 3; 6 ]) (random 3 [ 3 ]) "too few outputs to pay"

    for recorded in 0..2 do
        let inputs = [| random 1 [ 4; 6 ]; random 2 [ 65; 6 ]; random 3 [ 65 ] |]
        inputs[recorded].requires_grad <- true
        refused inputs[0] inputs[1] inputs[2] "gradients are recorded"
        use _ = torch.no_grad ()
        expectApplied packed inputs[0] inputs[1] inputs[2] $"{kind}: gradients are not recorded"

/// Weights that were made in inference mode have no version: whether they change cannot be told.
let private inference kind =
    use packed = new PackedLinear(computation kind)
    use mode = torch.inference_mode true
    let x, weight, bias = random 1 [ 4; 6 ], random 2 [ 65; 6 ], random 3 [ 65 ]
    Expect.isNull (packed.TryApply(x, weight, bias)) $"{kind}: nothing is kept of them"

/// The same in bfloat16: with the weights and biases as they are, whatever was computed before.
let private reduced kind =
    if ReducedWeights.IsAvailable then
        use packed = new PackedLinear(Computation(kind, Precision.Bf16))
        let x, weight, bias = random 1 [ 3; 20 ], random 2 [ 70; 20 ], random 3 [ 70 ]

        let check what (weight: Tensor) (bias: Tensor) =
            use _ = torch.NewDisposeScope()
            let y = packed.TryApplyReduced(x, weight, bias)
            Expect.isNotNull y $"{kind}: {what}"

            let expected, errors =
                Definitions.linear 3 20 (int (weight.size 0)) (numbers x) (numbers weight) (numbers bias)
                |> Array.unzip

            // bfloat16 rounds inputs, weights and result 2^16 times as coarsely, but not each of the 20 sums
            expectWithin (fun i -> errors[i] * 8192.0) expected (numbers (y.``to`` torch.float32)) $"{kind}: {what}"

        check "at first" weight bias
        weight.neg_ () |> ignore
        check "after neg_" weight bias
        weight.narrow(0, 69L, 1L).fill_((2.0).ToScalar()) |> ignore
        check "written to through a part" weight bias
        bias.add_ ((3.0).ToScalar()) |> ignore
        check "with biases that have changed" weight bias
        check "of its first rows" (weight.narrow (0, 0L, 48L)) (bias.narrow (0, 0L, 48L))
        packed.Dispose()
        check "after what was kept is freed" weight bias

        for seed in 1..20 do
            use _ = torch.NewDisposeScope()
            check $"weights {seed}" ((random seed [ 70; 20 ]).clone()) bias

[<Tests>]
let tests =
    testList
        "Packed linear layers"
        [
            every "compute with the weights as they are now" changes
            every "compute with the weights that they are given" others
            every "do not take other weights under an old address for the old ones" addresses
            every "in bfloat16 compute with the weights as they are now" reduced
            every "serve several threads" together
            every "take rows of any shape" shapes
            every "leave to libtorch what they cannot do" refusals
            every "keep nothing of weights that do not count their changes" inference
        ]
