// What tiles are worth on large pictures: makes a set of them from generated scenes, looks at each whole and in tiles of several sizes, and
// evaluates.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/tiles.fsx CHECKPOINT [FOLDER [PICTURES]]
//
// CHECKPOINT is a detector of the shapes (`train` makes one in work/shapes), FOLDER where the set goes (images/ and annotations.json, as `data check`
// and `evaluate` read them; by default work/large). A picture is a wall of 8 x 6 scenes, 1280 x 960 px: a detector whose network sees 96 px of it
// in width sees nothing of its objects, of which each is as large as in training.
#load "lib/detector.fsx"
#r "../src/DeqDet.Host/bin/Debug/net10.0/DeqDet.Coco.dll"
#r "../src/DeqDet.Host/bin/Debug/net10.0/DeqDet.Images.dll"

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Threading
open DeqDet
open DeqDet.Coco
open DeqDet.Coco.Evaluation
open DeqDet.Data.Shapes
open DeqDet.Detection
open DeqDet.Images

let columns, rows, cell = 8, 6, 160
let width, height = columns * cell, rows * cell

/// Scenes without crowds, of a seed that no training uses.
let scene (number: int) =
    Scene.Draw(20_26L, 1, number + number / 4 + (if number % 4 = 3 then 1 else 0))

/// A wall of scenes, each in the middle of its cell, and the boxes of their shapes.
let wall (number: int) : RgbImage * ExportBox list =
    let pixels = Array.create (width * height * 3) 112uy
    let boxes = ResizeArray()

    for place in 0 .. columns * rows - 1 do
        let picture = scene (number * columns * rows + place)
        let left = place % columns * cell + (cell - picture.Width) / 2
        let top = place / columns * cell + (cell - picture.Height) / 2

        for y in 0 .. picture.Height - 1 do
            Array.Copy(picture.Rgb, y * picture.Width * 3, pixels, ((top + y) * width + left) * 3, picture.Width * 3)

        for region in picture.Regions do
            if isNull region.CrowdCounts then
                let struct (x, y, w, h) = region.Box
                let id = CocoId(int64 (1000 * number + boxes.Count + 1))

                boxes.Add(
                    ExportBox(
                        id,
                        region.Label,
                        float (left + x),
                        float (top + y),
                        float w,
                        float h,
                        Area = float region.Area
                    )
                )

    RgbImage(pixels, width, height), List.ofSeq boxes

let make (folder: string) (pictures: int) =
    let images = Path.Combine(folder, "images")
    Directory.CreateDirectory images |> ignore

    let entries =
        [|
            for number in 0 .. pictures - 1 ->
                let image, boxes = wall number
                let name = $"{number + 1}.png"
                File.WriteAllBytes(Path.Combine(images, name), PngWriter.Encode(image.Pixels, width, height))
                ExportImage(CocoId(int64 (number + 1)), name, width, height, Array.ofList boxes)
        |]

    let classes =
        [|
            for label, name in Seq.indexed Outline.Names ->
                {
                    Id = CocoId(int64 (label + 1))
                    Name = name
                }
        |]

    AtomicFile.Write(
        Path.Combine(folder, "annotations.json"),
        fun stream -> AnnotationWriter.Write(stream, classes, entries)
    )

let arguments = List.ofArray fsi.CommandLineArgs |> List.tail

let checkpoint, folder, pictures =
    match arguments with
    | [ checkpoint ] -> checkpoint, "work/large", 24
    | [ checkpoint; folder ] -> checkpoint, folder, 24
    | [ checkpoint; folder; pictures ] -> checkpoint, folder, int pictures
    | _ ->
        eprintfn
            "usage: dotnet fsi scripts/tiles.fsx CHECKPOINT [FOLDER [PICTURES]]; the first lines of the script say more"

        exit 2

make folder pictures
let truth = GroundTruthReader.Load(Path.Combine(folder, "annotations.json"))
let session = DetectorSession.Open checkpoint

let images =
    [|
        for number in 1..pictures -> ImageFile.Load(Path.Combine(folder, "images", $"{number}.png"), Nullable())
    |]

printfn "%d pictures of %d x %d px, %d shapes" pictures width height truth.Count
printfn "%-26s %6s %6s %6s %6s %9s" "" "AP" "small" "medium" "large" "s/picture"

/// Evaluates what a way of looking at a picture finds.
let measure (name: string) (look: RgbImage -> IReadOnlyList<Finding>) =
    let found = Detections()
    let watch = Stopwatch.StartNew()
    let all = images |> Array.map (look >> Array.ofSeq)
    let seconds = watch.Elapsed.TotalSeconds / float pictures

    for number, findings in Array.indexed all do
        // those that count: the evaluation takes the best 100 of a class and image
        for finding in findings do
            let box = finding.Box

            found.Add(
                CocoId(int64 (number + 1)),
                finding.Class.Id,
                float box.X1,
                float box.Y1,
                float box.Width,
                float box.Height,
                float finding.Score
            )

    let statistics = (Evaluator.Evaluate(truth, found)).Statistics

    let value name area =
        statistics
        |> Seq.find (fun statistic -> statistic.Name = name && statistic.Area = area)
        |> _.Value

    printfn
        "%-26s %6.3f %6.3f %6.3f %6.3f %9.2f"
        name
        (value "AP" "all")
        (value "AP_small" "small")
        (value "AP_medium" "medium")
        (value "AP_large" "large")
        seconds

measure "whole" (fun image -> session.Detect image)

for size, overlap in [ 320, 0.25; 192, 0.25; 128, 0.0; 128, 0.25; 128, 0.5; 96, 0.5 ] do
    let settings: TileSettings = { Size = size; Overlap = overlap }

    let isLikely = Predicate(fun (finding: Finding) -> finding.Score >= 0.05f)

    measure $"tiles {size}, overlap {overlap}" (fun image ->
        (TiledPrediction.predict session settings 8 isLikely image CancellationToken.None).Findings)
