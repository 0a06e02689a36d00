module DeqDet.Tests.DataTransformTests

open System
open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open DeqDet.Settings
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Images
open DeqDet.Tests.DataFiles
open DeqDet.Tests.Seeded

let private golden =
    lazy (Golden.load (Path.Combine(Golden.folder "", "tiny_preprocess.safetensors")))

let private ints (name: string) =
    golden.Value[name].data<int64>().ToArray() |> Array.map int

let private bytesOf (tensor: torch.Tensor) =
    tensor.contiguous().data<byte>().ToArray()

let private image (hwc: torch.Tensor) =
    RgbImage(bytesOf hwc, int hwc.shape[1], int hwc.shape[0])

let private imagenet =
    {
        Mean = [ 123.675; 116.28; 103.53 ]
        Std = [ 58.395; 57.12; 57.375 ]
    }

let private about = BatchImage(0L, "", 0, 0, 0, 0, 1.0f, 1.0f, [||], [||])

let private noise (random: SplitMix64) width height =
    RgbImage(Array.init (width * height * 3) (fun _ -> byte (random.Below 256)), width, height)

/// A dark picture with one bright rectangle, and the rectangle's box.
let private marked width height (left, top, right, bottom) =
    let pixels = Array.zeroCreate<byte>(width * height * 3)

    for y in top .. bottom - 1 do
        Array.fill pixels ((y * width + left) * 3) ((right - left) * 3) 255uy

    Example(
        RgbImage(pixels, width, height),
        [| Box(float32 left, float32 top, float32 right, float32 bottom) |],
        [| 4 |]
    )

/// Tight box of the pixels brighter than half.
let private brightBox (image: RgbImage) =
    let bright =
        [
            for y in 0 .. image.Height - 1 do
                for x in 0 .. image.Width - 1 do
                    if image.Row(y)[x * 3] > 127uy then
                        x, y
        ]

    match bright with
    | [] -> None
    | _ ->
        let xs, ys = List.map fst bright, List.map snd bright
        Some(Box(float32 (List.min xs), float32 (List.min ys), float32 (List.max xs + 1), float32 (List.max ys + 1)))

let private farthest (a: Box) (b: Box) =
    List.max [ abs (a.X1 - b.X1); abs (a.Y1 - b.Y1); abs (a.X2 - b.X2); abs (a.Y2 - b.Y2) ]

/// A picture size, a rectangle inside, and a seed.
let private scenes =
    gen {
        let! width = Gen.choose (24, 90)
        let! height = Gen.choose (24, 90)
        let! left = Gen.choose (0, width - 9)
        let! top = Gen.choose (0, height - 9)
        let! right = Gen.choose (left + 8, width)
        let! bottom = Gen.choose (top + 8, height)
        let! seed = Gen.choose (0, 1_000_000)
        return width, height, (left, top, right, bottom), int64 seed
    }

let private augment: AugmentSettings =
    {
        Flip = 0.5
        ShortSides = [ 32; 48; 64 ]
        Crop =
            Some
                {
                    Probability = 0.5
                    ShortSides = [ 40; 60 ]
                    MinSize = 24
                    MaxSize = 48
                }
    }

[<Tests>]
let tests =
    testList
        "transforms"
        [
            test "keep-ratio sizes are the reference's" {
                let rows = ints "keep_ratio_rows_w_h_sw_sh_nw_nh" |> Array.chunkBySize 6
                Expect.isGreaterThan rows.Length 50 "cases"

                for row in rows do
                    let struct (width, height) =
                        ResizeLimit(min row[2] row[3], max row[2] row[3]).Of(row[0], row[1])

                    Expect.equal (width, height) (row[4], row[5]) $"{row[0]} x {row[1]} into {row[2]}, {row[3]}"
            }

            test "bilinear resize is OpenCV's within one grey level" {
                let source = image golden.Value["resize_src_hwc_uint8"]

                for case in 0..2 do
                    let limits = ints $"resize{case}_scale"
                    let expected = image golden.Value[$"resize{case}_out_hwc_uint8"]
                    let example = Example(source, [||], [||])
                    let resized = example.Resized(ResizeLimit(Array.min limits, Array.max limits))
                    let actual = resized.View.Render()
                    let factors = golden.Value[$"resize{case}_scale_factor_wh"].data<double>().ToArray()
                    Expect.equal (actual.Width, actual.Height) (expected.Width, expected.Height) "size"
                    Expect.floatClose Accuracy.medium (float resized.ScaleX) factors[0] "horizontal scale"
                    Expect.floatClose Accuracy.medium (float resized.ScaleY) factors[1] "vertical scale"

                    let worst =
                        Array.map2 (fun a b -> abs (int a - int b)) actual.Pixels expected.Pixels
                        |> Array.max

                    Expect.isLessThanOrEqual worst 1 $"case {case}"
            }

            test "resize agrees with the definition in floating point" {
                let random = randomOf 11L

                for width, height, toWidth, toHeight in
                    [
                        37, 20, 61, 33
                        37, 20, 18, 10
                        5, 7, 80, 90
                        1, 9, 4, 4
                        64, 48, 32, 24
                        33, 33, 100, 12
                    ] do
                    let source = noise random width height
                    let actual = Resize.Bilinear(source, toWidth, toHeight)

                    let at x y c =
                        float (source.Row(Math.Clamp(y, 0, height - 1))[Math.Clamp(x, 0, width - 1) * 3 + c])

                    for y in 0 .. toHeight - 1 do
                        for x in 0 .. toWidth - 1 do
                            for c in 0..2 do
                                let px = (float x + 0.5) * float width / float toWidth - 0.5
                                let py = (float y + 0.5) * float height / float toHeight - 0.5
                                let x0, y0 = int (floor px), int (floor py)
                                let fx, fy = px - float x0, py - float y0

                                let expected =
                                    (1.0 - fy) * ((1.0 - fx) * at x0 y0 c + fx * at (x0 + 1) y0 c)
                                    + fy * ((1.0 - fx) * at x0 (y0 + 1) c + fx * at (x0 + 1) (y0 + 1) c)

                                Expect.isLessThanOrEqual
                                    (abs (expected - float (actual.Row(y)[x * 3 + c])))
                                    1.0
                                    $"{width} x {height} to {toWidth} x {toHeight}, pixel {x}, {y}"
            }

            test "normalising and padding are the reference's" {
                let pictures =
                    [|
                        for i in 0..1 do
                            let bgr = golden.Value[$"image{i}_bgr_chw_uint8"]
                            let rgb = image (bgr.flip([| 0L |]).permute(1L, 2L, 0L).contiguous())
                            struct (ImageView rgb, about)
                    |]

                use batch = Normalisation(imagenet).Collate pictures
                Expect.equal [| batch.Height; batch.Width |] (ints "batch_input_shape_hw") "padded size"
                let expected = golden.Value["batch"].data<float32>().ToArray()
                let actual = batch.Pixels.ToArray()
                Expect.equal actual.Length expected.Length "length"

                for e, a in Array.zip expected actual do
                    Expect.isLessThanOrEqual (abs (e - a)) 1e-6f "normalised value"
            }

            testProperty "a view's rows are the bytes of resize and flip, and normalise to their values"
            <| Prop.forAll
                (Arb.fromGen (
                    Gen.zip
                        (Gen.zip (Gen.choose (1, 70)) (Gen.choose (1, 40)))
                        (Gen.zip (Gen.choose (1, 90)) (Gen.choose (1, 50)))
                ))
                (fun ((width, height), (toWidth, toHeight)) ->
                    let source = noise (randomOf (int64 (width * 100 + toHeight))) width height
                    // The half of even sizes is a case of its own.
                    for w, h in [ toWidth, toHeight; width, height; max 1 (width / 2), max 1 (height / 2) ] do
                        for flip in [ false; true ] do
                            let view = ImageView(source, w, h, flip)
                            let resized = Resize.Bilinear(source, w, h)
                            let expected = if flip then resized.FlippedHorizontally() else resized
                            Expect.equal (view.Render()).Pixels expected.Pixels "rendered"
                            use batch = Normalisation(imagenet).Collate [| struct (view, about) |]
                            let values = batch.Pixels.ToArray()

                            for y in 0 .. batch.Height - 1 do
                                for x in 0 .. batch.Width - 1 do
                                    for c in 0..2 do
                                        let value =
                                            if x < w && y < h then
                                                (float32 (expected.Row(y)[x * 3 + c]) - float32 imagenet.Mean[c])
                                                / float32 imagenet.Std[c]
                                            else
                                                0.0f

                                        let found = values[(c * batch.Height + y) * batch.Width + x]

                                        if found <> value then
                                            failtestf "pixel %d, %d of %d x %d: %g, not %g" x y w h found value)

            testProperty "flipping twice changes nothing"
            <| Prop.forAll (Arb.fromGen scenes) (fun (width, height, rectangle, seed) ->
                let example =
                    let boxes = (marked width height rectangle).Boxes
                    Example(noise (randomOf seed) width height, boxes, [| 4 |])

                let image = example.View.Render()
                let twice = example.Flipped().Flipped()
                Expect.equal (twice.View.Render()).Pixels image.Pixels "left and right"
                Expect.equal twice.Boxes example.Boxes "boxes"
                let twice = image.FlippedHorizontally().FlippedHorizontally()
                Expect.equal twice.Pixels image.Pixels "left and right, pixels moved"
                let twice = image.FlippedVertically().FlippedVertically()
                Expect.equal twice.Pixels image.Pixels "top and bottom")

            testProperty "a flipped picture is the mirror image, whatever its width"
            <| Prop.forAll (Arb.fromGen (Gen.choose (1, 70))) (fun width ->
                let source = noise (randomOf (int64 width)) width 3
                let flipped = source.FlippedHorizontally()

                for y in 0..2 do
                    for x in 0 .. width - 1 do
                        for c in 0..2 do
                            Expect.equal
                                (flipped.Row(y)[x * 3 + c])
                                (source.Row(y)[(width - 1 - x) * 3 + c])
                                $"pixel {x}, {y} of {width}")

            testProperty "a box follows its pixels through the whole augmentation"
            <| Prop.forAll (Arb.fromGen scenes) (fun (width, height, rectangle, seed) ->
                let draws =
                    Augmentation.Draw(augment, { ShortSide = 48; LongMax = 80 }, randomOf seed)

                let result = draws.Apply(marked width height rectangle)
                Expect.isLessThanOrEqual (max result.View.Width result.View.Height) 80 "the long side's limit"

                match brightBox (result.View.Render()), List.ofArray result.Boxes with
                | Some bright, [ box ] ->
                    // An edge may fall anywhere inside a resized pixel, and is blurred over as many pixels as the picture grew.
                    let tolerance = 1.0f + 1.5f * max 1.0f (max result.ScaleX result.ScaleY)
                    Expect.isLessThanOrEqual (farthest bright box) tolerance $"{box} around the bright {bright}"
                    Expect.equal result.Labels [| 4 |] "the label stays with the box"
                | None, boxes ->
                    for box in boxes do
                        Expect.isLessThan (min box.Width box.Height) 4.0f "only a sliver may be invisible"
                | Some bright, boxes ->
                    Expect.isEmpty boxes "one box at most"

                    Expect.isLessThan
                        (min bright.Width bright.Height)
                        4.0f
                        "a box may only be lost where next to nothing is left")

            testProperty "a crop keeps the boxes it touches, clipped"
            <| Prop.forAll (Arb.fromGen scenes) (fun (width, height, rectangle, seed) ->
                let random = randomOf seed
                let cropWidth, cropHeight = random.Between(1, width), random.Between(1, height)

                let left, top =
                    random.Below(width - cropWidth + 1), random.Below(height - cropHeight + 1)

                let cropped =
                    (marked width height rectangle).Cropped(left, top, cropWidth, cropHeight)

                Expect.equal (cropped.View.Width, cropped.View.Height) (cropWidth, cropHeight) "size"
                // Nothing is resized, so box and pixels agree exactly.
                Expect.equal
                    (Option.toList (brightBox (cropped.View.Render())))
                    (List.ofArray cropped.Boxes)
                    "box of what is left"

                Expect.equal cropped.Labels.Length cropped.Boxes.Length "a label for every box")

            testProperty
                "a crop's sides are between the limits, its place inside the picture, and its scale below the long side's limit"
            <| Prop.forAll
                (Arb.fromGen (Gen.zip3 (Gen.choose (8, 3000)) (Gen.choose (8, 3000)) (Gen.choose (0, 1_000_000))))
                (fun (width, height, seed) ->
                    let draws =
                        Augmentation.Draw(augment, { ShortSide = 48; LongMax = 80 }, randomOf (int64 seed))

                    match Option.ofObj draws.Crop with
                    | None -> ()
                    | Some crop ->
                        let struct (before, high) = crop.Before.Of(width, height)

                        Expect.isLessThanOrEqual
                            (max before high)
                            80
                            "the long side of the reference's resize before a crop"

                        let struct (left, top, wide, tall) = crop.Of(before, high)

                        for side, full in [ wide, before; tall, high ] do
                            Expect.isGreaterThanOrEqual side (min full crop.MinSide) "least side"
                            Expect.isLessThanOrEqual side (min full crop.MaxSide) "greatest side"

                        Expect.isTrue (left >= 0 && left + wide <= before && top >= 0 && top + tall <= high) "inside")

            test "a crop can take every side and every place, the last ones included" {
                let crop (x, y) (u, v) =
                    CropDraw(ResizeLimit(10, 10), 4, 7, struct (x, y), struct (u, v)).Of(10, 5)

                let last = 1.0 - 1e-16
                Expect.equal (crop (0.0, 0.0) (0.0, 0.0)) (struct (0, 0, 4, 4)) "the first of all"

                Expect.equal
                    (crop (last, last) (last, last))
                    (struct (3, 0, 7, 5))
                    "the last of all, 5 px being all there is"

                Expect.equal (crop (0.0, 0.0) (last, last)) (struct (6, 1, 4, 4)) "the last place"
            }

            test "draws follow their probabilities" {
                let drawn =
                    [
                        for i in 0L .. 3999L do
                            Augmentation.Draw(augment, { ShortSide = 48; LongMax = 80 }, randomOf i)
                    ]

                let share (condition: Augmentation -> bool) =
                    float (drawn |> List.filter condition |> List.length) / 4000.0

                Expect.isLessThan (abs (share _.Flip - 0.5)) 0.04 "flips"
                Expect.isLessThan (abs (share (fun d -> not (isNull d.Crop)) - 0.5)) 0.04 "crops"

                for side in augment.ShortSides do
                    Expect.isLessThan (abs (share (fun d -> d.Size.Short = side) - 1.0 / 3.0)) 0.04 "sizes"
            }
        ]
