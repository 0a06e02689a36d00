/// Files of labels in other formats: what they say, and what becomes of names that get in each other's way.
module DeqDet.Tests.ExportTests

open System
open System.Globalization
open System.IO
open System.Text
open System.Text.Json
open System.Xml.Linq
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Coco
open DeqDet.Data.Export
open DeqDet.Tests.DataFiles

/// Names that mean something to one of the formats.
let private oddNames =
    [
        "cat"
        "a, b"
        "say \"no\""
        "<b>&amp;</b>"
        "=1+2"
        "-x"
        "Größe 人"
        "true"
        "c:\\d # e"
        "{f}: [g]"
        "'h'"
        "😀"
    ]

let private classes =
    oddNames
    |> List.mapi (fun i name ->
        {
            Id = CocoId(int64 (3 * i + 2))
            Name = name
        })

let private finite (least: float) (most: float) =
    Gen.choose (0, Int32.MaxValue)
    |> Gen.map (fun n -> least + (most - least) * float n / float Int32.MaxValue)

/// A box inside an image, with numbers of few digits or of many.
let private boxIn (width: int) (height: int) =
    gen {
        let! whole = Gen.elements [ true; false ]
        let! x = finite 0 (float width)
        let! y = finite 0 (float height)
        let! w = finite 0 (float width - x)
        let! h = finite 0 (float height - y)
        let! label = Gen.choose (0, classes.Length - 1)
        let! score = finite 0 1
        let number (value: float) = if whole then floor value else value

        return
            ExportBox(CocoId 0L, label, number x, number y, number w, number h, Score = score, Residual = score / 7.0)
    }

let private imageGen =
    gen {
        let! width = Gen.elements [ 1; 7; 500; 4000; 1 <<< 20 ]
        let! height = Gen.elements [ 1; 33; 64; 95 ]
        let! name = Gen.elements [ "a.jpg"; "b/c d.png"; "ä/<x>&\".jpg" ]
        let! boxes = Gen.listOf (boxIn width height)

        let numbered =
            boxes
            |> List.mapi (fun i box ->
                ExportBox(
                    CocoId(int64 i + 1L),
                    box.Label,
                    box.X,
                    box.Y,
                    box.Width,
                    box.Height,
                    Score = box.Score,
                    Residual = box.Residual
                ))

        return ExportImage(CocoId 5L, name, width, height, Array.ofList numbered)
    }

type private Images =
    static member Image() : Arbitrary<ExportImage> = Arb.fromGen imageGen

let private config =
    { FsCheckConfig.defaultConfig with
        arbitrary = [ typeof<Images> ]
        maxTest = 200
    }

let private number (text: string) =
    Double.Parse(text, CultureInfo.InvariantCulture)

let private written (write: Stream -> unit) : byte[] =
    use stream = new MemoryStream()
    write stream
    stream.ToArray()

/// Class and edges as they were read back.
type private Read = { Label: int; Edges: float list }

let private said (box: ExportBox) =
    {
        Label = box.Label
        Edges = [ box.X; box.Y; box.Right; box.Bottom ]
    }

let private expectSame (image: ExportImage) (read: Read list) =
    Expect.equal (List.map _.Label read) [ for box in image.Boxes -> box.Label ] "classes"

    for box, back in Seq.zip image.Boxes read do
        for a, b in List.zip (said box).Edges back.Edges do
            Expect.isLessThan (abs (a - b)) 1e-3 "edges to a thousandth of a pixel"

let private labelOf (name: string) =
    oddNames |> List.findIndex (fun known -> known = name)

let private readYolo (image: ExportImage) (text: string) =
    [
        for line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries) do
            match line.Split ' ' |> List.ofArray with
            | label :: shares ->
                let shares = List.map number shares

                Expect.all shares (fun share -> share >= 0.0 && share <= 1.0) "shares of the image"
                let cx, w = shares[0] * float image.Width, shares[2] * float image.Width
                let cy, h = shares[1] * float image.Height, shares[3] * float image.Height

                {
                    Label = int label
                    Edges = [ cx - w / 2.0; cy - h / 2.0; cx + w / 2.0; cy + h / 2.0 ]
                }
            | [] -> failtest "an empty line"
    ]

let private readVoc (bytes: byte[]) =
    let root = XDocument.Load(new MemoryStream(bytes)).Root
    let text (parent: XElement) (name: string) = parent.Element(XName.Get name).Value

    [
        for object in root.Elements(XName.Get "object") do
            let box = object.Element(XName.Get "bndbox")
            let at name = number (text box name)

            {
                Label = labelOf (text object "name")
                Edges = [ at "xmin" - 1.0; at "ymin" - 1.0; at "xmax"; at "ymax" ]
            }
    ]

let private readLabelMe (bytes: byte[]) =
    use json = JsonDocument.Parse bytes

    [
        for shape in json.RootElement.GetProperty("shapes").EnumerateArray() do
            let points =
                [
                    for point in shape.GetProperty("points").EnumerateArray() do
                        for value in point.EnumerateArray() -> value.GetDouble()
                ]

            Expect.equal (shape.GetProperty("shape_type").GetString()) "rectangle" "a rectangle"

            {
                Label = labelOf (shape.GetProperty("label").GetString())
                Edges = points
            }
    ]

/// The fields of a CSV text, as RFC 4180 has them, by a reader of one character at a time.
let private readCsv (text: string) : string list list =
    let rows, row, field = ResizeArray(), ResizeArray(), StringBuilder()
    let mutable quoted, i = false, 0

    let endField () =
        row.Add(field.ToString())
        field.Clear() |> ignore

    while i < text.Length do
        match text[i] with
        | '"' when quoted && i + 1 < text.Length && text[i + 1] = '"' ->
            field.Append '"' |> ignore
            i <- i + 1
        | '"' -> quoted <- not quoted
        | ',' when not quoted -> endField ()
        | '\r' when not quoted && text[i + 1] = '\n' ->
            endField ()
            rows.Add(List.ofSeq row)
            row.Clear()
            i <- i + 1
        | c -> field.Append c |> ignore

        i <- i + 1

    Expect.isFalse quoted "quotes are closed"
    List.ofSeq rows

let private plain = ClassNames.Plain classes

let private formats =
    testList
        "a file of one image"
        [
            testPropertyWithConfig config "YOLO: shares that give every edge back"
            <| fun (image: ExportImage) -> expectSame image (readYolo image (YoloText.Labels image))

            testPropertyWithConfig config "YOLO with scores: the sixth number"
            <| fun (image: ExportImage) ->
                let lines =
                    YoloText.Labels(image, true).Split('\n', StringSplitOptions.RemoveEmptyEntries)

                for line, box in Seq.zip lines image.Boxes do
                    Expect.floatClose Accuracy.medium (number (line.Split(' ')[5])) box.Score.Value "the score"

            testPropertyWithConfig config "VOC: corners from 1, both inside, whatever the names"
            <| fun (image: ExportImage) ->
                let whole =
                    image.Boxes
                    |> Seq.filter (fun box -> box.Width >= 1.0 && box.Height >= 1.0)
                    |> Array.ofSeq

                let said = ExportImage(image.Id, image.Name, image.Width, image.Height, whole)

                expectSame said (readVoc (written (fun stream -> VocXml.Write(stream, image, plain))))

            testPropertyWithConfig config "LabelMe: rectangles"
            <| fun (image: ExportImage) ->
                let bytes =
                    written (fun stream -> LabelMeJson.Write(stream, image, "../a.jpg", plain))

                expectSame image (readLabelMe bytes)
                use json = JsonDocument.Parse bytes
                Expect.equal (json.RootElement.GetProperty("imagePath").GetString()) "../a.jpg" "the way to the image"

            testPropertyWithConfig config "COCO: the reader of this program gives all of it back"
            <| fun (image: ExportImage) ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.json")

                    File.WriteAllBytes(
                        path,
                        written (fun stream -> AnnotationWriter.Write(stream, Array.ofList classes, [| image |]))
                    )

                    let file = AnnotationFile.Read(path, AnnotationUse.Images)
                    Expect.sequenceEqual file.Classes classes "classes with their ids"
                    Expect.equal file.Images[0].FileName image.Name "the name"

                    for i, box in Seq.indexed image.Boxes do
                        Expect.equal
                            (file.X[i], file.Y[i], file.Width[i], file.Height[i], file.Label[i])
                            (box.X, box.Y, box.Width, box.Height, box.Label)
                            "to the last digit")

            testPropertyWithConfig config "CSV: a line a box, and every field comes back"
            <| fun (image: ExportImage) ->
                match readCsv (DetectionCsv.Of([| image |], Array.ofList classes)) with
                | header :: rows ->
                    Expect.equal (String.Join(',', header)) DetectionCsv.Header "the header"
                    Expect.equal rows.Length image.Boxes.Count "a line a box"

                    for row, box in Seq.zip rows image.Boxes do
                        let name = oddNames[box.Label]
                        let safe = if name[0] = '=' || name[0] = '-' then "'" + name else name
                        Expect.equal row[..1] [ image.Name; safe ] "names"
                        Expect.equal (number row[2]) box.Score.Value "the score"

                        for a, b in List.zip (List.map number row[3..6]) (said box).Edges do
                            Expect.isLessThan (abs (a - b)) 1e-6 "edges"

                        Expect.equal (number row[7]) box.Residual.Value "the residual"
                | [] -> failtest "nothing at all"

            testCase "CSV: what a spreadsheet would compute is a text, and what is unknown is empty"
            <| fun () ->
                for text, field in
                    [
                        "=1+2", "'=1+2"
                        "+x", "'+x"
                        "-x", "'-x"
                        "@x", "'@x"
                        "\tx", "'\tx"
                        "\r=1", "\"'\r=1\""
                        "a=1", "a=1"
                        "", ""
                        "a,b", "\"a,b\""
                        "say \"no\"", "\"say \"\"no\"\"\""
                        "=\"a\"", "\"'=\"\"a\"\"\""
                    ] do
                    Expect.equal (DetectionCsv.Field text) field text

                let image =
                    ExportImage(CocoId 1L, "a", 9, 9, [| ExportBox(CocoId 1L, 0, 1, 2, 3, 4) |])

                Expect.equal
                    (DetectionCsv.Of([| image |], Array.ofList classes))
                    (DetectionCsv.Header + "\r\na,cat,,1,2,4,6,\r\n")
                    "no score, no residual"
        ]

let private names =
    testList
        "names"
        [
            testCase "labels keep folders, stay below, and do not meet"
            <| fun () ->
                for given, expected in
                    [
                        [ "a.jpg" ], [ "a" ]
                        [ "a.jpg"; "a.png"; "A.gif" ], [ "a"; "a-2"; "A-3" ]
                        [ "a.jpg"; "a.png"; "a-2.jpg" ], [ "a"; "a-2"; "a-2-2" ]
                        [ "x/a.jpg"; "y/a.jpg"; "x\\b.jpg" ], [ "x/a"; "y/a"; "x/b" ]
                        [ "../a.jpg"; "/b.jpg"; "C:\\c.jpg"; "./d.jpg"; "x/../e.jpg" ], [ "a"; "b"; "c"; "d"; "x/e" ]
                        [ ".jpg"; ".."; "x/.jpg"; "a.b.jpg" ], [ ".jpg"; "image"; "x/.jpg"; "a.b" ]
                        // one letter or two: the same name to some systems
                        [ "\u00E4.jpg"; "a\u0308.png" ], [ "\u00E4"; "a\u0308-2" ]
                    ] do
                    Expect.sequenceEqual (ExportNames.Stems given) expected (string given)

            testProperty "whatever they are called"
            <| fun (given: NonNull<string> list) ->
                let stems = ExportNames.Stems(given |> List.map _.Get) |> List.ofSeq
                let root = Path.GetFullPath "/x/y"

                for stem in stems do
                    let path = Path.GetFullPath(Path.Combine(root, stem.Replace("\000", "_") + ".txt"))
                    Expect.isTrue (path.StartsWith(root + "/", StringComparison.Ordinal)) $"{stem} stays below"

                Expect.equal
                    (stems |> List.distinctBy _.ToUpperInvariant() |> List.length)
                    given.Length
                    "no two are one file"

            testCase "classes have one line, and something on it"
            <| fun () ->
                let odd =
                    [|
                        { Id = CocoId 4L; Name = "a\nb" }
                        { Id = CocoId 5L; Name = " " }
                        { Id = CocoId "x\000"; Name = "\uFFFF" }
                        { Id = CocoId 7L; Name = "a b" }
                    |]

                Expect.sequenceEqual (ClassNames.Plain odd) [ "a b"; "class 5"; "\uFFFD"; "a b" ] "names"
                Expect.equal (YoloText.Classes odd) "a b\nclass 5\n\uFFFD\na b\n" "a name a line"

                let notices = String.Join('\n', ClassNames.Notices odd)
                Expect.stringContains notices "3 classes have another name" "changed"
                Expect.stringContains notices "2 classes have the name \"a b\"" "shared"
                Expect.isEmpty (ClassNames.Notices(Array.ofList classes)) "odd, but all there"

            testCase "data.yaml quotes what YAML would read as something else"
            <| fun () ->
                let part (key: string) (folders: string list) =
                    struct (key, folders :> Collections.Generic.IReadOnlyList<string>)

                Expect.equal
                    (YoloText.DataYaml(
                        [ part "train" [ "images/train" ]; part "val" [ "images/my val"; "x" ] ],
                        Array.ofList classes[..8]
                    ))
                    "train: images/train\nval:\n  - \"images/my val\"\n  - x\nnc: 9\nnames:\n  0: cat\n  1: \"a, b\"\n  2: \"say \\\"no\\\"\"\n  3: \"<b>&amp;</b>\"\n  4: \"=1+2\"\n  5: \"-x\"\n  6: \"Größe 人\"\n  7: \"true\"\n  8: \"c:\\\\d # e\"\n"
                    "the file"
        ]

let private clipping =
    testList
        "boxes and their image"
        [
            testCase "what sticks out is cut off, what is outside is none"
            <| fun () ->
                let clipped x y w h =
                    match ExportBox(CocoId 1L, 0, x, y, w, h).Clipped(10, 20) |> Option.ofNullable with
                    | Some box -> Some(box.X, box.Y, box.Width, box.Height)
                    | None -> None

                for (x, y, w, h), expected in
                    [
                        (1.0, 2.0, 3.0, 4.0), Some(1.0, 2.0, 3.0, 4.0)
                        (-1.0, -2.0, 3.0, 4.0), Some(0.0, 0.0, 2.0, 2.0)
                        (8.0, 15.0, 9.0, 9.0), Some(8.0, 15.0, 2.0, 5.0)
                        (10.0, 1.0, 5.0, 5.0), None
                        (1.0, 20.0, 5.0, 5.0), None
                        (-5.0, 1.0, 5.0, 5.0), None
                        (1.0, -7.0, 5.0, 5.0), None
                        (3.0, 3.0, 0.0, 0.0), Some(3.0, 3.0, 0.0, 0.0)
                    ] do
                    Expect.equal (clipped x y w h) expected $"{(x, y, w, h)}"

            testPropertyWithConfig config "a box inside keeps its numbers"
            <| fun (image: ExportImage) ->
                for box in image.Boxes do
                    if
                        box.X < float image.Width
                        && box.Y < float image.Height
                        && box.Right <= float image.Width
                        && box.Bottom <= float image.Height
                    then
                        Expect.equal (box.Clipped(image.Width, image.Height)) (Nullable box) "unchanged"
        ]

[<Tests>]
let tests = testList "Export" [ formats; names; clipping ]
