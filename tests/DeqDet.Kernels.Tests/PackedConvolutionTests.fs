module DeqDet.Kernels.Tests.PackedConvolutionTests

open System
open Expecto
open TorchSharp
open DeqDet.Kernels

type private Tensor = torch.Tensor

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 60
    }

let private bf16 = Computation(Computation.Best.Instructions, Precision.Bf16)

/// A convolution, its normalisation, and what it keeps.
type private Layer =
    {
        Kernel: Tensor
        Bias: Tensor
        Norm: StoredNorm
        Stride: int
        Padding: int
        Groups: int
        Packed: PackedConvolution
    }

let private grouped
    (computation: Computation)
    (random: Random)
    groups
    inputs
    outputs
    size
    stride
    padding
    biased
    normed
    =
    use _ = torch.NewDisposeScope()
    let generator = new torch.Generator(uint64 (random.Next()), torch.CPU)

    let normal (shape: int list) =
        torch.randn([| for n in shape -> int64 n |], generator = generator).DetachFromDisposeScope()

    let positive () =
        (torch.rand ([| int64 outputs |], generator = generator) + (0.5).ToScalar()).DetachFromDisposeScope()

    {
        Kernel = (normal [ outputs; inputs / groups; size; size ]).mul_((0.3).ToScalar())
        Bias = if biased then normal [ outputs ] else null
        Norm =
            if normed then
                StoredNorm(positive (), normal [ outputs ], normal [ outputs ], positive (), 1e-5)
            else
                null
        Stride = stride
        Padding = padding
        Groups = groups
        Packed = new PackedConvolution(computation, stride, padding, groups)
    }

let private layer computation random = grouped computation random 1

/// The same by libtorch, in float64.
let private plain (l: Layer) rectify (sum: Tensor) (x: Tensor) =
    let wide (t: Tensor) =
        if isNull t then null else t.``to`` torch.float64

    let y =
        torch.nn.functional.conv2d (
            wide x,
            wide l.Kernel,
            wide l.Bias,
            strides = [| int64 l.Stride; int64 l.Stride |],
            padding = [| int64 l.Padding; int64 l.Padding |],
            groups = int64 l.Groups
        )

    let y =
        if isNull l.Norm then
            y
        else
            torch.nn.functional.batch_norm (
                y,
                wide l.Norm.Mean,
                wide l.Norm.Variance,
                wide l.Norm.Scale,
                wide l.Norm.Shift,
                eps = l.Norm.Epsilon
            )

    let y = if isNull sum then y else y + wide sum
    if rectify then y.relu () else y

let private apply (l: Layer) rectify (x: Tensor) =
    l.Packed.TryApply(x, l.Kernel, l.Bias, l.Norm, rectify)

let private images (random: Random) (shape: int list) =
    torch.randn ([| for n in shape -> int64 n |], generator = new torch.Generator(uint64 (random.Next()), torch.CPU))

/// Largest difference relative to the largest magnitude.
let private difference (expected: Tensor) (actual: Tensor) =
    let scale = max 1.0 (expected.abs().max().ToDouble())

    let difference =
        (expected - actual.``to`` torch.float64).abs().max().ToDouble() / scale

    // NaN would pass every comparison
    if Double.IsNaN difference then infinity else difference

let private isChannelsLast (x: Tensor) =
    x.permute(0L, 2L, 3L, 1L).is_contiguous()

let private fits precision =
    if precision = Precision.Bf16 then 4e-2 else 1e-5

[<Tests>]
let tests =
    testList
        "Packed convolution"
        [
            for precision in [ Precision.Fp32; Precision.Bf16 ] do
                testPropertyWithConfig
                    config
                    $"{precision}: as libtorch computes it, whatever shapes come one after the other"
                <| fun (seed: int) ->
                    use _ = torch.NewDisposeScope()
                    use _ = torch.no_grad ()
                    let random = Random seed
                    let size = [| 1; 2; 3; 7 |][random.Next 4]
                    // one group, several, or each channel by itself
                    let groups = [| 1; 1; 2; 3; 16 |][random.Next 5]
                    let each = if groups = 16 then 1 else 1 + random.Next(40 / groups)
                    let inputs, outputs = groups * each, groups * (1 + random.Next(40 / groups))

                    let l =
                        grouped
                            (Computation(Computation.Best.Instructions, precision))
                            random
                            groups
                            inputs
                            outputs
                            size
                            (1 + random.Next 3)
                            (random.Next(size / 2 + 1))
                            (random.Next 2 = 0)
                            (random.Next 2 = 0)

                    let shapes =
                        [|
                            for _ in 1..2 -> [ 1 + random.Next 2; inputs; size + random.Next 20; size + random.Next 20 ]
                        |]

                    for _ in 1..5 do
                        let x = images random shapes[random.Next shapes.Length]
                        // a map that is channels last already, and one that is not
                        let x =
                            if random.Next 2 = 0 then
                                x
                            else
                                x.permute(0L, 2L, 3L, 1L).contiguous().permute(0L, 3L, 1L, 2L)

                        let rectify = random.Next 2 = 0
                        let expected = plain l rectify null x
                        let actual = apply l rectify x
                        Expect.sequenceEqual actual.shape expected.shape "shape"
                        Expect.isTrue (isChannelsLast actual) "channels last"
                        Expect.isLessThan (difference expected actual) (fits precision) "result"
                        let sum = apply l false x
                        let expected = plain l true sum x
                        let added = l.Packed.TryAdd(sum, x, l.Kernel, l.Bias, l.Norm)
                        Expect.isLessThan (difference expected added) (fits precision) "sum"
                        Expect.isLessThan (difference (added.``to`` torch.float64) sum) 1e-12 "in its place"

                    l.Packed.Dispose()

            for instructions in List.distinct [ Computation.Best.Instructions; Instructions.Avx2 ] do
                if Computation.Best.Instructions >= instructions then
                    testPropertyWithConfig
                        config
                        $"{instructions}, 3 x 3: as libtorch computes it, inside its own borders"
                    <| fun (seed: int) ->
                        use _ = torch.NewDisposeScope()
                        use _ = torch.no_grad ()
                        let random = Random seed
                        let inputs, outputs = 16 * (1 + random.Next 9), 64 * (1 + random.Next 3)
                        let computation = Computation(instructions, Precision.Fp32)

                        let l =
                            layer computation random inputs outputs 3 1 1 (random.Next 2 = 0) (random.Next 2 = 0)

                        let b, h, w = 1 + random.Next 3, 1 + random.Next 17, 1 + random.Next 17

                        /// A map whose memory lies between NaN.
                        let between channels =
                            let border = 1024
                            let n = int64 (b * h * w * channels)

                            let memory =
                                torch.full ([| n + 2L * int64 border |], (nan).ToScalar(), dtype = torch.float32)

                            let map =
                                memory.narrow(0L, int64 border, n).view(int64 b, int64 h, int64 w, int64 channels)

                            map.normal_ (0.0, 1.0, new torch.Generator(uint64 (random.Next()), torch.CPU))
                            |> ignore

                            memory, map.permute (0L, 3L, 1L, 2L)

                        let _, x = between inputs
                        let rectify = random.Next 2 = 0
                        Expect.isLessThan (difference (plain l rectify null x) (apply l rectify x)) 1e-5 "result"
                        let memory, sum = between outputs
                        let expected = plain l true sum x
                        let added = l.Packed.TryAdd(sum, x, l.Kernel, l.Bias, l.Norm)
                        Expect.isLessThan (difference expected added) 1e-5 "sum"
                        let missing = memory.isnan().sum().ToInt64()
                        Expect.equal missing (2L * 1024L) "nothing is written outside"

            testCase "what weights have become is what counts, from the first application on"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let random = Random 5

                for computation in [ Computation.Best; bf16 ] do
                    let l = layer computation random 8 24 3 1 1 true true
                    let x = images random [ 1; 8; 9; 11 ]

                    let sources =
                        [
                            "kernel", l.Kernel
                            "bias", l.Bias
                            "scale", l.Norm.Scale
                            "shift", l.Norm.Shift
                            "mean", l.Norm.Mean
                            "variance", l.Norm.Variance
                        ]

                    for uses in 1..3 do
                        for name, source in sources do
                            // as they lie unpacked, and packed
                            for _ in 1..uses do
                                apply l false x |> ignore

                            let before = apply l false x
                            source.mul_ ((4.0).ToScalar()) |> ignore
                            let expected = plain l false null x
                            let actual = apply l false x
                            let fits = fits computation.Precision
                            Expect.isLessThan (difference expected actual) fits $"{name} after {uses} uses"
                            Expect.isGreaterThan (difference expected before) fits $"{name} matters"
                            source.mul_ ((0.25).ToScalar()) |> ignore

            testCase "what it cannot do is left to libtorch"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let random = Random 6
                let l = layer Computation.Best random 4 8 3 1 1 true true
                let x = images random [ 1; 4; 6; 7 ]
                Expect.isNull (apply l true x) "gradients are recorded"
                use _ = torch.no_grad ()
                Expect.isNotNull (apply l true x) "no gradients"
                Expect.isNull (apply l true (x.``to`` torch.float64)) "float64"
                Expect.isNull (apply l true (x.select (0L, 0L))) "no batch"

                Expect.isNull
                    (l.Packed.TryApply(x, l.Kernel, l.Bias.narrow (0L, 0L, 1L), null, true))
                    "a bias of another length"

                Expect.isNull (apply l true (x.narrow (0L, 0L, 0L))) "an empty batch"
                Expect.isNull (apply l true (images random [ 1; 5; 6; 7 ])) "other channels"
                let sum = (apply l true x).``to`` torch.float64
                Expect.isNull (l.Packed.TryAdd(sum, x, l.Kernel, l.Bias, l.Norm)) "a sum in float64"
                let l = layer Computation.Plain random 4 8 3 1 1 true true
                Expect.isNull (apply l true x) "plain"

            testCase "a sum of another shape is never written to"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let random = Random 8
                let l = layer Computation.Best random 16 64 3 1 1 true true
                let x = images random [ 1; 16; 6; 7 ]

                for other in [ [ 1; 16; 6; 6 ]; [ 1; 16; 8; 7 ]; [ 2; 16; 6; 7 ] ] do
                    let sum = apply l false (images random other)
                    let before = sum.clone ()

                    Expect.throws (fun () -> l.Packed.TryAdd(sum, x, l.Kernel, l.Bias, l.Norm) |> ignore) "an error"

                    Expect.equal (difference (before.``to`` torch.float64) sum) 0.0 "as it was"

            testCase "dispose frees what is kept, not the weights; what is needed is made again"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let random = Random 7
                let l = layer Computation.Best random 4 8 1 1 0 false false
                let x = images random [ 1; 4; 6; 7 ]
                let expected = plain l false null x

                for _ in 1..3 do
                    apply l false x |> ignore
                    l.Packed.Dispose()
                    Expect.isLessThan (difference expected (apply l false x)) 1e-5 "again"
        ]
