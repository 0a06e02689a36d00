/// The COCO box evaluation in the simplest possible code, straight from its rules: the judge of the fast one.
module DeqDet.Tests.EvaluationBruteForce

open DeqDet
open DeqDet.Coco.Evaluation

type Truth =
    {
        Id: CocoId
        Image: CocoId
        Class: CocoId
        Box: float * float * float * float
        Area: float
        Crowd: bool
    }

type Found =
    {
        Image: CocoId
        Class: CocoId
        Box: float * float * float * float
        Score: float
    }

/// A made-up validation set; lists in the order of the files.
type World =
    {
        Images: CocoId list
        Classes: CocoId list
        Truths: Truth list
        Founds: Found list
    }

/// The set as the evaluator takes it.
let groundTruth (world: World) : GroundTruth =
    let builder = GroundTruth.Builder "made up"
    world.Images |> List.iter builder.AddImage
    world.Classes |> List.iter (fun id -> builder.AddCategory(id, $"class {id}"))

    for t in world.Truths do
        let x, y, w, h = t.Box
        builder.AddBox(t.Id, t.Image, t.Class, x, y, w, h, t.Area, t.Crowd)

    builder.Build()

let detections (world: World) : Detections =
    let list = Detections()

    for f in world.Founds do
        let x, y, w, h = f.Box
        list.Add(f.Image, f.Class, x, y, w, h, f.Score)

    list

/// Intersection over union; with a crowd, over the detection's own area.
let overlap (found: Found) (truth: Truth) : float =
    let x1, y1, w1, h1 = found.Box
    let x2, y2, w2, h2 = truth.Box
    let width = min (x1 + w1) (x2 + w2) - max x1 x2
    let height = min (y1 + h1) (y2 + h2) - max y1 y2

    if width <= 0.0 || height <= 0.0 then
        0.0
    else
        let both = width * height
        both / (if truth.Crowd then w1 * h1 else w1 * h1 + w2 * h2 - both)

let private outside (range: AreaRange) (area: float) = area < range.Min || area > range.Max

type private Verdict =
    | Right
    | Wrong
    | Ignored

/// The detections of one image by descending score, each with its verdict at one threshold.
let private judge (threshold: float) (range: AreaRange) (most: int) (truths: Truth list) (founds: Found list) =
    let ignored (truth: Truth) = truth.Crowd || outside range truth.Area
    let mutable taken: CocoId list = []

    [
        for found in founds |> List.sortBy (fun f -> -f.Score) |> List.truncate most do
            let partner (candidates: Truth list) =
                candidates
                |> List.filter (fun t -> overlap found t >= min threshold (1.0 - 1e-10))
                |> List.filter (fun t -> t.Crowd || not (List.contains t.Id taken))
                |> List.rev
                |> function
                    | [] -> None
                    | some -> Some(List.maxBy (overlap found) some)

            let ordinary, others = truths |> List.partition (ignored >> not)
            let choice = partner ordinary |> Option.orElse (partner others)
            choice |> Option.iter (fun t -> taken <- t.Id :: taken)
            let _, _, w, h = found.Box

            let verdict =
                match choice with
                | Some t -> if ignored t then Ignored else Right
                | None -> if outside range (w * h) then Ignored else Wrong

            found.Score, verdict
    ]

/// Precision and score at each recall point, and the highest recall; None for a class without boxes to be found.
let private curve (parameters: EvaluationParameters) (positives: int) (ranked: (float * Verdict) list) =
    if positives = 0 then
        None
    else
        let count verdict list =
            list |> List.filter (fun (_, v) -> v = verdict) |> List.length |> float

        let points =
            [
                for n in 1 .. ranked.Length do
                    let first = List.truncate n ranked
                    let right, wrong = count Right first, count Wrong first
                    right / float positives, right / (wrong + right + 2.220446049250313e-16), fst ranked[n - 1]
            ]

        let atRecall (point: float) =
            match points |> List.skipWhile (fun (recall, _, _) -> recall < point) with
            | [] -> 0.0, 0.0
            | (_, _, score) :: _ as rest -> rest |> List.map (fun (_, precision, _) -> precision) |> List.max, score

        Some(Seq.map atRecall parameters.RecallPoints |> List.ofSeq, count Right ranked / float positives)

/// Precision and scores [T, R, K, A, M] and recall [T, K, A, M] by definition.
let evaluate (world: World) (parameters: EvaluationParameters) : float[] * float[] * float[] =
    let images =
        match parameters.ImageIds with
        | null -> List.sort world.Images
        | ids -> ids |> Seq.distinct |> Seq.sort |> List.ofSeq

    let classes =
        match parameters.CategoryIds with
        | null -> List.sort world.Classes
        | ids -> ids |> Seq.distinct |> Seq.sort |> List.ofSeq

    let groups =
        if parameters.ClassAgnostic then
            [ classes ]
        else
            List.map List.singleton classes

    let most = Seq.max parameters.MaxDetections

    let one threshold (group: CocoId list) range limit =
        let truths image =
            [
                for c in group do
                    yield! world.Truths |> List.filter (fun t -> t.Image = image && t.Class = c)
            ]

        let founds image =
            [
                for c in group do
                    yield! world.Founds |> List.filter (fun f -> f.Image = image && f.Class = c)
            ]

        let positives =
            images
            |> List.collect truths
            |> List.filter (fun t -> not (t.Crowd || outside range t.Area))
            |> List.length

        images
        |> List.collect (fun image -> judge threshold range most (truths image) (founds image) |> List.truncate limit)
        |> List.sortBy (fun (score, _) -> -score)
        |> curve parameters positives

    let curves =
        [
            for threshold in parameters.IouThresholds do
                [
                    for group in groups do
                        [
                            for range in parameters.AreaRanges do
                                [
                                    for limit in parameters.MaxDetections do
                                        one threshold group range limit
                                ]
                        ]
                ]
        ]

    let atPoint read =
        [|
            for overClasses in curves do
                for r in 0 .. parameters.RecallPoints.Count - 1 do
                    for c in overClasses |> List.concat |> List.concat do
                        match c with
                        | None -> yield -1.0
                        | Some(points: (float * float) list, _) -> yield read points[r]
        |]

    let recall =
        [|
            for c in curves |> List.concat |> List.concat |> List.concat do
                match c with
                | None -> yield -1.0
                | Some(_, recall) -> yield recall
        |]

    atPoint fst, atPoint snd, recall
