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
    { AugmentSettings.Published with
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

let private resize: ResizeSettings = { ShortSide = 48; LongMax = 80 }

let private zooming: AugmentSettings =
    { augment with
        Crop = None
        FlipVertical = 0.5
        Scale = Some { Min = 0.6; Max = 1.5 }
        Mosaic =
            Some
                {
                    Probability = 0.6
                    MinScale = 0.5
                    MaxScale = 1.2
                }
    }

/// The three further pictures of a mosaic, if one was drawn.
let private others seed (draws: Augmentation) =
    if isNull draws.Mosaic then
        [||]
    else
        let random = randomOf (seed + 1L)

        [|
            for _ in 1..3 do
                let width, height = random.Between(24, 90), random.Between(24, 90)
                let left, top = random.Between(0, width - 9), random.Between(0, height - 9)
                marked width height (left, top, random.Between(left + 8, width), random.Between(top + 8, height))
        |]

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

                let result = draws.Apply(marked width height rectangle, [||])
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

            testProperty "the size of a varied picture is known before"
            <| Prop.forAll (Arb.fromGen scenes) (fun (width, height, rectangle, seed) ->
                let draws = Augmentation.Draw(zooming, resize, randomOf seed)

                let varied =
                    draws.Apply(marked width height rectangle, others seed draws, struct (0uy, 0uy, 0uy))

                Expect.equal
                    (struct (varied.View.Width, varied.View.Height))
                    (draws.SizeOf(width, height))
                    "size without pixels")

            testProperty
                "what is bright in a mosaic or a zoomed picture has its box, but for what is cut to less than a quarter"
            <| Prop.forAll (Arb.fromGen scenes) (fun (width, height, rectangle, seed) ->
                let draws = Augmentation.Draw(zooming, resize, randomOf seed)

                let varied =
                    draws.Apply(marked width height rectangle, others seed draws, struct (0uy, 0uy, 0uy))

                let picture = varied.View.Render()
                Expect.equal varied.Labels.Length varied.Boxes.Length "a label for every box"

                let brightIn (x1: int) y1 x2 y2 =
                    seq {
                        for y in max 0 y1 .. min (picture.Height - 1) y2 do
                            for x in max 0 x1 .. min (picture.Width - 1) x2 do
                                if picture.Row(y)[x * 3] > 127uy then
                                    1
                    }
                    |> Seq.sum

                for box in varied.Boxes do
                    Expect.isTrue
                        (box.X1 >= 0f
                         && box.Y1 >= 0f
                         && box.X2 <= float32 picture.Width
                         && box.Y2 <= float32 picture.Height)
                        $"{box} inside"

                    // the middle of a box shows its object
                    if min box.Width box.Height >= 4.0f then
                        let x, y = int ((box.X1 + box.X2) / 2.0f), int ((box.Y1 + box.Y2) / 2.0f)
                        Expect.isGreaterThan (brightIn x y x y) 0 $"{box} is bright in its middle"

                let covered x y =
                    varied.Boxes
                    |> Array.exists (fun box ->
                        float32 x >= box.X1 - 2.0f
                        && float32 x <= box.X2 + 1.0f
                        && float32 y >= box.Y1 - 2.0f
                        && float32 y <= box.Y2 + 1.0f)

                // every object that lost its box was cut at an edge of its tile
                let lost =
                    [
                        for y in 0 .. picture.Height - 1 do
                            for x in 0 .. picture.Width - 1 do
                                if picture.Row(y)[x * 3] > 127uy && not (covered x y) then
                                    x, y
                    ]

                let pictures = if isNull draws.Mosaic then 1 else 4
                // at most a quarter of the largest object there can be, for each picture
                let most = 0.26 * float (pictures * 90 * 90) * 1.5 * 1.5 * 0.5
                Expect.isLessThan (float lost.Length) most "only what is cut may be without a box"

                if varied.Boxes.Length = pictures then
                    Expect.isEmpty lost "nothing bright is outside of all boxes")

            test "a mosaic puts each picture into its tile" {
                let tile = TileDraw(1.0, false, struct (0.0, 0.0))

                let mosaic =
                    MosaicDraw([| 0.0; 0.4; 0.99 |], struct (0.25, 0.5), [| tile; tile; tile; tile |])

                Expect.equal (List.ofSeq (mosaic.OthersOf 10)) [ 0; 4; 9 ] "others"

                let plain (level: byte) =
                    Example(
                        RgbImage(Array.create (40 * 20 * 3) level, 40, 20),
                        [| Box(0f, 0f, 40f, 20f) |],
                        [| int level |]
                    )

                let result =
                    mosaic.Apply(
                        [| plain 10uy; plain 20uy; plain 30uy; plain 40uy |],
                        ResizeLimit(20, 40),
                        struct (0uy, 0uy, 0uy)
                    )

                let picture = result.View.Render()
                let at x y = picture.Row(y)[x * 3]
                Expect.equal (picture.Width, picture.Height) (40, 20) "as large as the first"

                for x, y, level in
                    [
                        0, 0, 10uy
                        9, 9, 10uy
                        10, 9, 20uy
                        39, 0, 20uy
                        9, 10, 30uy
                        0, 19, 30uy
                        10, 10, 40uy
                        39, 19, 40uy
                    ] do
                    Expect.equal (at x y) level $"pixel {x}, {y}"

                // a tile of 10 x 10 shows an eighth of a picture of 40 x 20, too little for its box
                Expect.equal
                    (List.zip (List.ofArray result.Labels) (List.ofArray result.Boxes))
                    [ 20, Box(10f, 0f, 40f, 10f); 40, Box(10f, 10f, 40f, 20f) ]
                    "boxes"
            }

            testProperty "colours: nothing drawn changes nothing, grey keeps its hue, saturation 0 leaves grey"
            <| Prop.forAll (Arb.fromGen (Gen.zip (Gen.choose (1, 40)) (Gen.choose (-180, 180)))) (fun (width, hue) ->
                let source = noise (randomOf (int64 (width * 1000 + hue))) width 3
                Expect.equal (ColourMatrix.Of(1.0, 1.0, 1.0, 0.0).Apply source).Pixels source.Pixels "identity"
                let grey = RgbImage(Array.init (width * 9) (fun i -> byte (i / 3 * 5)), width, 3)

                let near (a: byte[]) (b: byte[]) what =
                    Expect.isLessThanOrEqual (Array.map2 (fun x y -> abs (int x - int y)) a b |> Array.max) 1 what

                near (ColourMatrix.Of(1.0, 1.0, 0.4, float hue).Apply grey).Pixels grey.Pixels "grey has no hue"
                let faded = (ColourMatrix.Of(1.0, 1.0, 0.0, 0.0).Apply source).Pixels

                for i in 0..3 .. faded.Length - 1 do
                    let luma =
                        0.213 * float source.Pixels[i]
                        + 0.715 * float source.Pixels[i + 1]
                        + 0.072 * float source.Pixels[i + 2]

                    for c in 0..2 do
                        Expect.isLessThanOrEqual (abs (float faded[i + c] - luma)) 1.0 "the grey of equal luma"

                let level brightness contrast (value: byte) =
                    brightness * (contrast * (float value - 127.5) + 127.5) |> max 0.0 |> min 255.0

                let changed = (ColourMatrix.Of(1.3, 0.7, 1.0, 0.0).Apply source).Pixels

                for value, found in Array.zip source.Pixels changed do
                    Expect.isLessThanOrEqual (abs (float found - level 1.3 0.7 value)) 0.51 "contrast, then brightness")

            test "a hue turned by 120 degrees makes red greener, and luma stays" {
                let red = RgbImage([| 120uy; 60uy; 60uy |], 1, 1)
                let turned = (ColourMatrix.Of(1.0, 1.0, 1.0, 120.0).Apply red).Pixels
                Expect.isGreaterThan turned[1] turned[0] "green above red"

                let luma (p: byte[]) =
                    0.213 * float p[0] + 0.715 * float p[1] + 0.072 * float p[2]

                Expect.isLessThan (abs (luma turned - luma red.Pixels)) 1.5 "luma"
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
