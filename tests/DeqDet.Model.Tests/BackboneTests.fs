module DeqDet.Model.Tests.BackboneTests

open Expecto
open TorchSharp
open DeqDet.Model
open DeqDet.Model.Backbones

let private backbone kind =
    {
        Kind = kind
        Width = 64
        FrozenStages = -1
        Norm = Frozen
        Padding = Symmetric
        DropPath = 0.0
        Weights = None
    }

let private build (settings: BackboneSettings) =
    use generator = Small.generator 7
    let leaves = ResizeArray<Spec * Tensor>()

    let find (spec: Spec) =
        let tensor = Initialiser.draw generator spec
        tensor.requires_grad <- spec.Trainable && spec.Role = Parameter
        leaves.Add(spec, tensor)
        tensor

    WeightSource.build find (Backbone.create settings), leaves

let private images (shape: int list) =
    use generator = Small.generator 3
    (Small.normal shape generator).``to`` torch.float32

let private shapes (maps: Tensor list) =
    [ for map in maps -> List.ofArray map.shape ]

/// What training leaves in the weights whose names begin so.
let private gradients (prefix: string) (leaves: (Spec * Tensor) seq) =
    [
        for spec, tensor in leaves do
            if spec.Name.StartsWith prefix && spec.Role = Parameter then
                not (isNull tensor.grad)
    ]

let private pass generator (images: int) : TrainingPass =
    {
        Share = Share.whole 1 (List.replicate images 1)
        Generator = generator
    }

let private train (settings: BackboneSettings) =
    let net, leaves = build settings
    use generator = Small.generator 1
    let maps = Backbone.apply (Some(pass generator 2)) net (images [ 2; 3; 32; 32 ])

    (maps
     |> List.map (fun map -> map.pow(scalar 2.0).sum())
     |> List.reduce (fun a b -> a + b))
        .backward()

    leaves

[<Tests>]
let tests =
    testList
        "Backbones"
        [
            for kind in [ ResNet18; SwinT; MobileNetV2 ] do
                testCase $"{kind}: any image size; an image computes alone what it computes in a batch"
                <| fun () ->
                    use _ = torch.NewDisposeScope()
                    use _ = torch.no_grad ()
                    let net, _ = build (backbone kind)
                    let batch = images [ 2; 3; 45; 70 ]
                    let maps = Backbone.apply None net batch

                    let expected =
                        [
                            for stage, c in List.indexed (Backbone.channels (backbone kind)) ->
                                let side n =
                                    (n + (4L <<< stage) - 1L) / (4L <<< stage)

                                [ 2L; int64 c; side 45L; side 70L ]
                        ]

                    Expect.equal (shapes maps) expected "shapes"

                    for image in 0L .. 1L do
                        let alone = Backbone.apply None net (batch.narrow (0L, image, 1L))

                        for map, alone in List.zip maps alone do
                            Expect.isLessThan (Small.difference (map.narrow (0L, image, 1L)) alone) 1e-4 "alone"

                testCase $"{kind}: frozen stages get no gradient, the others do"
                <| fun () ->
                    use _ = torch.NewDisposeScope()

                    let stem, first, second =
                        match kind with
                        | ResNet18 -> "conv1", "layer1", "layer2"
                        | MobileNetV2 -> "features.0", "features.3", "features.4"
                        | _ -> "patch_embed", "stages.0.blocks", "stages.1"

                    let leaves = train { backbone kind with FrozenStages = 1 }
                    Expect.all (gradients stem leaves) not "stem"
                    Expect.all (gradients first leaves) not "first stage"
                    Expect.all (gradients second leaves) id "second stage"
                    let leaves = train (backbone kind)
                    Expect.all (gradients "" leaves) id "nothing frozen"

            testCase "channels of all backbones are those of their weights"
            <| fun () ->
                for kind in [ ResNet18; ResNet34; ResNet50; ResNet101; SwinT; SwinS; SwinB; MobileNetV2 ] do
                    let specs = WeightSource.list (Backbone.create (backbone kind))

                    let width (name: string) =
                        (List.find (fun spec -> spec.Name = name) specs).Shape[0]

                    let last stage =
                        match kind with
                        | SwinT
                        | SwinS
                        | SwinB -> $"norm{stage}.weight"
                        | ResNet18
                        | ResNet34 -> $"layer{stage + 1}.0.bn2.weight"
                        | ResNet50
                        | ResNet101 -> $"layer{stage + 1}.0.bn3.weight"
                        | MobileNetV2 ->
                            let block = [ 3; 6; 13; 17 ][stage]
                            $"features.{block}.conv.3.weight"

                    Expect.equal
                        [ for stage in 0..3 -> int (width (last stage)) ]
                        (Backbone.channels (backbone kind))
                        $"{kind}"

            testCase
                "batch normalisation: frozen statistics stay, those of the batch are followed, never outside training"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let means (leaves: (Spec * Tensor) seq) =
                    [
                        for spec, tensor in leaves do
                            if spec.Name.EndsWith "running_mean" then
                                tensor.abs().sum().ToDouble()
                    ]

                for kind in [ ResNet18; MobileNetV2 ] do
                    Expect.all (means (train (backbone kind))) (fun m -> m = 0.0) "frozen"
                    Expect.all (means (train { backbone kind with Norm = Batch })) (fun m -> m > 0.0) "of the batch"
                    let net, leaves = build { backbone kind with Norm = Batch }
                    Backbone.apply None net (images [ 1; 3; 32; 32 ]) |> ignore
                    Expect.all (means leaves) (fun m -> m = 0.0) "outside training"

            testCase "MobileNetV2 has torchvision's tensors, and its parameters as published"
            <| fun () ->
                let specs = WeightSource.list (Backbone.create (backbone MobileNetV2))

                let numbers (names: Spec -> bool) =
                    specs
                    |> List.filter names
                    |> List.sumBy (fun spec -> Array.fold (*) 1L spec.Shape)

                // 3,504,872 in all with the classifier (1280 x 1000 + 1000) and features.18 (320 x 1280 + 2 x 1280)
                Expect.equal (numbers (fun spec -> spec.Role = Parameter)) (3504872L - 1281000L - 412160L) "parameters"

                let shape name =
                    (specs |> List.find (fun spec -> spec.Name = name)).Shape |> List.ofArray

                Expect.equal (shape "features.1.conv.0.0.weight") [ 32L; 1L; 3L; 3L ] "without expansion"
                Expect.equal (shape "features.1.conv.2.running_mean") [ 16L ] "its last norm"
                Expect.equal (shape "features.7.conv.0.0.weight") [ 192L; 32L; 1L; 1L ] "expansion"
                Expect.equal (shape "features.7.conv.1.0.weight") [ 192L; 1L; 3L; 3L ] "depthwise"
                Expect.equal (shape "features.17.conv.2.weight") [ 320L; 960L; 1L; 1L ] "projection"

            testCase "other widths round as torchvision does"
            <| fun () ->
                for width, expected in
                    [
                        // of 0.5, 0.75 and 0.125 times the channels
                        32, [ 16; 16; 48; 160 ]
                        48, [ 24; 24; 72; 240 ]
                        8, [ 8; 8; 16; 40 ]
                    ] do
                    Expect.equal
                        (Backbone.channels
                            { backbone MobileNetV2 with
                                Width = width
                            })
                        expected
                        $"width {width}"

            testCase "\"same\" is \"symmetric\" shifted at even sides, and the same at odd ones"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()

                let net padding =
                    fst (
                        build
                            { backbone MobileNetV2 with
                                Padding = padding
                            }
                    )

                let apply padding x = Backbone.apply None (net padding) x

                // 65, 33, 17, 9, 5: odd at every convolution of stride 2
                for a, b in List.zip (apply Same (images [ 1; 3; 65; 65 ])) (apply Symmetric (images [ 1; 3; 65; 65 ])) do
                    Expect.isLessThan (Small.difference a b) 1e-4 "odd"

                let even = images [ 1; 3; 64; 64 ]
                let same, symmetric = apply Same even, apply Symmetric even
                Expect.equal (shapes same) (shapes symmetric) "shapes"
                Expect.isGreaterThan (Small.difference same.Head symmetric.Head) 1e-3 "even"

            testCase "a single value per channel leaves the stored statistics alone, and still trains"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                for side, alone in [ 32, [ "layer4" ]; 16, [ "layer3"; "layer4" ]; 2, [ "bn1"; "layer" ] ] do
                    let net, leaves = build { backbone ResNet18 with Norm = Batch }
                    use generator = Small.generator 1

                    let statistics () =
                        [
                            for spec, tensor in leaves do
                                if spec.Role = Buffer then
                                    spec.Name, tensor.data<float32>().ToArray()
                        ]

                    let train (batch: Tensor) =
                        let maps = Backbone.apply (Some(pass generator 2)) net batch

                        (maps
                         |> List.map (fun map -> map.pow(scalar 2.0).sum())
                         |> List.reduce (fun a b -> a + b))
                            .backward()

                    // statistics that are not the initial ones
                    train (images [ 4; 3; 64; 64 ])
                    let before = statistics ()
                    let single = images [ 1; 3; side; side ]
                    let evaluated = Backbone.apply None net single |> List.last
                    train single

                    for (name, before), (_, after) in List.zip before (statistics ()) do
                        Expect.all after System.Single.IsFinite name
                        // the shortcut of a stage and its first block see the stage before
                        let single = alone |> List.exists (fun (prefix: string) -> name.StartsWith prefix)
                        Expect.equal (before = after) single $"{name} at {side} px"

                    for spec, tensor in leaves do
                        if spec.Role = Parameter then
                            Expect.isTrue ((tensor.grad.isfinite ()).all().ToBoolean()) $"gradient of {spec.Name}"

                    Expect.isTrue ((evaluated.isfinite ()).all().ToBoolean()) "outside training"

            testCase "stochastic depth: drops whole branches of single images, more in later blocks, unbiased"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let settings = { backbone SwinT with DropPath = 0.4 }

                match fst (build settings) with
                | ResNetWeights _
                | MobileNetWeights _ -> failtest "no Swin Transformer"
                | SwinWeights net ->
                    use generator = Small.generator 2
                    let factors = Swin.drawDropPath net 4000L generator
                    Expect.sequenceEqual factors.shape [ 24L; 4000L ] "two branches of twelve blocks"

                    let rows (x: Tensor) =
                        x.``to``(torch.float64).data<float>().ToArray()

                    for branch, mean in Array.indexed (rows (factors.mean [| 1L |])) do
                        Expect.isLessThan (abs (mean - 1.0)) 0.08 $"mean of branch {branch}"

                    for branch, kept in
                        Array.indexed (rows ((factors.gt (0.0.ToScalar())).``to``(torch.float64).mean [| 1L |])) do
                        let expected = 1.0 - 0.4 * float (branch / 2) / 11.0
                        Expect.isLessThan (abs (kept - expected)) 0.04 $"kept by branch {branch}"

                    use _ = torch.no_grad ()
                    let batch = images [ 2; 3; 32; 32 ]
                    let plain = Swin.apply None net batch
                    let ones = Swin.apply (Some(torch.ones ([| 24L; 2L |]))) net batch

                    for map, same in List.zip plain ones do
                        Expect.isLessThan (Small.difference map same) 1e-6 "factors of one"

                    // dropping everything of the first image only
                    let factors = torch.ones ([| 24L; 2L |])
                    factors.select(1L, 0L).fill_(scalar 0.0) |> ignore
                    let dropped = Swin.apply (Some factors) net batch

                    for map, other in List.zip plain dropped do
                        let image i (x: Tensor) = x.narrow (0L, i, 1L)
                        Expect.isGreaterThan (Small.difference (image 0L map) (image 0L other)) 1e-3 "first image"
                        Expect.isLessThan (Small.difference (image 1L map) (image 1L other)) 1e-5 "second image"
        ]
