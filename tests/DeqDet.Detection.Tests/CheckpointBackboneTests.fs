module DeqDet.Tests.CheckpointBackboneTests

open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open DeqDet.Checkpoints
open DeqDet.Detection
open DeqDet.Model
open DeqDet.Model.Backbones
open DeqDet.Settings
open DeqDet.Tests.CheckpointFiles

/// Writes tensors as a .pth and hands the converted list to the test.
let private converted (tensors: (string * torch.Tensor) list) (test: StoredTensor list -> unit) =
    inFolder (fun folder ->
        let path = Path.Combine(folder, "a.pth")
        PthWriter.Write(path, [| for name, tensor in tensors -> Tensors.ToWrite(name, tensor) |])
        use file = TensorFile.Open path
        test (BackboneNames.convert file).Tensors)

let private same (a: torch.Tensor) (b: torch.Tensor) =
    a.shape = b.shape && a.eq(b).all().ToBoolean()

/// Original name, our name (None: left out), shape.
let private swinNames =
    [
        "patch_embed.proj.weight", Some "patch_embed.projection.weight", [ 4L; 3L; 4L; 4L ]
        "patch_embed.norm.bias", Some "patch_embed.norm.bias", [ 4L ]
        "layers.0.blocks.0.norm1.weight", Some "stages.0.blocks.0.norm1.weight", [ 4L ]
        "layers.0.blocks.0.attn.relative_position_bias_table",
        Some "stages.0.blocks.0.attn.w_msa.relative_position_bias_table",
        [ 9L; 2L ]
        "layers.0.blocks.0.attn.qkv.weight", Some "stages.0.blocks.0.attn.w_msa.qkv.weight", [ 12L; 4L ]
        "layers.0.blocks.1.attn.proj.bias", Some "stages.0.blocks.1.attn.w_msa.proj.bias", [ 4L ]
        "layers.0.blocks.1.attn_mask", None, [ 4L; 4L; 4L ]
        "layers.0.blocks.1.mlp.fc1.weight", Some "stages.0.blocks.1.ffn.layers.0.0.weight", [ 16L; 4L ]
        "layers.0.blocks.1.mlp.fc2.bias", Some "stages.0.blocks.1.ffn.layers.1.bias", [ 4L ]
        "layers.1.blocks.0.norm2.bias", Some "stages.1.blocks.0.norm2.bias", [ 8L ]
        "norm.weight", None, [ 8L ]
        "head.weight", None, [ 10L; 8L ]
    ]

/// [1, H, W, C] -> [1, H/2, W/2, 4C], the neighbours in the given order of (row, column), each with all its channels.
let private concatenated (order: (int64 * int64) list) (x: torch.Tensor) =
    let h, w = x.shape[1], x.shape[2]

    torch.cat (
        [|
            for row, column in order ->
                x[torch.TensorIndex.Colon,
                  torch.TensorIndex.Slice(row, h, 2L),
                  torch.TensorIndex.Slice(column, w, 2L),
                  torch.TensorIndex.Colon]
        |],
        -1L
    )

[<Tests>]
let tests =
    testList
        "backbone weights"
        [
            testCase "torchvision's ResNet keeps its names, without the classifier" (fun () ->
                use _ = torch.NewDisposeScope()

                let names =
                    [
                        "conv1.weight"
                        "bn1.running_var"
                        "layer1.0.conv1.weight"
                        "layer4.2.downsample.1.bias"
                    ]

                let given =
                    [ for name in names @ [ "fc.weight"; "fc.bias" ] -> name, torch.randn (2L, 3L) ]

                converted given (fun list ->
                    Expect.equal (list |> List.map _.Name) (names |> List.map (fun n -> "backbone." + n)) "names"

                    for (_, expected), stored in List.zip (List.take 4 given) list do
                        Expect.isTrue (same (Tensors.Load stored) expected) stored.Name))

            testCase "the original Swin's names become ours" (fun () ->
                use _ = torch.NewDisposeScope()

                let given =
                    [
                        for name, own, shape in swinNames -> name, own, torch.randn (List.toArray shape)
                    ]

                converted [ for name, _, tensor in given -> name, tensor ] (fun list ->
                    let expected =
                        [
                            for _, own, tensor in given do
                                match own with
                                | Some own -> "backbone." + own, tensor
                                | None -> ()
                        ]

                    Expect.equal (list |> List.map _.Name) (List.map fst expected) "names"

                    for (_, tensor), stored in List.zip expected list do
                        Expect.isTrue (same (Tensors.Load stored) tensor) stored.Name))

            testCase "patch merging computes the same in both orders of channels" (fun () ->
                use _ = torch.NewDisposeScope()
                let channels = 3L
                let x = torch.randn (1L, 4L, 6L, channels)
                let norm = torch.randn (4L * channels)
                let reduction = torch.randn (5L, 4L * channels)
                // The original's order of neighbours, and ours: channel by channel, rows before columns.
                let original = concatenated [ 0L, 0L; 1L, 0L; 0L, 1L; 1L, 1L ] x

                let own =
                    (concatenated [ 0L, 0L; 0L, 1L; 1L, 0L; 1L, 1L ] x)
                        .reshape(1L, 2L, 3L, 4L, channels)
                        .transpose(3, 4)
                        .reshape(1L, 2L, 3L, 4L * channels)

                let expected = torch.nn.functional.linear (original * norm, reduction)

                converted
                    [
                        "layers.0.blocks.0.attn.qkv.weight", torch.zeros (1L)
                        "layers.0.downsample.norm.weight", norm
                        "layers.0.downsample.reduction.weight", reduction
                        // Stored transposed, so that the file holds a view.
                        "layers.1.downsample.reduction.weight", reduction.t().contiguous().t()
                    ]
                    (fun list ->
                        let weights = dict [ for stored in list -> stored.Name, stored ]

                        let load name =
                            Tensors.Load weights["backbone.stages." + name]

                        for stage in [ "0"; "1" ] do
                            let actual =
                                torch.nn.functional.linear (
                                    own * load "0.downsample.norm.weight",
                                    load $"{stage}.downsample.reduction.weight"
                                )

                            Expect.isLessThan ((actual - expected).abs().max().ToSingle()) 1e-5f "merged"

                        let stored = weights["backbone.stages.0.downsample.reduction.weight"]
                        let middle = Array.zeroCreate 16
                        stored.CopyTo(10L, System.Span middle)
                        Expect.equal middle (stored.ToArray()[40..55]) "read from the middle"))

            testCase "torchvision's MobileNetV2 keeps its names, without what only its classifier reads" (fun () ->
                use _ = torch.NewDisposeScope()
                let one = torch.zeros (1L)

                let kept =
                    [
                        "features.0.0.weight"
                        "features.0.1.bias"
                        "features.17.conv.2.weight"
                        "features.17.conv.3.bias"
                    ]

                converted
                    [
                        for name in kept @ [ "features.18.0.weight"; "features.18.1.bias"; "classifier.1.bias" ] ->
                            name, one
                    ]
                    (fun list ->
                        Expect.equal (list |> List.map _.Name) (kept |> List.map (fun n -> "backbone." + n)) "names"))

            testCase "a MobileNetV2 with biases in the place of norms gets norms that only shift" (fun () ->
                use _ = torch.NewDisposeScope()
                let kernel, bias = torch.randn (4L, 3L, 1L, 1L), torch.randn (4L)

                let layers =
                    [
                        "features.0.0", "features.0.1"
                        "features.1.conv.0.0", "features.1.conv.0.1"
                        "features.1.conv.1", "features.1.conv.2"
                        "features.17.conv.2", "features.17.conv.3"
                    ]

                converted
                    [
                        for name in List.map fst layers @ [ "features.18.0"; "classifier.1" ] do
                            $"{name}.weight", kernel
                            $"{name}.bias", bias
                    ]
                    (fun list ->
                        let stored = dict [ for tensor in list -> tensor.Name, tensor ]

                        let names =
                            [
                                for convolution, norm in layers do
                                    $"backbone.{convolution}.weight"

                                    for part in [ "weight"; "bias"; "running_mean"; "running_var" ] do
                                        $"backbone.{norm}.{part}"
                            ]

                        Expect.equal (List.sort (List.ofSeq stored.Keys)) (List.sort names) "names"
                        let x = torch.randn (2L, 3L, 5L, 5L)

                        for convolution, norm in layers do
                            let load part =
                                Tensors.Load stored[$"backbone.{norm}.{part}"]

                            let normed =
                                torch.nn.functional.batch_norm (
                                    torch.nn.functional.conv2d (
                                        x,
                                        Tensors.Load stored[$"backbone.{convolution}.weight"]
                                    ),
                                    load "running_mean",
                                    load "running_var",
                                    load "weight",
                                    load "bias",
                                    eps = 1e-5
                                )

                            let expected = torch.nn.functional.conv2d (x, kernel, bias)
                            Expect.isLessThan ((normed - expected).abs().max().ToSingle()) 1e-6f convolution))

            testCase "the folded MobileNetV2 computes the features that were recorded of it" (fun () ->
                let folder = Path.Combine(GoldenFolder.shared "", "..", "weights")
                let weights = Path.Combine(folder, "mobilenet_v2_imagenet_folded.safetensors")

                if not (File.Exists weights) then
                    skiptest "there is no ../shared/weights"

                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()

                use check =
                    JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "check.json")))

                let settings =
                    SettingsFile.parse
                        "test"
                        """{ "backbone": { "kind": "mobilenet_v2", "padding": "same" }, "classes": 2,
                             "data": { "normalise": { "mean": [127.5, 127.5, 127.5], "std": [127.5, 127.5, 127.5] } } }"""
                        []

                let detector = Detector.initialise settings.Detector 1UL torch.CPU
                BackboneWeights.copyInto detector weights settings.Data.Normalise torch.CPU

                for pattern, height, width in [ "pattern_224", 224, 224; "pattern_odd", 203, 229 ] do
                    let pixels =
                        [|
                            for c in 0..2 do
                                for h in 0 .. height - 1 do
                                    for w in 0 .. width - 1 ->
                                        float32 ((7 * h + 13 * w + 29 * c) % 256) / 127.5f - 1.0f
                        |]

                    let images = torch.tensor(pixels).view(1L, 3L, int64 height, int64 width)
                    let maps = Backbone.apply None detector.Weights.Backbone images

                    for map, name in List.zip maps [ "features.3"; "features.6"; "features.13"; "features.17" ] do
                        let recorded =
                            check.RootElement.GetProperty(pattern).GetProperty("features").GetProperty name

                        let number (key: string) = recorded.GetProperty(key).GetDouble()

                        let shape =
                            [
                                for size in recorded.GetProperty("shape").EnumerateArray() -> size.GetInt64()
                            ]

                        Expect.equal (List.ofArray map.shape) shape $"{pattern} {name}"
                        let exact = map.``to`` torch.float64

                        let near (found: float) expected what =
                            // relative to how far the values are spread
                            Expect.isLessThan (abs (found - expected)) (1e-3 * number "std") $"{pattern} {name} {what}"

                        near (exact.mean().ToDouble()) (number "mean") "mean"
                        near (exact.std(unbiased = false).ToDouble()) (number "std") "std"

                        for i, first in Seq.indexed (recorded.GetProperty("first").EnumerateArray()) do
                            near (exact[0L, 0L, 0L, int64 i].ToDouble()) (first.GetDouble()) $"value {i}"

                Detector.dispose detector)

            testCase "what is called ResNet and is none of torchvision's form is refused by its name" (fun () ->
                use _ = torch.NewDisposeScope()
                let one = torch.zeros (1L)

                for name, expected in
                    [
                        "conv1.0.weight", "ResNet-D"
                        "layer2.0.downsample.2.weight", "ResNet-D"
                        "layer1.0.se.fc1.weight", "SE-ResNet"
                    ] do
                    inFolder (fun folder ->
                        let path = Path.Combine(folder, "a.safetensors")

                        SafetensorsWriter.Write(
                            path,
                            [|
                                for name in [ "layer1.0.conv1.weight"; name ] -> Tensors.ToWrite(name, one)
                            |]
                        )

                        use file = TensorFile.Open path
                        let problem = refusal path (fun () -> BackboneNames.convert file |> ignore)
                        Expect.stringContains problem expected name))

            testCase "of a detector only the backbone is taken" (fun () ->
                use _ = torch.NewDisposeScope()
                let one = torch.zeros (1L)

                converted [ "backbone.conv1.weight", one; "neck.convs.0.conv.bias", one ] (fun list ->
                    Expect.equal (list |> List.map _.Name) [ "backbone.conv1.weight" ] "names"))

            testCase "other files are refused" (fun () ->
                let refused (tensors: (string * int64[]) list) =
                    let mutable problem = ""

                    inFolder (fun folder ->
                        let path = Path.Combine(folder, "a.pth")
                        use _ = torch.NewDisposeScope()

                        PthWriter.Write(
                            path,
                            [| for name, shape in tensors -> Tensors.ToWrite(name, torch.zeros shape) |]
                        )

                        use file = TensorFile.Open path
                        problem <- refusal path (fun () -> BackboneNames.convert file |> ignore))

                    problem

                let swin = "layers.0.blocks.0.attn.qkv.weight", [| 1L |]
                Expect.stringContains (refused [ "w", [| 1L |] ]) "no known backbone" "another model"

                Expect.stringContains
                    (refused [ swin; "absolute_pos_embed", [| 1L |] ])
                    "absolute position"
                    "absolute positions"

                Expect.stringContains
                    (refused [ swin; "layers.0.downsample.norm.bias", [| 6L |] ])
                    "multiple of 4"
                    "odd merging"

                Expect.stringContains
                    (refused [ swin; "layers.0.downsample.norm.bias", [||] ])
                    "multiple of 4"
                    "scalar")

            testCase "a backbone is loaded as the model lists it, output norms where there are any" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.safetensors")
                    use _ = torch.NewDisposeScope()
                    let one = torch.ones (2L)

                    let expected name =
                        ExpectedTensor(name, [| 2L |], ElementType.Float32)

                    let wanted =
                        [| expected "backbone.a"; expected "backbone.norm0.weight"; expected "neck.b" |]

                    let load () =
                        BackboneWeights.load path wanted torch.CPU

                    let write names =
                        SafetensorsWriter.Write(path, [| for name in names -> Tensors.ToWrite(name, one) |])

                    write [ "backbone.a" ]
                    Expect.equal (Seq.toList (load ()).Keys) [ "backbone.a" ] "a classifier"

                    write
                        [
                            "backbone.a"
                            "backbone.norm0.weight"
                            "backbone.bn1.num_batches_tracked"
                            "head.c"
                        ]

                    Expect.equal (Seq.toList (load ()).Keys) [ "backbone.a"; "backbone.norm0.weight" ] "a detector"
                    write [ "backbone.a"; "backbone.b" ]
                    Expect.stringContains (refusal path (load >> ignore)) "backbone.b" "what is unexpected"
                    write [ "backbone.norm0.weight" ]
                    Expect.stringContains (refusal path (load >> ignore)) "backbone.a" "what is missing"))
        ]
