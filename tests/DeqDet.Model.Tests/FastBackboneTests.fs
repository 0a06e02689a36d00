module DeqDet.Model.Tests.FastBackboneTests

open System.Collections.Generic
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Model.Backbones

let private bf16 = Computation(Computation.Best.Instructions, Precision.Bf16)

let private settings kind =
    {
        Kind = kind
        Width = 16
        FrozenStages = -1
        Norm = Frozen
        Padding = if kind = MobileNetV2 then Same else Symmetric
        DropPath = 0.0
        Weights = None
    }

/// Weights by name, no statistics neutral, and the backbone and neck that compute with them in a given way.
let private build kind =
    let generator = Small.generator 11
    let weights = Dictionary()

    let find (spec: Spec) =
        match weights.TryGetValue spec.Name with
        | true, tensor -> tensor
        | _ ->
            let tensor = Initialiser.draw generator spec
            use _ = torch.no_grad ()

            if spec.Name.EndsWith "running_mean" then
                tensor.normal_ (0.0, 0.2, generator) |> ignore
            elif spec.Name.EndsWith "running_var" then
                tensor.uniform_ (0.5, 1.5, generator) |> ignore

            tensor.requires_grad <- spec.Trainable && spec.Role = Parameter
            weights[spec.Name] <- tensor
            tensor

    let recipe source =
        let settings = settings kind

        Backbone.create settings source, Neck.create Family.deqDet.Neck (Backbone.channels settings) 64 source

    weights, (fun computation -> WeightSource.buildFor computation ignore find recipe)

let private apply (backbone, neck) (images: Tensor) =
    let maps = Backbone.apply None backbone images
    maps, Neck.apply neck maps

let private images (shape: int list) =
    (Small.normal shape (Small.generator 3)).``to`` torch.float32

let private isChannelsLast (x: Tensor) =
    x.permute(0L, 2L, 3L, 1L).is_contiguous()

let private wide (x: Tensor) = x.``to`` torch.float64

let private differences (expected: Tensor list) (actual: Tensor list) =
    List.map2
        (fun e a ->
            let difference = Small.difference (wide e) (wide a)
            // NaN would pass every comparison
            if System.Double.IsNaN difference then
                infinity
            else
                difference)
        expected
        actual

[<Tests>]
let tests =
    testList
        "Fast backbones"
        [
            for kind in [ ResNet18; ResNet50; SwinT; MobileNetV2 ] do
                testCase $"{kind}: what libtorch computes step by step, at any size, channels last"
                <| fun () ->
                    use _ = torch.NewDisposeScope()
                    use _ = torch.no_grad ()
                    let _, compute = build kind

                    let plain, fast, narrow =
                        compute Computation.Plain, compute Computation.Best, compute bf16

                    // the first size again and again: kernels are packed for it; then others
                    for shape in
                        [
                            [ 2; 3; 64; 96 ]
                            [ 2; 3; 64; 96 ]
                            [ 2; 3; 64; 96 ]
                            [ 1; 3; 45; 70 ]
                            [ 1; 3; 32; 33 ]
                        ] do
                        let images = images shape
                        let expectedMaps, expectedLevels = apply plain images
                        let maps, levels = apply fast images
                        let kept = [ for map in maps @ levels -> map.clone () ]

                        for difference in differences (expectedMaps @ expectedLevels) (maps @ levels) do
                            Expect.isLessThan difference 2e-5 $"float32 at {shape}"

                        let narrowMaps, narrowLevels = apply narrow images

                        // the neck alone: its norm magnifies what is left of the maps where they are small
                        let expectedNarrow =
                            Neck.apply (snd plain) [ for map in narrowMaps -> map.``to`` torch.float32 ]

                        for difference in differences (expectedMaps @ expectedNarrow) (narrowMaps @ narrowLevels) do
                            Expect.isLessThan difference 6e-2 $"bfloat16 at {shape}"

                        for level in levels @ narrowLevels do
                            Expect.isTrue (isChannelsLast level) "channels last"
                            Expect.equal level.dtype torch.float32 "the pyramid is float32"

                        // what is written in place is nobody else's
                        let again, levelsAgain = apply fast images

                        for difference in differences kept (again @ levelsAgain) do
                            Expect.equal difference 0.0 "the same again"

                        for difference in differences kept (maps @ levels) do
                            Expect.equal difference 0.0 "earlier results stay"

                testCase $"{kind}: with gradients libtorch computes it, bit for bit, and they flow"
                <| fun () ->
                    use _ = torch.NewDisposeScope()
                    let weights, compute = build kind
                    let images = images [ 1; 3; 40; 33 ]
                    let expected, expectedLevels = apply (compute Computation.Plain) images

                    for computation in [ Computation.Best; bf16 ] do
                        let maps, levels = apply (compute computation) images

                        for expected, actual in List.zip (expected @ expectedLevels) (maps @ levels) do
                            Expect.equal (Small.difference expected actual) 0.0 "numbers"
                            Expect.isTrue actual.requires_grad "gradient"

                        (levels |> List.map (fun level -> level.pow(scalar 2.0).sum()) |> List.reduce (+)).backward()

                        for KeyValue(name, tensor) in weights do
                            if tensor.requires_grad then
                                Expect.isTrue (tensor.grad.isfinite().all().ToBoolean()) name
                                tensor.grad <- null

            testCase "shift masks are kept by size, as many as a few images need, and freed"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let masks = new ShiftMasks()
                let like = torch.zeros ([| 1L |])

                for _ in 1..2 do
                    for h in 7L..7L..35L do
                        for w in 7L..7L..35L do
                            use first = masks.Of like h w
                            use second = masks.Of like h w
                            let expected = WindowAttention.shiftMask like h w
                            Expect.equal (Small.difference expected first) 0.0 $"{h} x {w}"
                            Expect.equal (Small.difference expected second) 0.0 $"{h} x {w} once more"

                    use wide = masks.Of (like.``to`` torch.float64) 14L 21L
                    Expect.equal wide.dtype torch.float64 "of the map's type"
                    (masks :> System.IDisposable).Dispose()

            testCase "weights that have changed are what the next application computes with"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let weights, compute = build ResNet18
                let plain, fast = compute Computation.Plain, compute Computation.Best
                let images = images [ 1; 3; 64; 64 ]

                for name in
                    [
                        "conv1.weight"
                        "layer1.0.bn1.weight"
                        "layer2.0.downsample.1.bias"
                        "layer3.1.bn2.running_mean"
                        "layer4.0.bn1.running_var"
                        "convs.2.conv.weight"
                        "convs.3.conv.bias"
                        "gn_out.weight"
                    ] do
                    apply fast images |> ignore
                    let before = apply fast images |> snd
                    weights[name].mul_((1.5).ToScalar()).add_((0.1).ToScalar()) |> ignore
                    let expected = apply plain images |> snd
                    let actual = apply fast images |> snd

                    for difference in differences expected actual do
                        Expect.isLessThan difference 2e-5 name

                    Expect.isGreaterThan (List.max (differences expected before)) 1e-4 $"{name} matters"
        ]
