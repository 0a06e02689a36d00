module DeqDet.Tests.CheckpointBackboneTests

open System.IO
open Expecto
open TorchSharp
open DeqDet.Checkpoints
open DeqDet.Detection
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
