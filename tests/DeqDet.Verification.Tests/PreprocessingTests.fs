/// Golden sets of pictures other than the one in tests/golden: more pictures, other sizes.
module DeqDet.Verification.Tests.PreprocessingTests

open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open DeqDet.Model
open DeqDet.Verification

let private up (side: int) = (side + 31) / 32 * 32

/// The set of random pictures of the given sizes (h, w), by tensor operations: what the reference would have recorded.
let private set (sizes: (int * int) list) : GoldenFile =
    let sizes = List.map (fun (h, w) -> int64 h, int64 w) sizes
    let up (side: int64) = int64 (up (int side))

    use generator = new torch.Generator(7UL, torch.CPU)

    let pictures =
        [
            for h, w in sizes -> torch.randint (0L, 256L, [| 3L; h; w |], dtype = torch.uint8, generator = generator)
        ]

    let channels (values: float list) =
        torch.tensor([| for v in values -> float32 v |]).view(3L, 1L, 1L)

    let mean, std =
        channels [ 123.675; 116.28; 103.53 ], channels [ 58.395; 57.12; 57.375 ]

    let height, width =
        up (List.max (List.map fst sizes)), up (List.max (List.map snd sizes))

    let normalised (picture: Tensor) =
        let rgb = (picture.flip 0L).``to`` torch.float32
        torch.nn.functional.pad ((rgb - mean) / std, [| 0L; width - picture.size 2; 0L; height - picture.size 1 |])

    let rows (sizes: (int64 * int64) list) =
        torch
            .tensor(
                [|
                    for h, w in sizes do
                        yield! [ h; w ]
                |]
            )
            .view(-1L, 2L)

    {
        Name = "made_preprocess.safetensors"
        Tensors =
            dict
                [
                    for i, picture in List.indexed pictures do
                        $"image{i}_bgr_chw_uint8", picture
                    "batch", torch.stack [| for picture in pictures -> normalised picture |]
                    "batch_input_shape_hw", torch.tensor [| height; width |]
                    "img_shapes_hw", rows sizes
                    "pad_shapes_hw", rows [ for h, w in sizes -> up h, up w ]
                ]
            |> System.Collections.Generic.Dictionary
    }

let private failures (file: GoldenFile) =
    [
        for check in Preprocessing.check file do
            if not check.Passed then
                check.Tensor
    ]

[<Tests>]
let tests =
    testList
        "Preprocessing"
        [
            testCase "pad_shapes_hw is each picture's own size rounded up, not the batch's"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let file = set [ 37, 100; 64, 33; 30, 32 ]

                Expect.equal
                    (GoldenFile.integers (GoldenFile.find "pad_shapes_hw" file))
                    [| 64; 128; 64; 64; 32; 32 |]
                    "the set"

                Expect.equal (failures file) [] "out of tolerance"

            testProperty "sets of any number of pictures of any sizes pass"
            <| Prop.forAll
                (Gen.choose (1, 80)
                 |> Gen.two
                 |> Gen.listOf
                 |> Gen.filter (fun sizes -> sizes.Length >= 1 && sizes.Length <= 4)
                 |> Arb.fromGen)
                (fun sizes ->
                    use _ = torch.NewDisposeScope()
                    failures (set sizes) = [])

            testCase "a set without notes about sizes, and without the scales of its resized picture"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let file = set [ 20, 30 ]
                let tensors = System.Collections.Generic.Dictionary file.Tensors
                tensors.Remove "img_shapes_hw" |> ignore

                let source =
                    torch.arange(1890.0.ToScalar()).remainder(251.0.ToScalar()).``to``(torch.uint8).view(21L, 30L, 3L)

                tensors["resize_src_hwc_uint8"] <- source
                tensors["resize0_out_hwc_uint8"] <- Pictures.resize source 10 7
                tensors["resize0_scale_factor_wh"] <- torch.tensor [| 10.0 / 30.0; 7.0 / 21.0 |]
                let file = { file with Tensors = tensors }
                Expect.equal (failures file) [] "out of tolerance"

                Expect.equal
                    [ for check in Preprocessing.check file -> check.Tensor ]
                    [
                        "batch"
                        "batch_input_shape_hw"
                        "pad_shapes_hw"
                        "resize0_scale_factor_wh"
                        "resize0_out_hwc_uint8"
                    ]
                    "what was compared"
        ]
