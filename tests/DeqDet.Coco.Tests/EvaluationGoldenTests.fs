module DeqDet.Tests.EvaluationGoldenTests

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet
open DeqDet.Coco.Evaluation
open DeqDet.Tests.EvaluationCases

let private expectNear (tolerance: float) (expected: float[]) (actual: float[]) (what: string) =
    Expect.equal actual.Length expected.Length $"{what}: length"

    for i in 0 .. expected.Length - 1 do
        if not (abs (actual[i] - expected[i]) <= tolerance) then
            failtest $"{what}[{i}] is {actual[i]:R} instead of {expected[i]:R}"

let private checkSummary (case: Case) (result: EvaluationResult) =
    let stats =
        [|
            for number in (case.Expected.GetProperty "stats").EnumerateArray() -> number.GetDouble()
        |]

    expectNear 1e-12 stats [| for s in result.Statistics -> s.Value |] "stats"

    let classes =
        (case.Expected.GetProperty "per_class").EnumerateArray() |> Array.ofSeq

    Expect.equal result.PerClass.Count classes.Length "number of classes"

    for expected, actual in Seq.zip classes result.PerClass do
        Expect.equal actual.Category.Id (CocoId.Of(expected.GetProperty "category_id")) "class"

        let given =
            expected.EnumerateObject()
            |> Seq.filter (fun p -> p.Name <> "category_id")
            |> Array.ofSeq

        Expect.equal actual.Statistics.Count given.Length "numbers of a class"

        for statistic in actual.Statistics do
            let number = (expected.GetProperty statistic.Name).GetDouble()
            expectNear 1e-12 [| number |] [| statistic.Value |] $"class {actual.Category.Id} {statistic.Name}"

let private checkArrays (case: Case) (result: EvaluationResult) =
    let shape (name: string) =
        [
            for n in (((case.Expected.GetProperty "arrays").GetProperty name).GetProperty "shape").EnumerateArray() ->
                n.GetInt32()
        ]

    Expect.sequenceEqual result.PrecisionShape (shape "precision") "shape of precision"
    Expect.sequenceEqual result.PrecisionShape (shape "scores") "shape of scores"
    Expect.sequenceEqual result.RecallShape (shape "recall") "shape of recall"
    expectNear 0.0 (array case "precision") result.Precision "precision"
    expectNear 0.0 (array case "scores") result.Scores "scores"
    expectNear 0.0 (array case "recall") result.Recall "recall"

let private checkCounts (case: Case) (result: EvaluationResult) =
    let count (name: string) =
        ((case.Expected.GetProperty "counts").GetProperty name).GetInt32()

    if
        isNull (box case.Parameters.CategoryIds)
        || result.Classes.Count = case.Truth.Categories.Count
    then
        Expect.equal result.Counts.Images (count "images") "images"
        Expect.equal result.Counts.Boxes (count "gt") "boxes"
        Expect.equal result.Counts.Crowds (count "gt_crowd") "crowds"

/// A match table in the reference's terms: ids of the partners, 0 for none.
let private tables (case: Case) (entry: ImageMatches) =
    let none = CocoId 0L
    let dtId found = CocoId(int64 found + 1L)
    let gtId box = case.Truth.Id[box]

    {|
        Image = entry.ImageId
        Class = entry.CategoryId
        Range = entry.Range.Min, entry.Range.Max
        Found = entry.Found |> Array.map dtId
        Scores = entry.Found |> Array.map (fun found -> case.Detections.Score[found])
        Boxes = entry.Boxes |> Array.map gtId
        BoxIgnored = entry.BoxIgnored
        Partners =
            entry.Partner
            |> Array.map (Array.map (fun b -> if b < 0 then none else gtId entry.Boxes[b]))
        FoundIgnored = entry.FoundIgnored
        BoxPartners =
            entry.BoxPartner
            |> Array.map (Array.map (fun f -> if f < 0 then none else dtId entry.Found[f]))
    |}

let private expectedTables (element: JsonElement) =
    let list (read: JsonElement -> 'a) (element: JsonElement) : 'a[] =
        [| for item in element.EnumerateArray() -> read item |]

    let id (item: JsonElement) = CocoId(int64 (item.GetDouble()))
    let flag (item: JsonElement) = item.GetInt32() <> 0
    let range = element.GetProperty "aRng" |> list _.GetDouble()

    {|
        Image = CocoId.Of(element.GetProperty "image_id")
        Class = CocoId.Of(element.GetProperty "category_id")
        Range = range[0], range[1]
        Found = element.GetProperty "dtIds" |> list id
        Scores = element.GetProperty "dtScores" |> list _.GetDouble()
        Boxes = element.GetProperty "gtIds" |> list id
        BoxIgnored = element.GetProperty "gtIgnore" |> list flag
        Partners = element.GetProperty "dtMatches" |> list (list id)
        FoundIgnored = element.GetProperty "dtIgnore" |> list (list flag)
        BoxPartners = element.GetProperty "gtMatches" |> list (list id)
    |}

let private checkMatches (case: Case) =
    let path = Path.Combine(case.Folder, "matches.json")

    if File.Exists path then
        use expected = JsonDocument.Parse(File.ReadAllText path)

        let expected =
            [
                for element in expected.RootElement.EnumerateArray() -> expectedTables element
            ]

        let actual =
            [
                for m in Evaluator.Matches(case.Truth, case.Detections, case.Parameters) -> tables case m
            ]

        Expect.equal actual expected "matches"

let private check (name: string) =
    match tryFolder name with
    | None -> skiptest $"the case {name} is not in ../shared/golden/cocoeval"
    | Some folder ->
        let case = load folder
        let result = Evaluator.Evaluate(case.Truth, case.Detections, case.Parameters)
        checkSummary case result
        checkArrays case result
        checkCounts case result
        checkMatches case

        if (case.Expected.GetProperty "default_params").GetBoolean() then
            let standard = EvaluationParameters.Coco
            Expect.sequenceEqual standard.IouThresholds case.Parameters.IouThresholds "standard thresholds"
            Expect.sequenceEqual standard.RecallPoints case.Parameters.RecallPoints "standard recall points"
            Expect.sequenceEqual standard.AreaRanges case.Parameters.AreaRanges "standard ranges"
            Expect.sequenceEqual standard.MaxDetections case.Parameters.MaxDetections "standard maximums"
            let again = Evaluator.Evaluate(case.Truth, case.Detections)
            Expect.equal again.Precision result.Precision "precision with the standard parameters"

[<Tests>]
let tests =
    testList "COCO evaluation, golden cases" [ for name in own @ others -> testCase name (fun () -> check name) ]
