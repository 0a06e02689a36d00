module DeqDet.Tests.AnalysisPropertyTests

open System
open Expecto
open FsCheck.FSharp
open DeqDet.Coco.Evaluation
open DeqDet.Coco.Analysis
open DeqDet.Tests.EvaluationBruteForce
open DeqDet.Tests.EvaluationPropertyTests

module Plain = DeqDet.Tests.AnalysisBruteForce

type private Case =
    {
        World: World
        Iou: float
        Background: float
        Most: int
        Score: float option
    }

let private cases: FsCheck.Gen<Case> =
    gen {
        let! world = world

        let! iou, background =
            Gen.elements [ 0.5, 0.1; 1.0 / 3.0, 0.25; 0.75, 0.5; 1.0, 0.1 ]

        let! most = Gen.elements [ 100; 100; 2; 1 ]
        let! score = Gen.elements [ None; Some 0.0; Some 0.5; Some 0.6 ]

        // Areas of files may be anything and only decide on size ranges, which do not matter here.
        return
            {
                World = world
                Iou = iou
                Background = background
                Most = most
                Score = score
            }
    }

let private points = [ 0.0; 0.25; 1.0 / 3.0; 0.5; 1.0 ]

let private analyse (case: Case) : EvaluationAnalysis =
    let truth, found = groundTruth case.World, detections case.World

    let parameters =
        EvaluationParameters(MaxDetections = [| case.Most |], RecallPoints = Array.ofList points)

    let result = Evaluator.Evaluate(truth, found, parameters)

    EvaluationAnalysis.Of(
        truth,
        found,
        result,
        AnalysisParameters(Iou = case.Iou, BackgroundIou = case.Background, Score = Option.toNullable case.Score)
    )

let private plain (case: Case) =
    Plain.judge case.World case.Iou case.Background case.Most

let private near (a: float) (b: float) = abs (a - b) <= 1e-12

let private kinds = List.ofSeq ErrorKinds.All

[<Tests>]
let tests =
    testList
        "Analysis, properties"
        [
            property "verdicts and targets are those of the definitions written down plainly" 500 cases (fun case ->
                let expected = plain case
                let actual = (analyse case).Judgement
                let boxes = groundTruth case.World

                let verdicts = expected.Judged |> List.map (fun j -> j.Number, j.Verdict) |> Map

                let targets =
                    expected.Judged
                    |> List.choose (fun j -> j.Target |> Option.map (fun t -> j.Number, t.Id))
                    |> Map

                case.World.Founds
                |> List.indexed
                |> List.forall (fun (i, _) ->
                    let target = actual.Target[i]

                    actual.Verdicts[i] = Option.defaultValue Verdict.LeftOut (verdicts.TryFind i)
                    && (if target < 0 then None else Some boxes.Id[target]) = targets.TryFind i))

            property "counts and gains are those of the definitions written down plainly" 500 cases (fun case ->
                let expected = plain case
                let actual = (analyse case).Errors
                let ap = Plain.averagePrecision case.World expected points

                let gain repair =
                    if ap Plain.Nothing < 0.0 then
                        0.0
                    else
                        ap repair - ap Plain.Nothing

                let count kind =
                    if kind = ErrorKind.Missed then
                        (Plain.missed expected).Length
                    else
                        expected.Judged
                        |> List.filter (fun j -> ErrorKinds.Of j.Verdict = Nullable kind)
                        |> List.length

                near (ap Plain.Nothing) actual.AveragePrecision
                && near (gain Plain.FalsePositives) actual.FalsePositivesGain
                && near (gain Plain.FalseNegatives) actual.FalseNegativesGain
                && kinds
                   |> List.forall (fun kind ->
                       let share = actual[kind]
                       near (gain (Plain.Only kind)) share.Gain && share.Count = count kind))

            property "the confusion matrix is that of its definition written down plainly" 300 cases (fun case ->
                let actual = analyse case
                let matrix = actual.Confusion
                let expected = Plain.confusion (plain case) case.Iou actual.Point.Score

                let name i =
                    if i = matrix.Classes.Count then
                        None
                    else
                        Some matrix.Classes[i].Id

                List.forall
                    (fun (row, column) ->
                        matrix[row, column] = Option.defaultValue 0 (expected.TryFind(name row, name column)))
                    (List.allPairs [ 0 .. matrix.Size - 1 ] [ 0 .. matrix.Size - 1 ]))

            property "its sums are boxes and detections, its diagonal the right ones" 200 cases (fun case ->
                let actual = analyse case
                let matrix, point = actual.Confusion, actual.Point
                let all = [ 0 .. matrix.Size - 1 ]
                let classes = List.take matrix.Classes.Count all

                let row i =
                    all |> List.sumBy (fun j -> matrix[i, j])

                let boxes k =
                    actual.Classes[k].Right + actual.Classes[k].Unfound

                (classes |> List.sumBy (fun k -> matrix[k, k])) = point.Right
                && classes |> List.forall (fun k -> row k = boxes k)
                && (all |> List.sumBy (fun i -> classes |> List.sumBy (fun j -> matrix[i, j]))) =
                    point.Right + point.Wrong)

            property "mending a kind of mistake never lowers the AP" 300 cases (fun case ->
                let errors = (analyse case).Errors

                errors.FalseNegativesGain >= -1e-12
                && errors.FalsePositivesGain >= -1e-12
                && errors.Errors |> Seq.forall (fun share -> share.Gain >= -1e-12))

            property "a kind that does not occur gains nothing" 300 cases (fun case ->
                (analyse case).Errors.Errors
                |> Seq.forall (fun share -> share.Count > 0 || share.Gain = 0.0))

            property
                "a detection is right, ignored, left out or one mistake; a box is found, aimed at or missed"
                200
                cases
                (fun case ->
                    let actual = analyse case
                    let judgement = actual.Judgement
                    let errors = actual.Errors

                    let of' verdict =
                        judgement.Verdicts |> Seq.filter ((=) verdict) |> Seq.length

                    let mistakes =
                        kinds
                        |> List.filter ((<>) ErrorKind.Missed)
                        |> List.sumBy (fun kind -> errors[kind].Count)

                    let wanted = judgement.ToBeFound |> Seq.filter id |> Seq.length
                    let aimed = judgement.Heir |> Seq.filter (fun d -> d >= 0) |> Seq.length

                    mistakes + of' Verdict.Right + of' Verdict.Ignored + of' Verdict.LeftOut = case.World.Founds.Length
                    && wanted = of' Verdict.Right + aimed + errors[ErrorKind.Missed].Count
                    && kinds
                       |> List.forall (fun kind ->
                           kind = ErrorKind.Missed || errors[kind].CountAtScore <= errors[kind].Count))

            property
                "counted from a score on, mistakes are those of a set without the other detections"
                200
                cases
                (fun case ->
                    let actual = analyse case

                    let rest =
                        { case with
                            World =
                                { case.World with
                                    Founds = case.World.Founds |> List.filter (fun f -> f.Score >= actual.Point.Score)
                                }
                            Score = Some actual.Point.Score
                        }

                    let other = analyse rest

                    [ for share in actual.Errors.Errors -> share.CountAtScore ] =
                        [ for share in other.Errors.Errors -> share.Count ]
                    && [ for image in actual.Images -> image ] = [ for image in other.Images -> image ])

            property "no score has a better F1 than the one chosen" 200 cases (fun case ->
                let best = (analyse { case with Score = None }).Point

                case.World.Founds
                |> List.forall (fun f -> (analyse { case with Score = Some f.Score }).Point.F1 <= best.F1))

            property "mistakes of images add up to those of the set, the worst image first" 200 cases (fun case ->
                let actual = analyse case
                let images = List.ofSeq actual.Images

                images |> List.sumBy _.Right = actual.Point.Right
                && images |> List.sumBy _.Wrong = actual.Point.Wrong
                && images |> List.sumBy _.Missed = actual.Point.Missed
                && images |> List.pairwise |> List.forall (fun (a, b) -> a.Mistakes >= b.Mistakes)
                && (images |> List.map _.Id |> List.sort) = List.sort case.World.Images)

            property "a perfect detector makes no mistakes" 100 cases (fun case ->
                let perfect =
                    [
                        for t in case.World.Truths do
                            let _, _, w, h = t.Box

                            if not t.Crowd && w * h > 0.0 then
                                t
                    ]
                    |> List.distinctBy (fun t -> t.Image, t.Class, t.Box)

                let world =
                    { case.World with
                        Truths = perfect
                        Founds =
                            [
                                for t in perfect ->
                                    {
                                        Image = t.Image
                                        Class = t.Class
                                        Box = t.Box
                                        Score = 0.5
                                    }
                            ]
                    }

                let actual =
                    analyse
                        { case with
                            World = world
                            Most = 100
                            Score = None
                        }

                actual.Errors.Errors
                |> Seq.forall (fun share -> share.Count = 0 && share.Gain = 0.0)
                && near actual.Errors.AveragePrecision (if perfect.IsEmpty then -1.0 else 1.0)
                && actual.Point.F1 = (if perfect.IsEmpty then 0.0 else 1.0)
                && actual.Images |> Seq.forall (fun image -> image.Mistakes = 0))

            property "a bin of crowding is the evaluation of its images alone" 100 cases (fun case ->
                let truth, found = groundTruth case.World, detections case.World
                let actual = analyse case

                let objects image =
                    case.World.Truths
                    |> List.filter (fun t -> t.Image = image && not t.Crowd)
                    |> List.length

                actual.Crowding
                |> Seq.forall (fun bin ->
                    let members =
                        case.World.Images
                        |> List.filter (fun image ->
                            objects image >= bin.From
                            && not (bin.To.HasValue && objects image > bin.To.Value))

                    let at (thresholds: float[]) =
                        let result =
                            Evaluator.Evaluate(
                                truth,
                                found,
                                EvaluationParameters(
                                    MaxDetections = [| case.Most |],
                                    RecallPoints = Array.ofList points,
                                    ImageIds = Array.ofList members,
                                    AreaRanges = [| AreaRange("all", 0, 1e10) |],
                                    IouThresholds = thresholds
                                )
                            )

                        match result.Precision |> Array.filter (fun p -> p > -1.0) with
                        | [||] -> -1.0
                        | known -> Array.average known

                    bin.Images = members.Length
                    && bin.Boxes = (members |> List.sumBy objects)
                    && (members.IsEmpty
                        || near bin.AveragePrecisionAtIou (at [| case.Iou |])
                           && near bin.AveragePrecision (at (Array.ofSeq EvaluationParameters.Coco.IouThresholds)))))
        ]
