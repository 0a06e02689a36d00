module DeqDet.Tests.ReportingPictureTests

open System
open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open SkiaSharp
open DeqDet
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Images
open DeqDet.Coco.Evaluation
open DeqDet.Reports
open DeqDet.Tests.CheckpointFiles
open DeqDet.Settings

let private flat width height (level: byte) =
    RgbImage(Array.create (width * height * 3) level, width, height)

/// A picture whose pixels are all different from their neighbours.
let private patterned width height =
    RgbImage(Array.init (width * height * 3) (fun i -> byte (i * 7 + i / 91)), width, height)

let private drawn label name (x1, y1, x2, y2) =
    DrawnBox(Box(x1, y1, x2, y2), label, name)

let private scored label name score box =
    DrawnBox((drawn label name box).Box, label, name, Nullable score)

let private pixel (picture: Picture) x y =
    let row = picture.Image.Row y
    SKColor(row[x * 3], row[x * 3 + 1], row[x * 3 + 2])

let private count colour (picture: Picture) =
    Seq.allPairs [ 0 .. picture.Image.Width - 1 ] [ 0 .. picture.Image.Height - 1 ]
    |> Seq.filter (fun (x, y) -> pixel picture x y = colour)
    |> Seq.length

let private annotate image boxes = Picture.Annotate(image, boxes)

/// Contrast of two colours by WCAG 2, 1 to 21.
let private contrast a b =
    let a, b = Palette.Luminance a, Palette.Luminance b
    (max a b + 0.05) / (min a b + 0.05)

let private anyBox =
    gen {
        let edge =
            Gen.frequency
                [
                    8, Gen.choose (-200, 900) |> Gen.map (fun n -> float32 n / 1.5f)
                    1, Gen.elements [ Single.NaN; Single.PositiveInfinity; Single.NegativeInfinity; 1e30f ]
                ]

        let! x1 = edge
        let! y1 = edge
        let! x2 = edge
        let! y2 = edge
        let! label = Gen.choose (0, 100)

        let! name =
            Gen.elements
                [
                    ""
                    "disc"
                    "traffic light"
                    "a name that is much longer than its box"
                    "caf\u00e9"
                ]

        let! score = Gen.choose (0, 100)
        return DrawnBox(Box(x1, y1, x2, y2), label, name, Nullable(float score / 100.0))
    }

/// A set of three images of 40 x 30 px, the first with a box of class "b".
let private dataSet folder =
    let images =
        [
            for i in 1..3 ->
                let boxes =
                    if i = 1 then
                        [| DataBox(1L, 1, Box(5f, 5f, 20f, 20f), 225.0, false) |]
                    else
                        [||]

                DataImage(CocoId(int64 i * 10L), $"{i}.png", 40, 30, boxes)
        ]

    for image in images do
        let pixels = (patterned 40 30).Pixels
        File.WriteAllBytes(Path.Combine(folder, image.FileName), PngWriter.Encode(ReadOnlySpan pixels, 40, 30))

    CocoDataset(ResizeArray images, [| { Id = CocoId 3L; Name = "a" }; { Id = CocoId 7L; Name = "b" } |], folder, [||])

let private settings pictures score : EvaluationSettings =
    {
        BatchSize = 1
        Pictures = pictures
        PictureScore = score
    }

[<Tests>]
let tests =
    testList
        "Pictures"
        [
            testCase "an image that is large enough keeps its pixels but for boxes and captions"
            <| fun () ->
                let image = patterned 640 400
                Expect.equal (annotate image []).Image.Pixels image.Pixels "no boxes, no change"
                let picture = annotate image [ drawn 0 "disc" (100f, 100f, 300f, 300f) ]
                Expect.equal (picture.Image.Width, picture.Image.Height) (640, 400) "size"

                for x in 110..290 do
                    Expect.equal
                        (picture.Image.Row(200).Slice(x * 3, 3).ToArray())
                        (image.Row(200).Slice(x * 3, 3).ToArray())
                        "inside"

            testCase "the line of a box has its class's colour and lies inside it, between dark contours"
            <| fun () ->
                let picture = annotate (flat 640 400 200uy) [ drawn 3 "" (100f, 100f, 300f, 300f) ]

                for x, y in [ 100, 200; 101, 200; 299, 200; 298, 200; 200, 100; 200, 299 ] do
                    Expect.equal (pixel picture x y) (Palette.Of 3) $"line at {x}, {y}"

                for x, y in [ 99, 200; 102, 200; 300, 200; 200, 99; 200, 300 ] do
                    Expect.isLessThan (pixel picture x y).Red 120uy $"contour at {x}, {y}"

                for x, y in [ 97, 200; 104, 200; 302, 200 ] do
                    Expect.equal (pixel picture x y).Red 200uy $"ground at {x}, {y}"

            testCase "small images are enlarged by a whole number, and boxes with them"
            <| fun () ->
                let picture = annotate (flat 128 96 200uy) [ drawn 1 "" (32f, 32f, 64f, 64f) ]
                Expect.equal (picture.Image.Width, picture.Image.Height) (512, 384) "four times"
                Expect.equal (pixel picture 128 200) (Palette.Of 1) "left line"
                Expect.equal (pixel picture 255 200) (Palette.Of 1) "right line"
                let tiny = annotate (flat 1 1 9uy) []
                Expect.equal (tiny.Image.Width, tiny.Image.Height) (480, 480) "a single pixel"

            testCase "equal input gives equal pixels"
            <| fun () ->
                let boxes =
                    [
                        for i in 0..9 -> scored i "disc" 0.5 (float32 i * 20f, 30f, float32 i * 20f + 90f, 200f)
                    ]

                let image = patterned 300 200
                Expect.equal (annotate image boxes).Image.Pixels (annotate image boxes).Image.Pixels "pixels"

            testCase "captions of two equal boxes do not hide each other"
            <| fun () ->
                let box = 100f, 100f, 300f, 300f

                let alone =
                    count (Palette.Of 0) (annotate (flat 640 400 0uy) [ drawn 0 "disc" box ])

                let lines = count (Palette.Of 0) (annotate (flat 640 400 0uy) [ drawn 0 "" box ])
                let both = annotate (flat 640 400 0uy) [ drawn 0 "disc" box; drawn 1 "disc" box ]
                Expect.isGreaterThan (alone - lines) 200 "a chip"
                // The second box hides the first one's lines; its chip stays.
                Expect.isGreaterThan (count (Palette.Of 0) both) (9 * (alone - lines) / 10) "the first chip"

            testCase "a dashed line has gaps"
            <| fun () ->
                let box = Box(100f, 100f, 500f, 300f)
                let image = flat 640 400 0uy
                let full = count (Palette.Of 2) (annotate image [ DrawnBox(box, 2, "") ])

                let dashed =
                    count (Palette.Of 2) (annotate image [ DrawnBox(box, 2, "", Dashed = true) ])

                Expect.isGreaterThan dashed (full * 4 / 10) "dashes"
                Expect.isLessThan dashed (full * 7 / 10) "gaps"

            testProperty "any boxes can be drawn, wherever they lie and whatever they are called"
            <| Prop.forAll (Arb.fromGen (Gen.listOf anyBox)) (fun boxes ->
                let picture = annotate (flat 60 90 90uy) boxes
                picture.Image.Width = 360 && picture.Image.Height = 540)

            testCase "captions are readable on every class's colour"
            <| fun () ->
                for label in 0..200 do
                    let colour = Palette.Of label
                    Expect.isGreaterThan (contrast colour (Palette.TextOn colour)) 4.5 $"label {label}"

            testCase "the first classes' colours are easy to tell apart"
            <| fun () ->
                let distance (a: SKColor) (b: SKColor) =
                    [ a.Red, b.Red; a.Green, b.Green; a.Blue, b.Blue ]
                    |> List.sumBy (fun (p, q) -> abs (int p - int q))

                for a in 0..79 do
                    for b in 0 .. a - 1 do
                        let least =
                            if a < 10 then 85
                            elif a < 16 then 60
                            else 6

                        Expect.isGreaterThan (distance (Palette.Of a) (Palette.Of b)) least $"{a} and {b}"

            testCase "every printable character has a form of its own"
            <| fun () ->
                let form (character: char) =
                    let name = $"{character}"
                    let picture = annotate (flat 480 60 200uy) [ drawn 2 name (100f, 40f, 140f, 55f) ]
                    Convert.ToHexString picture.Image.Pixels

                let others = "\u00e9\u00fc\u0394\u03bb\u0416\u0449\u4e2d\u6587"
                let forms = [ for c in '!' .. '~' -> form c ] @ [ for c in others -> form c ]
                Expect.hasLength (List.distinct forms) (94 + others.Length) "of all scripts"

            testCase "what the font lacks is written as code points, never as an empty frame"
            <| fun () ->
                for text, readable in
                    [
                        "plain text", "plain text"
                        "Größe, Ελλάς, Живот", "Größe, Ελλάς, Живот"
                        "中文 图片", "U+4E2D U+6587 U+56FE U+7247"
                        "a中b", "a U+4E2D b"
                        "emoji 😀!", "emoji U+1F600 !"
                        "\u2764\ufe0f", "U+2764"
                        "line\nend", "line U+000A end"
                        "\ud800", "U+FFFD"
                        "", ""
                    ] do
                    Expect.equal (TextFont.Readable text) readable "as it is drawn"

                let drawnAs name =
                    (annotate (flat 480 60 200uy) [ drawn 2 name (100f, 40f, 140f, 55f) ]).Image.Pixels

                Expect.equal (drawnAs "中") (drawnAs "U+4E2D") "pixels"

            testProperty "the width of a text is the sum of its characters'"
            <| Prop.forAll
                (Arb.fromGen (Gen.listOf (Gen.elements [ yield! [ ' ' .. '~' ]; yield! "äßЖщΔλé" ])))
                (fun characters ->
                    let width (text: string) = TextFont.Measure(text, 10f)
                    let sum = characters |> List.sumBy (fun c -> width $"{c}")
                    abs (width (String(Array.ofList characters)) - sum) < 0.01f * float32 (characters.Length + 1))

            testCase "panels stand side by side as they are"
            <| fun () ->
                let a, b = annotate (patterned 500 300) [], annotate (patterned 490 310) []
                let beside = Picture.Beside(a, b)

                let part left (picture: Picture) =
                    let top = beside.Image.Height - 10 - 310
                    beside.Image.Cropped(left, top, picture.Image.Width, picture.Image.Height)

                Expect.equal beside.Image.Width (10 + 500 + 10 + 490 + 10) "width"
                Expect.equal (part 10 a).Pixels a.Image.Pixels "truth"
                Expect.equal (part 520 b).Pixels b.Image.Pixels "detections"

            testCase "a sheet holds every picture"
            <| fun () ->
                let pictures = [ for i in 1..5 -> annotate (flat 480 (100 + i) (byte (40 * i))) [] ]
                let sheet = Picture.Sheet(ResizeArray pictures, 2)
                Expect.equal sheet.Image.Width (10 + 2 * 490) "width"
                Expect.equal sheet.Image.Height (10 + 112 + 114 + 115) "height"

                for i in 1..5 do
                    let level = byte (40 * i)
                    Expect.equal (count (SKColor(level, level, level)) sheet) (480 * (100 + i)) $"picture {i}"

            testCase "files read back to the same pixels, and nothing else is left in the folder"
            <| fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "picture.png")

                    let picture =
                        annotate (patterned 480 100) [ scored 1 "disc" 0.875 (10f, 50f, 70f, 90f) ]

                    File.WriteAllText(path, "an older file")
                    picture.Save path
                    Expect.equal (ImageFile.Load(path, Nullable())).Pixels picture.Image.Pixels "pixels"
                    Expect.equal (Directory.GetFileSystemEntries folder) [| path |] "files"

                    Expect.throwsT<DeqDet.InputError>
                        (fun () -> picture.Save(Path.Combine(folder, "missing", "picture.png")))
                        "no such folder")

            testCase "validation pictures: evenly spread images, a sheet, and only detections that are sure enough"
            <| fun () ->
                inFolder (fun folder ->
                    let data = dataSet folder
                    let detections = Detections()
                    detections.Add(10L, 7L, 6.0, 6.0, 15.0, 12.0, 0.8)
                    detections.Add(20L, 3L, 1.0, 1.0, 9.0, 9.0, 0.2)

                    let draw name pictures score =
                        let files =
                            ValidationPictures.Draw(
                                data,
                                detections,
                                settings pictures score,
                                Path.Combine(folder, name)
                            )

                        [ for file in files -> Path.GetFileName file, File.ReadAllBytes file ]

                    let all = draw "all" 10 0.5
                    Expect.equal (List.map fst all) [ "1.png"; "2.png"; "3.png"; "sheet.png" ] "files"
                    let some = draw "some" 2 0.1
                    Expect.equal (List.map fst some) [ "1.png"; "2.png"; "sheet.png" ] "fewer"
                    Expect.equal (snd some[0]) (snd all[0]) "the sure detection is in both"
                    Expect.notEqual (snd some[1]) (snd all[1]) "the other one is only in one"
                    Expect.equal (draw "none" 0 0.5) [] "none")
        ]
