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

/// Whether the data set was made now, and what is to be said of its folder.
let private outcome (folder: string) (settings: ShapesSettings) =
    ShapesDataSet.Ensure(folder, settings, null, CancellationToken.None)

let private ensure (folder: string) (settings: ShapesSettings) = (outcome folder settings).Made

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

            test "larger scenes are of the same kind: so many times as wide and high, and so are their shapes" {
                for index in 0..8 do
                    let scale = 4
                    let small, large = Scene.Draw(1L, 1, index), Scene.Draw(1L, 1, index, scale)
                    Expect.equal (large.Width, large.Height) (scale * small.Width, scale * small.Height) "size"
                    Expect.equal large.Rgb.Length (3 * large.Width * large.Height) "pixels"

                    let areas (picture: Picture) =
                        [
                            for region in picture.Regions do
                                if isNull region.CrowdCounts then
                                    float region.Area
                        ]

                    let largest = List.max (areas large) / float (scale * scale)

                    Expect.isTrue
                        (largest > 80.0 && largest < 13_500.0)
                        $"the largest shape, {largest} px in a small scene"

                    for region in large.Regions do
                        let struct (x, y, w, h) = region.Box
                        Expect.isTrue (x >= 0 && y >= 0 && x + w <= large.Width && y + h <= large.Height) "inside"
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
                    Expect.isEmpty (outcome first small).Notices "nothing to say"
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

            test "the user's own files in the folder stay, and are named" {
                inFolder (fun folder ->
                    let target = Path.Combine(folder, "shapes")
                    ensure target small |> ignore

                    let own =
                        [
                            "thesis.txt"
                            "train/mine.png"
                            "train/notes/deep.txt"
                            "annotations/instances_mine.json"
                            "models/best.safetensors"
                        ]

                    for name in own do
                        let path = Path.Combine(target, name)
                        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
                        File.WriteAllText(path, name)

                    Expect.isFalse (ensure target small) "still the same data set"

                    // More pictures, then fewer: names are taken, and given up.
                    for settings in [ { small with Seed = 5; TrainImages = 9 }; { small with TrainImages = 1 } ] do
                        let result = outcome target settings
                        Expect.isTrue result.Made "made anew"

                        for name in own do
                            Expect.equal (File.ReadAllText(Path.Combine(target, name))) name $"{name} is untouched"

                        Expect.hasLength result.Notices 1 "said once"
                        let notice = result.Notices[0]

                        for part in [ target; "thesis.txt"; "train/mine.png"; "and 1 more"; "stay there" ] do
                            Expect.stringContains notice part part

                        let fresh = Path.Combine(folder, "fresh")
                        ensure fresh settings |> ignore

                        let made =
                            files target |> List.filter (fun (name, _) -> not (List.contains name own))

                        Expect.equal made (files fresh) "otherwise it is what a new folder would hold"
                        Directory.Delete(fresh, true)

                    Expect.equal (Directory.GetFileSystemEntries folder) [| target |] "nothing left over beside it")
            }

            test "a file that was changed since it was made is not written over, and nothing is changed" {
                inFolder (fun folder ->
                    let target = Path.Combine(folder, "shapes")
                    ensure target small |> ignore
                    let place name = Path.Combine(target, name)
                    File.AppendAllText(place "annotations/instances_val.json", " ")
                    File.WriteAllText(place "train/000008.png", "mine, where the next data set wants a picture")
                    let before = files target

                    let message =
                        inputError (fun () -> ensure target { small with TrainImages = 8 } |> ignore)

                    for part in [ target; "annotations/instances_val.json"; "train/000008.png"; "--data" ] do
                        Expect.stringContains message part part

                    Expect.equal (files target) before "nothing was changed"
                    File.Delete(place "train/000008.png")
                    File.Move(place "annotations/instances_val.json", place "corrected.json")
                    let result = outcome target { small with TrainImages = 8 }
                    Expect.isTrue result.Made "out of the way"
                    Expect.stringContains result.Notices[0] "corrected.json" "named"
                    Expect.isTrue (File.Exists(place "corrected.json")) "kept")
            }

            test "a folder that only looks like a generated one is left alone" {
                inFolder (fun folder ->
                    let target = Path.Combine(folder, "shapes")
                    ensure target small |> ignore
                    // Somebody's own data of the same layout, with our stamp, then with a list of other files as well.
                    let own = Path.Combine(folder, "own")
                    Directory.CreateDirectory(Path.Combine(own, "train")) |> ignore
                    File.WriteAllText(Path.Combine(own, "train", "000001.png"), "my picture")

                    let copy name =
                        File.Copy(Path.Combine(target, name), Path.Combine(own, name))

                    for name in [ "shapes.json"; "shapes.files" ] do
                        copy name
                        let before = files own

                        let message = inputError (fun () -> ensure own { small with Seed = 5 } |> ignore)

                        Expect.stringContains message own "names the folder"
                        Expect.equal (files own) before $"{name}: nothing was changed"

                    // A list that leads out of the folder.
                    let outside = Path.Combine(folder, "outside.txt")
                    File.WriteAllText(outside, "precious")
                    let hash = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes outside))
                    let list = Path.Combine(target, "shapes.files")
                    File.AppendAllText(list, $"{hash}  ../outside.txt\n{hash}  {outside}\n")
                    Expect.isTrue (ensure target { small with Seed = 6 }) "made anew"
                    Expect.isTrue (File.Exists outside) "not removed")
            }

            test "links are neither followed nor replaced" {
                inFolder (fun folder ->
                    let real, link = Path.Combine(folder, "real"), Path.Combine(folder, "shapes")
                    Directory.CreateSymbolicLink(link, real) |> ignore
                    Expect.isTrue (ensure link small) "made where the link points to"
                    Expect.isTrue (ensure link { small with Seed = 5 }) "and made anew there"
                    Expect.equal (DirectoryInfo(link).LinkTarget) real "the link stays"
                    Expect.equal (Directory.GetFileSystemEntries(folder) |> Array.sort) [| real; link |] "nothing else"

                    // Pictures moved to another disk, with a link in their place.
                    let elsewhere = Path.Combine(folder, "elsewhere")
                    Directory.Move(Path.Combine(real, "train"), elsewhere)
                    Directory.CreateSymbolicLink(Path.Combine(real, "train"), elsewhere) |> ignore
                    Expect.isFalse (ensure link { small with Seed = 5 }) "it is the data set"
                    let before = files elsewhere
                    let message = inputError (fun () -> ensure link small |> ignore)
                    Expect.stringContains message "train" "names what is in the way"
                    Expect.equal (files elsewhere) before "nothing was removed behind the link"

                    let nowhere = Path.Combine(folder, "nowhere")
                    File.CreateSymbolicLink(nowhere, nowhere) |> ignore
                    Expect.stringContains (inputError (fun () -> ensure nowhere small |> ignore)) nowhere "a circle")
            }

            test "what a killed generation left is taken away, and nothing else beside the folder" {
                inFolder (fun folder ->
                    let target = Path.Combine(folder, "shapes")
                    let old = DateTime.UtcNow.AddHours -2.0

                    let beside name =
                        Path.Combine(folder, "shapes.part-" + name)

                    /// A half-made folder: a list, a whole picture and one that was being written.
                    let killed (name: string) =
                        let part = beside name
                        ensure part small |> ignore
                        let half = Path.Combine(part, "train", "000002.png")
                        File.WriteAllBytes(half, (File.ReadAllBytes half)[..99])
                        File.SetLastWriteTimeUtc(Path.Combine(part, "shapes.files"), old)
                        Directory.SetLastWriteTimeUtc(part, old)
                        part

                    let ours, used = killed (String('a', 32)), killed (String('b', 32))
                    File.WriteAllText(Path.Combine(used, "val", "mine.txt"), "mine")
                    File.SetLastWriteTimeUtc(Path.Combine(used, "shapes.files"), old)
                    let alike = killed "2 of my own"
                    let theirs = beside (String('c', 32))
                    Directory.CreateDirectory theirs |> ignore
                    File.WriteAllText(Path.Combine(theirs, "photo.png"), "mine")
                    Directory.SetLastWriteTimeUtc(theirs, old)
                    let running = killed (String('d', 32))
                    File.SetLastWriteTimeUtc(Path.Combine(running, "shapes.files"), DateTime.UtcNow)
                    let unchanged = [ files alike; files theirs; files running ]
                    let result = outcome target small
                    Expect.isTrue result.Made "made"
                    Expect.isFalse (Directory.Exists ours) "taken away"
                    Expect.equal (List.map fst (files used)) [ "val/mine.txt" ] "all but the user's file"
                    Expect.equal [ files alike; files theirs; files running ] unchanged "not ours, or still running"
                    Expect.hasLength result.Notices 1 "said"
                    Expect.stringContains result.Notices[0] used "where something is left")
            }

            test "a replacement that was killed on the way is brought to its end" {
                inFolder (fun folder ->
                    let target, fresh = Path.Combine(folder, "shapes"), Path.Combine(folder, "fresh")
                    ensure target small |> ignore
                    let other = { small with Seed = 5 }
                    ensure fresh other |> ignore
                    let whole = files fresh
                    // As it stands in the middle: both lists, no stamp, some old and some new files.
                    let list name =
                        File.ReadAllText(Path.Combine(name, "shapes.files"))

                    File.WriteAllText(Path.Combine(target, "shapes.files"), list target + list fresh)
                    File.Delete(Path.Combine(target, "shapes.json"))
                    File.Delete(Path.Combine(target, "train", "000001.png"))

                    File.Move(
                        Path.Combine(fresh, "train", "000002.png"),
                        Path.Combine(target, "train", "000002.png"),
                        true
                    )

                    Expect.isTrue (ensure target other) "made"
                    Expect.equal (files target) whole "complete")
            }

            test "two programs that want it at once end with one whole data set" {
                inFolder (fun folder ->
                    let target = Path.Combine(folder, "shapes")
                    ensure target small |> ignore
                    let other = { small with Seed = 5 }
                    let results = Array.Parallel.init 4 (fun _ -> outcome target other)
                    Expect.exists results _.Made "one made it"
                    let fresh = Path.Combine(folder, "fresh")
                    ensure fresh other |> ignore
                    Expect.equal (files target) (files fresh) "whole"
                    Expect.equal (Directory.GetDirectories(folder).Length) 2 "nothing left over")
            }

            test "what another program is moving in at the moment is waited for, not refused" {
                inFolder (fun folder ->
                    let target, fresh = Path.Combine(folder, "shapes"), Path.Combine(folder, "fresh")
                    let other = { small with Seed = 5 }
                    ensure target small |> ignore
                    ensure fresh other |> ignore
                    let whole = files fresh
                    let list name = Path.Combine(name, "shapes.files")

                    // the new picture is there, and the list that names it not yet
                    let picture name =
                        Path.Combine(name, "train", "000001.png")

                    let sole = ShapesFolder.Lock(target, CancellationToken.None)
                    File.Copy(picture fresh, picture target, true)

                    let waiting =
                        Tasks.Task.Factory.StartNew(
                            (fun () -> ensure target other),
                            Tasks.TaskCreationOptions.LongRunning
                        )

                    Expect.isFalse (waiting.Wait(TimeSpan.FromMilliseconds 500.0)) "it waits"
                    File.AppendAllText(list target, File.ReadAllText(list fresh))
                    sole.Dispose()
                    Expect.isTrue waiting.Result "made"
                    Expect.equal (files target) whole "whole")
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
