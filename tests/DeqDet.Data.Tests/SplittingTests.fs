/// Dividing data sets: classes keep their shares, near-duplicates and groups stay together, nothing depends on the order of files.
module DeqDet.Tests.SplittingTests

open System
open System.IO
open System.Threading
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Data
open DeqDet.Data.Check
open DeqDet.Data.Export
open DeqDet.Data.Splitting
open DeqDet.Images
open DeqDet.Tests.DataFiles
open DeqDet.Tests.FormatFiles

let private item (name: string) (boxes: (int * int) list) =
    SplitItem(name, 1, dict boxes |> Collections.Generic.Dictionary)

/// Small sets: up to seven images with up to three classes.
let private small =
    gen {
        let! count = Gen.choose (4, 7)

        let! boxes =
            Gen.listOfLength count (Gen.listOfLength 3 (Gen.frequency [ 2, Gen.constant 0; 3, Gen.choose (1, 4) ]))

        return
            [|
                for i, counts in List.indexed boxes ->
                    item
                        $"image {i}"
                        [
                            for label, count in List.indexed counts do
                                if count > 0 then
                                    label, count
                        ]
            |]
    }

let private shares = [| 0.7; 0.3 |]

let private sizes (parts: int[]) =
    [| for part in 0..1 -> parts |> Array.filter ((=) part) |> Array.length |]

/// A picture of smooth waves, which has something to see; `noise` is added to its pixels.
let private picture (seed: int) (width: int) (height: int) (noise: int) : RgbImage =
    let random = Random seed

    let waves =
        [
            for _ in 1..6 -> random.NextDouble() * 12.0, random.NextDouble() * 12.0, random.NextDouble() * 6.0
        ]

    let other = Random(seed + 1000)

    let level (x: int) (y: int) =
        let u, v = float x / float width, float y / float height
        128.0 + 18.0 * List.sum [ for a, b, c in waves -> sin (a * u + b * v + c) ]

    let pixels =
        [|
            for y in 0 .. height - 1 do
                for x in 0 .. width - 1 do
                    let value =
                        byte (Math.Clamp(level x y + float (other.Next(-noise, noise + 1)), 0.0, 255.0))

                    yield! [| value; value; value |]
        |]

    RgbImage(pixels, width, height)

[<Tests>]
let stratification =
    testList
        "stratification"
        [
            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 100
                }
                "the sizes are the shares, and no exchange of two images is better"
            <| Prop.forAll (Arb.fromGen small) (fun items ->
                let parts = Stratification.Assign(items, shares, 3L)

                let cost (parts: int[]) =
                    Stratification.Cost(items, shares, parts)

                let mine = cost parts

                let exchanged =
                    [
                        for i in 0 .. items.Length - 1 do
                            for j in 0 .. i - 1 do
                                if parts[i] <> parts[j] then
                                    let other = Array.copy parts
                                    other[i] <- parts[j]
                                    other[j] <- parts[i]
                                    cost other
                    ]

                List.ofArray (sizes parts) = List.ofArray (Stratification.Targets(items.Length, shares))
                && List.forall (fun other -> mine <= other + 1e-9) exchanged)

            test "of all distributions of small sets it is mostly the best, and never far from it" {
                let random = Random 6

                let gaps =
                    [
                        for _ in 1..300 do
                            let items =
                                [|
                                    for i in 1 .. 5 + random.Next 4 ->
                                        item
                                            $"image {i}"
                                            [
                                                for label in 0..2 do
                                                    if random.Next 5 > 1 then
                                                        label, 1 + random.Next 4
                                            ]
                                |]

                            let cost (parts: int[]) =
                                Stratification.Cost(items, shares, parts)

                            let target = (Stratification.Targets(items.Length, shares))[1]

                            let best =
                                Seq.min
                                    [
                                        for bits in 0 .. (1 <<< items.Length) - 1 do
                                            let other = [| for i in 0 .. items.Length - 1 -> (bits >>> i) &&& 1 |]

                                            if Array.sum other = target then
                                                cost other
                                    ]

                            cost (Stratification.Assign(items, shares, 3L)) - best
                    ]

                let exact = gaps |> List.filter (fun gap -> gap < 1e-9) |> List.length
                Expect.isGreaterThanOrEqual exact 250 "mostly the best"
                Expect.isLessThan (List.max gaps) 0.12 "never far"
            }

            test "a thousand images of five classes: every class within a percent of its share" {
                let random = Random 2

                let items =
                    [|
                        for i in 0..999 ->
                            item
                                $"{i}"
                                [
                                    for label in 0..4 do
                                        if random.Next(1 + 3 * label) = 0 then
                                            label, 1 + random.Next 3
                                ]
                    |]

                let shares = [| 0.7; 0.2; 0.1 |]
                let parts = Stratification.Assign(items, shares, 0L)

                for part in 0..2 do
                    Expect.equal
                        (parts |> Array.filter ((=) part) |> Array.length)
                        (int (Math.Round(1000.0 * shares[part])))
                        "size"

                    for label in 0..4 do
                        let boxes (chosen: int -> bool) =
                            Seq.sum
                                [
                                    for i in 0..999 do
                                        if chosen i then
                                            (match items[i].Boxes.TryGetValue label with
                                             | true, count -> float count
                                             | _ -> 0.0)
                                ]

                        Expect.isLessThan
                            (abs (boxes (fun i -> parts[i] = part) / boxes (fun _ -> true) - shares[part]))
                            0.01
                            "class"
            }

            test "the order of the images does not matter, the seed does" {
                let random = Random 3
                let items = [| for i in 0..49 -> item $"{i}" [ random.Next 3, 1 ] |]
                let parts = Stratification.Assign(items, shares, 1L)
                let order = Array.init 50 id
                random.Shuffle order
                let other = Stratification.Assign([| for i in order -> items[i] |], shares, 1L)
                Expect.equal [ for i in 0..49 -> other[i] ] [ for i in 0..49 -> parts[order[i]] ] "order"
                Expect.notEqual (Stratification.Assign(items, shares, 2L)) parts "seed"
            }
        ]

[<Tests>]
let likeness =
    testList
        "near-duplicates"
        [
            test "other sizes, noise and light are alike; other pictures, and flat ones, are not" {
                for seed in 1..20 do
                    let hash = PictureHash.Of(picture seed 160 120 0)
                    Expect.isTrue (hash.IsLike(PictureHash.Of(picture seed 80 60 0))) "half the size"
                    Expect.isTrue (hash.IsLike(PictureHash.Of(picture seed 160 120 8))) "noise"
                    Expect.isFalse (hash.IsLike(PictureHash.Of(picture (seed + 50) 160 120 0))) "another"

                    Expect.isFalse
                        (hash.IsLike(PictureHash.Of((picture seed 160 120 0).FlippedHorizontally())))
                        "mirrored"

                    Expect.isFalse (hash.IsLike(PictureHash.Of(picture seed 120 160 0))) "of another ratio"

                let flat level =
                    PictureHash.Of(RgbImage(Array.create (40 * 30 * 3) level, 40, 30))

                Expect.isFalse ((flat 100uy).IsLike(flat 100uy)) "flat pictures show nothing to compare"
            }

            test "likeness goes on from one to the next" {
                let a, b = PictureHash.Of(picture 1 80 60 0), PictureHash.Of(picture 2 80 60 0)

                Expect.equal
                    (PictureHash.Groups [| a; b; null; PictureHash.Of(picture 1 80 60 4); b |])
                    [| 0; 1; 2; 0; 1 |]
                    "groups"
            }
        ]

/// A YOLO set of pictures with a box each; class 1 where the number is a multiple of 5.
let private wavy (folder: string) (name: string) (numbers: int list) (seedOf: int -> int) =
    let root = Path.Combine(folder, name)

    for i in numbers do
        let image = picture (seedOf i) 64 48 0
        write root $"images/{i}.png" (PngWriter.Encode(ReadOnlySpan image.Pixels, image.Width, image.Height))
        text root $"labels/{i}.txt" (sprintf "%d 0.5 0.5 0.25 0.5\n" (if i % 5 = 0 then 1 else 0))

    text root "classes.txt" (if name = "b" then "y\nz\n" else "x\ny\n")
    root

let private divide (root: string) (plan: SplitPlan) =
    DataSplit.Divide(DataExport.Read(DataFolder.Parts root), plan, Progress<int>(), CancellationToken.None)

let private names (divided: ExportSet) =
    [
        for part in divided.Parts ->
            part.Name, Set.ofSeq [ for image in part.Images -> Path.GetFileNameWithoutExtension image.Name ]
    ]

[<Tests>]
let divided =
    testList
        "data split and data merge"
        [
            test "parts have their shares, twins and groups stay together, and what is written is the same data set" {
                inFolder (fun folder ->
                    // 21 looks like 1, 22 like 2, ...
                    let root = wavy folder "a" [ 1..25 ] (fun i -> if i > 20 then i - 20 else i)
                    let plan = SplitPlan(0.2, 0.2, 4L, null)
                    let made = divide root plan

                    Expect.equal
                        [ for part in made.Parts -> part.Name, part.Images.Count ]
                        [ "train", 15; "val", 5; "test", 5 ]
                        "shares"

                    Expect.equal (names (divide root plan)) (names made) "the same again"

                    let side (name: string) =
                        List.find (fun (_, images) -> Set.contains name images) (names made) |> fst

                    for i in 1..5 do
                        Expect.equal (side $"{i + 20}") (side $"{i}") "twins"

                    Expect.exists made.Notices (fun notice -> notice.Contains "5 images look like another") "said"
                    let grouped = divide root (SplitPlan(0.3, 0.0, 4L, "^."))

                    for part, images in names grouped do
                        for other, others in names grouped do
                            if part <> other then
                                Expect.isEmpty
                                    (Set.intersect
                                        (Set.map (fun (name: string) -> name[0]) images)
                                        (Set.map (fun (name: string) -> name[0]) others))
                                    "groups"

                    Expect.stringContains
                        (inputError (fun () -> divide root (SplitPlan(0.3, 0.0, 4L, "(")) |> ignore))
                        "no regular expression"
                        "pattern"

                    Expect.stringContains
                        (inputError (fun () -> divide root (SplitPlan(0.3, 0.3, 4L, "png")) |> ignore))
                        "1 group"
                        "all in one group"

                    let target = Path.Combine(folder, "out")

                    DataExport.Write(made, ExportFormat.Coco, target, true, Progress<int>(), CancellationToken.None)
                    |> ignore

                    let written = DataFolder.Parts target

                    Expect.equal
                        [ for part in written -> part.Name, part.Read().Count ]
                        [ "test", 5; "train", 15; "val", 5 ]
                        "read again"

                    Expect.isFalse (DataCheck.Run(written, true)).Spoiled "nothing is wrong")
            }

            test "sets are put together by the names of their classes; equal file names and pictures are told" {
                inFolder (fun folder ->
                    let a, b =
                        wavy folder "a" [ 1..6 ] id, wavy folder "b" [ 4..9 ] (fun i -> if i = 4 then 1 else i + 30)

                    let read =
                        DataExport.Read
                            [|
                                for root in [ a; b ] do
                                    yield! DataFolder.Parts root
                            |]

                    let made =
                        DataSplit.Merge(read, [| 0; 1 |], Progress<int>(), CancellationToken.None)

                    Expect.equal [ for kind in made.Classes -> kind.Name ] [ "x"; "y"; "z" ] "classes"
                    Expect.hasLength made.Parts 1 "one part"
                    let images = made.Parts[0].Images
                    Expect.hasLength images 12 "all images"
                    Expect.hasLength (List.distinct [ for image in images -> image.Id ]) 12 "ids differ"

                    Expect.equal
                        (List.countBy
                            id
                            [
                                for image in images do
                                    for box in image.Boxes -> made.Classes[box.Label].Name
                            ]
                         |> List.sort)
                        [ "x", 5; "y", 6; "z", 1 ]
                        "boxes"

                    Expect.exists
                        made.Notices
                        (fun notice -> notice.Contains "1 image looks like one of another set")
                        "the same picture"

                    let target = Path.Combine(folder, "out")

                    DataExport.Write(made, ExportFormat.Coco, target, false, Progress<int>(), CancellationToken.None)
                    |> ignore

                    Expect.equal ((first target).Read().Images.Count) 12 "equal names are told apart")
            }
        ]
