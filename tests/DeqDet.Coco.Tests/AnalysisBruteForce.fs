/// TIDE's error breakdown in the simplest possible code, straight from its definitions: the judge of the fast one.
module DeqDet.Tests.AnalysisBruteForce

open DeqDet
open DeqDet.Coco.Analysis
open DeqDet.Tests.EvaluationBruteForce

/// A detection with its number in the file, what it turned out to be and the box that this is about.
type Judged =
    {
        Number: int
        Found: Found
        Verdict: Verdict
        Target: Truth option
    }

type Breakdown =
    {
        Judged: Judged list
        /// Boxes that can be missed.
        Wanted: Truth list
        /// Ids of the boxes found.
        Taken: Set<CocoId>
    }

let private best (boxes: Truth list) (found: Found) =
    match boxes |> List.filter (fun t -> overlap found t > 0.0) with
    | [] -> None
    | some -> Some(List.maxBy (overlap found) some)

let private iouOf (found: Found) (box: Truth option) =
    box |> Option.map (overlap found) |> Option.defaultValue 0.0

/// COCO's matching in one image and class: detections by descending score with the box that each takes.
let private matches (iou: float) (most: int) (truths: Truth list) (founds: (int * Found) list) =
    let mutable taken = Set.empty

    [
        for number, found in founds |> List.sortBy (fun (_, f) -> -f.Score) |> List.truncate most do
            let choose (boxes: Truth list) =
                boxes
                |> List.filter (fun t -> overlap found t >= min iou (1.0 - 1e-10))
                |> List.filter (fun t -> t.Crowd || not (taken.Contains t.Id))
                |> List.rev
                |> best
                <| found

            let crowds, ordinary = truths |> List.partition _.Crowd
            let choice = choose ordinary |> Option.orElse (choose crowds)
            choice |> Option.iter (fun t -> taken <- taken.Add t.Id)
            number, found, choice
    ]

let private images (world: World) = List.sort world.Images
let private classes (world: World) = List.sort world.Classes

let judge (world: World) (iou: float) (background: float) (most: int) : Breakdown =
    let numbered = List.indexed world.Founds

    let matched =
        [
            for image in images world do
                for kind in classes world do
                    yield!
                        matches
                            iou
                            most
                            (world.Truths |> List.filter (fun t -> t.Image = image && t.Class = kind))
                            (numbered |> List.filter (fun (_, f) -> f.Image = image && f.Class = kind))
        ]

    let wanted = world.Truths |> List.filter (fun t -> not t.Crowd)

    let taken =
        matched
        |> List.choose (fun (_, _, box) -> box |> Option.filter (fun t -> not t.Crowd) |> Option.map _.Id)
        |> Set

    let classify (found: Found) =
        let there = wanted |> List.filter (fun t -> t.Image = found.Image)
        let same, other = there |> List.partition (fun t -> t.Class = found.Class)
        let nearSame, nearOther = best same found, best other found
        let toSame, toOther = iouOf found nearSame, iouOf found nearOther

        let toTaken =
            same
            |> List.filter (fun t -> taken.Contains t.Id)
            |> fun list -> iouOf found (best list found)

        if background <= toSame && toSame <= iou then
            Verdict.BadlyPlaced, nearSame
        elif toOther >= iou then
            Verdict.WrongClass, nearOther
        elif toTaken >= iou then
            Verdict.Duplicate, None
        elif max toSame toOther <= background then
            Verdict.Background, None
        else
            Verdict.Both, None

    let judged =
        [
            for number, found, box in matched do
                let verdict, target =
                    match box with
                    | Some t when t.Crowd -> Verdict.Ignored, box
                    | Some _ -> Verdict.Right, box
                    | None ->
                        let _, _, width, height = found.Box

                        // Sizes of all objects are zero or more: the evaluation leaves what lies outside alone.
                        if width * height < 0.0 then
                            Verdict.Ignored, None
                        else
                            classify found

                {
                    Number = number
                    Found = found
                    Verdict = verdict
                    Target = target
                }
        ]

    {
        Judged = judged
        Wanted = wanted
        Taken = taken
    }

let private aims (entry: Judged) =
    entry.Verdict = Verdict.WrongClass || entry.Verdict = Verdict.BadlyPlaced

/// The detection that takes an unfound box when its class or place is mended: the surest, the first of equals.
let heirs (breakdown: Breakdown) : Map<CocoId, int> =
    breakdown.Judged
    |> List.filter aims
    |> List.choose (fun j -> j.Target |> Option.map (fun t -> t.Id, j))
    |> List.filter (fun (id, _) -> not (breakdown.Taken.Contains id))
    |> List.groupBy fst
    |> List.map (fun (id, list) ->
        let entry =
            list
            |> List.map snd
            |> List.sortBy (fun j -> -j.Found.Score, j.Number)
            |> List.head

        id, entry.Number)
    |> Map

let missed (breakdown: Breakdown) : Truth list =
    let heirs = heirs breakdown

    breakdown.Wanted
    |> List.filter (fun t -> not (breakdown.Taken.Contains t.Id || heirs.ContainsKey t.Id))

type Repair =
    | Nothing
    | Only of ErrorKind
    | FalsePositives
    | FalseNegatives

/// Mean over classes with boxes of interpolated precision; -1 without any.
let averagePrecision (world: World) (breakdown: Breakdown) (points: float list) (repair: Repair) : float =
    let heirs = heirs breakdown

    let inherits (entry: Judged) =
        match entry.Target with
        | Some t -> heirs.TryFind t.Id = Some entry.Number
        | None -> false

    /// Class, detection, rightness after the repair.
    let outcome (entry: Judged) : (CocoId * Judged * bool) option =
        let kind = ErrorKinds.Of entry.Verdict

        match entry.Verdict, repair with
        | Verdict.Ignored, _ -> None
        | Verdict.Right, _ -> Some(entry.Found.Class, entry, true)
        | Verdict.WrongClass, Only ErrorKind.WrongClass when inherits entry ->
            Some(entry.Target.Value.Class, entry, true)
        | Verdict.BadlyPlaced, Only ErrorKind.BadlyPlaced when inherits entry -> Some(entry.Found.Class, entry, true)
        | _, Only mended when kind.HasValue && kind.Value = mended -> None
        | _, FalsePositives -> None
        | _ -> Some(entry.Found.Class, entry, false)

    let after = breakdown.Judged |> List.choose outcome

    let ofClass kind =
        let boxes = breakdown.Wanted |> List.filter (fun t -> t.Class = kind)

        let gone =
            match repair with
            | Only ErrorKind.Missed -> missed breakdown |> List.filter (fun t -> t.Class = kind) |> List.length
            | FalseNegatives ->
                boxes
                |> List.filter (fun t -> not (breakdown.Taken.Contains t.Id))
                |> List.length
            | _ -> 0

        let ranked =
            after
            |> List.filter (fun (c, _, _) -> c = kind)
            |> List.sortBy (fun (_, j, _) -> -j.Found.Score, j.Found.Image, j.Number)
            |> List.map (fun (_, _, right) -> right)

        let positives = boxes.Length - gone

        let atPoint (point: float) =
            [
                for n in 1 .. ranked.Length do
                    let right = ranked |> List.truncate n |> List.filter id |> List.length

                    if float right / float positives >= point then
                        float right / float n
            ]
            |> function
                | [] -> 0.0
                | list -> List.max list

        if boxes.IsEmpty then None
        elif positives = 0 && ranked.IsEmpty then Some None
        elif positives = 0 then Some(Some 0.0)
        else Some(Some(List.averageBy atPoint points))

    match classes world |> List.choose ofClass with
    | [] -> -1.0
    | all ->
        match List.choose id all with
        | [] -> 1.0
        | known -> List.average known

/// Boxes of a class (None: the background) that detections of a class (None: nothing) are on, from a score on.
let confusion (breakdown: Breakdown) (iou: float) (score: float) : Map<CocoId option * CocoId option, int> =
    let counted = breakdown.Judged |> List.filter (fun j -> j.Found.Score >= score)
    let right = counted |> List.filter (fun j -> j.Verdict = Verdict.Right)
    let foundIds = right |> List.choose _.Target |> List.map _.Id |> Set

    let mutable free =
        breakdown.Wanted |> List.filter (fun t -> not (foundIds.Contains t.Id))

    let wrong =
        [
            for j in
                counted
                |> List.filter (fun j -> (ErrorKinds.Of j.Verdict).HasValue)
                |> List.sortBy (fun j -> -j.Found.Score, j.Number) do
                let reached =
                    free
                    |> List.filter (fun t -> t.Image = j.Found.Image && overlap j.Found t >= iou)

                let box = best reached j.Found

                box
                |> Option.iter (fun t -> free <- free |> List.filter (fun f -> f.Id <> t.Id))

                Option.map (fun (t: Truth) -> t.Class) box, Some j.Found.Class
        ]

    [ for j in right -> Some j.Found.Class, Some j.Found.Class ]
    @ wrong
    @ [ for t in free -> Some t.Class, None ]
    |> List.countBy id
    |> Map
