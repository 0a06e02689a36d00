/// From every format to every other and back: no box moves by more than a hundredth of a pixel.
module DeqDet.Tests.RoundTripTests

open System
open System.IO
open System.Threading
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Coco
open DeqDet.Data.Check
open DeqDet.Data.Export
open DeqDet.Images
open DeqDet.Tests.DataFiles

let private formats =
    [ ExportFormat.Coco; ExportFormat.Yolo; ExportFormat.Voc; ExportFormat.LabelMe ]

/// Sizes of pictures: small, since only their headers are read.
let private sizes = [ 64, 48; 33, 95; 7, 500 ]

let private names = [ "cat"; "a, b: #c"; "<dog> & \"co\""; "Größe 人" ]

/// Parts, each with images, each with boxes: name, size, and class, left, top, width, height in shares of what is left.
type private Drawn = (string * int * (int * float list) list) list

let private share = Gen.choose (0, 1_000_000) |> Gen.map (fun n -> float n / 1e6)

let private boxes: Gen<(int * float list) list> =
    Gen.zip (Gen.choose (0, names.Length - 1)) (Gen.listOfLength 4 share)
    |> Gen.listOf
    |> Gen.resize 5

let private part (prefix: string) : Gen<Drawn> =
    gen {
        let! count = Gen.choose (1, 3)

        let! images =
            Gen.listOfLength count (Gen.zip (Gen.choose (0, sizes.Length - 1)) boxes)

        return images |> List.mapi (fun i (size, boxes) -> $"{prefix}/{i} x.png", size, boxes)
    }

type private DrawnSet = Drawn of train: Drawn * value: Drawn

type private Generators =
    static member Set() : Arbitrary<DrawnSet> =
        Gen.zip (part "day") (part "night") |> Gen.map Drawn |> Arb.fromGen

let private config =
    { FsCheckConfig.defaultConfig with
        arbitrary = [ typeof<Generators> ]
        maxTest = 12
    }

let private pngs =
    sizes
    |> List.map (fun (width, height) ->
        PngWriter.Encode(ReadOnlySpan(Array.zeroCreate<byte>(width * height * 3)), width, height))

/// The set itself, with its pictures in a folder.
let private make (folder: string) (Drawn(train, value)) : ExportSet =
    let draw (place: int) (name: string) (images: Drawn) =
        let drawn =
            images
            |> List.mapi (fun i (file, size, boxes) ->
                let path = Path.Combine(folder, name, file)
                Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
                File.WriteAllBytes(path, pngs[size])
                let width, height = sizes[size]

                let labelled =
                    boxes
                    |> List.mapi (fun j (label, shares) ->
                        let x, y = shares[0] * float (width - 1), shares[1] * float (height - 1)
                        // nothing of less than a pixel
                        let w = 1.0 + shares[2] * (float (width - 1) - x)
                        let h = 1.0 + shares[3] * (float (height - 1) - y)
                        ExportBox(CocoId(int64 (100 * i + j + 1)), label, x, y, w, h))

                ExportImage(CocoId(int64 i), file, width, height, Array.ofList labelled))

        ExportPart(place, name, Path.Combine(folder, name), Array.ofList drawn)

    ExportSet(
        names
        |> List.mapi (fun i name ->
            {
                Id = CocoId(int64 (2 * i + 1))
                Name = name
            })
        |> Array.ofList,
        [| draw 0 "train" train; draw 1 "val" value |],
        [||]
    )

let private write (set: ExportSet) (format: ExportFormat) (folder: string) =
    DataExport.Write(set, format, folder, false, Progress<int>(), CancellationToken.None)
    |> ignore

let private read (folder: string) =
    DataExport.Read(DataFolder.Parts folder)

/// Boxes by part and image: class names and edges, whatever order files and classes have.
let private said (set: ExportSet) =
    [
        for part in set.Parts do
            for image in part.Images ->
                let boxes =
                    [
                        for box in image.Boxes -> set.Classes[box.Label].Name, [ box.X; box.Y; box.Right; box.Bottom ]
                    ]

                (part.Name, image.Name.Replace('\\', '/')), (image.Width, image.Height, boxes)
    ]
    |> List.sortWith (fun ((_, a), _) ((_, b), _) -> String.CompareOrdinal(a, b))

let private expectSame (expected: ExportSet) (found: ExportSet) =
    let expected, found = said expected, said found
    Expect.equal (List.map fst found) (List.map fst expected) "parts and images"

    for (image, (width, height, boxes)), (_, (foundWidth, foundHeight, foundBoxes)) in List.zip expected found do
        Expect.equal (foundWidth, foundHeight) (width, height) $"the size of {image}"
        Expect.equal (List.map fst foundBoxes) (List.map fst boxes) $"classes in {image}"

        for (_, edges), (_, foundEdges) in List.zip boxes foundBoxes do
            for a, b in List.zip edges foundEdges do
                Expect.isLessThan (abs (a - b)) 0.01 $"an edge in {image}"

let private pair (first: ExportFormat) (second: ExportFormat) =
    testPropertyWithConfig config $"{first}, {second} and back"
    <| fun (drawn: DrawnSet) ->
        inFolder (fun folder ->
            let set = make (Path.Combine(folder, "drawn")) drawn
            let at (name: string) = Path.Combine(folder, name)
            write set first (at "a")
            let a = read (at "a")
            expectSame set a
            Expect.sequenceEqual [ for kind in a.Classes -> kind.Name ] names "classes in their order"
            write a second (at "b")
            let b = read (at "b")
            expectSame set b
            write b first (at "c")
            expectSame set (read (at "c")))

[<Tests>]
let tests =
    testList
        "Round trips"
        [
            for first in formats do
                for second in formats -> pair first second
        ]
