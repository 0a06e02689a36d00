module DeqDet.Tests.DataShapesTests

open System
open System.IO
open System.Security.Cryptography
open System.Threading
open Expecto
open DeqDet.Settings
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Images
open DeqDet.Data.Shapes
open DeqDet.Tests.DataFiles

let private small =
    {
        TrainImages = 6
        ValImages = 10
        Seed = 4
    }

let private ensure (folder: string) (settings: ShapesSettings) =
    ShapesDataSet.Ensure(folder, settings, null, CancellationToken.None)

let private files (folder: string) =
    [
        for path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories) |> Seq.sort ->
            Path.GetRelativePath(folder, path), Convert.ToHexString(SHA256.HashData(File.ReadAllBytes path))
    ]

let private load (folder: string) part =
    CocoDataset.Load(Path.Combine(folder, "annotations", $"instances_{part}.json"), Path.Combine(folder, part))

[<Tests>]
let tests =
    testList
        "shapes"
        [
            test "the random numbers are SplitMix64's published ones" {
                let random = SplitMix64 0UL
                let first = [ for _ in 1..3 -> random.Next() ]
                Expect.equal first [ 0xE220A8397B1DCDAFUL; 0x6E789E6AA1B965F4UL; 0x06C45D188009454FUL ] "seed 0"
            }

            test "pictures are the same on every machine" {
                use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256

                for index in 0..39 do
                    let picture = Scene.Draw(0L, index % 2, index)
                    hash.AppendData(ReadOnlySpan<byte> picture.Rgb)

                    for region in picture.Regions do
                        let struct (x, y, w, h) = region.Box
                        hash.AppendData(ReadOnlySpan<byte> [| byte region.Label; byte x; byte y; byte w; byte h |])

                // Changes with the generator alone: then raise ShapesDataSet.GeneratorVersion as well.
                Expect.equal
                    (Convert.ToHexString(hash.GetHashAndReset())[..15], ShapesDataSet.GeneratorVersion)
                    ("2D646ABF5D286161", 2)
                    "pixels and boxes"
            }

            test "boxes are tight, areas count pixels, crowds carry run lengths" {
                for index in 0..17 do
                    let picture = Scene.Draw(1L, 1, index)

                    for region in picture.Regions do
                        let struct (x, y, w, h) = region.Box
                        Expect.isTrue (x >= 0 && y >= 0 && x + w <= picture.Width && y + h <= picture.Height) "inside"
                        Expect.isLessThanOrEqual region.Area (w * h) "area"

                        if not (isNull region.CrowdCounts) then
                            let counts = region.CrowdCounts

                            Expect.equal
                                (Array.sum counts)
                                (picture.Width * picture.Height)
                                "the runs cover the picture"

                            let ends = Array.scan (+) 0 counts

                            let pixels =
                                [
                                    for i in 1..2 .. counts.Length - 1 do
                                        for p in ends[i] .. ends[i + 1] - 1 -> p / picture.Height, p % picture.Height
                                ]

                            let xs, ys = List.map fst pixels, List.map snd pixels
                            Expect.hasLength pixels region.Area "area"

                            Expect.equal
                                (List.min xs, List.min ys, List.max xs + 1, List.max ys + 1)
                                (x, y, x + w, y + h)
                                "tight"

                let crowds =
                    [
                        for index in 0..17 ->
                            (Scene.Draw(1L, 1, index)).Regions
                            |> Seq.filter (fun r -> not (isNull r.CrowdCounts))
                            |> Seq.length
                    ]

                Expect.equal (List.sum crowds) 2 "every ninth picture has a crowd"
            }

            test "a validation set has every class in every size range, and mixed formats" {
                let pictures = Array.Parallel.init 200 (fun index -> Scene.Draw(0L, 1, index))

                let shapes =
                    [
                        for picture in pictures do
                            for region in picture.Regions do
                                if isNull region.CrowdCounts then
                                    let range =
                                        if region.Area < 1024 then 0
                                        elif region.Area < 9216 then 1
                                        else 2

                                    Outline.Names[region.Label], range
                    ]

                Expect.hasLength Outline.Names 6 "classes"

                for name in Outline.Names do
                    for range in 0..2 do
                        Expect.contains shapes (name, range) $"{name} in size range {range}"

                for sign in [ -1; 0; 1 ] do
                    Expect.isGreaterThan
                        (pictures
                         |> Array.filter (fun p -> sign = compare p.Width p.Height)
                         |> Array.length)
                        20
                        "portrait, square, landscape"

                for picture in pictures do
                    Expect.isTrue (picture.Regions |> Seq.exists (fun r -> isNull r.CrowdCounts)) "something to detect"
            }

            test "a folder is made once, identically, and reused" {
                inFolder (fun folder ->
                    let first, second = Path.Combine(folder, "a"), Path.Combine(folder, "b")
                    Expect.isTrue (ensure first small) "made"
                    let before = files first
                    Expect.isFalse (ensure first small) "reused"
                    Expect.equal (files first) before "untouched"
                    Expect.isTrue (ensure second small) "made again"
                    Expect.equal (files second) before "the same files"
                    Expect.equal (Directory.GetDirectories(folder).Length) 2 "nothing left over"

                    let train, validation = load first "train", load first "val"
                    Expect.equal (train.Images.Count, validation.Images.Count) (6, 10) "numbers of images"
                    Expect.isEmpty (Seq.append train.Notices validation.Notices) "nothing to mend"

                    Expect.exists
                        validation.Images
                        (fun image -> image.Boxes |> Seq.exists _.IsCrowd)
                        "crowds in the validation set"

                    for image in validation.Images do
                        ImageFile.Load(validation.PathOf image, stated image.Width image.Height)
                        |> ignore)
            }

            test "other settings, a missing picture or a half-made folder make it anew" {
                inFolder (fun folder ->
                    let target = Path.Combine(folder, "shapes")
                    ensure target small |> ignore
                    let before = files target
                    Expect.isTrue (ensure target { small with Seed = 5 }) "another seed"
                    Expect.notEqual (files target) before "other files"
                    ensure target small |> ignore
                    File.Delete(Path.Combine(target, "val", "000003.png"))
                    Expect.isTrue (ensure target small) "mended"
                    Expect.equal (files target) before "complete again")
            }

            test "a folder with something else in it is left alone" {
                inFolder (fun folder ->
                    File.WriteAllText(Path.Combine(folder, "thesis.txt"), "dear")
                    let message = inputError (fun () -> ensure folder small |> ignore)
                    Expect.stringContains message folder "names the folder"
                    Expect.equal (Directory.GetFileSystemEntries(folder).Length) 1 "nothing written")
            }

            test "cancelling leaves nothing behind" {
                inFolder (fun folder ->
                    let target = Path.Combine(folder, "shapes")
                    use stop = new CancellationTokenSource()

                    let progress =
                        { new IProgress<ShapesProgress> with
                            member _.Report(value) =
                                if value.Done >= 3 then
                                    stop.Cancel()
                        }

                    Expect.throwsT<OperationCanceledException>
                        (fun () ->
                            ShapesDataSet.Ensure(target, { small with TrainImages = 500 }, progress, stop.Token)
                            |> ignore)
                        "cancelled"

                    Expect.isEmpty (Directory.GetFileSystemEntries folder) "no folder, no temporary one")
            }
        ]
