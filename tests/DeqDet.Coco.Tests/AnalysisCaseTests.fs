module DeqDet.Tests.AnalysisCaseTests

open Expecto
open DeqDet

open DeqDet.Coco.Evaluation
open DeqDet.Coco.Analysis
open DeqDet.Tests.EvaluationBruteForce

let private truth (id: int64) (kind: int64) box : Truth =
    let _, _, w, h = box

    {
        Id = CocoId id
        Image = CocoId 1L
        Class = CocoId kind
        Box = box
        Area = w * h
        Crowd = false
    }

let private found (kind: int64) score box : Found =
    {
        Image = CocoId 1L
        Class = CocoId kind
        Box = box
        Score = score
    }

let private world truths founds : World =
    {
        Images = [ CocoId 1L ]
        Classes = [ CocoId 1L; CocoId 2L ]
        Truths = truths
        Founds = founds
    }

let private analyseWith (analysis: AnalysisParameters) (world: World) : EvaluationAnalysis =
    let boxes, list = groundTruth world, detections world
    EvaluationAnalysis.Of(boxes, list, Evaluator.Evaluate(boxes, list), analysis)

let private analyse = analyseWith AnalysisParameters.Default

/// A square of side 10; moved by s pixels to the right it has an IoU of (10 - s) / (10 + s).
let private square: float * float * float * float = 0.0, 0.0, 10.0, 10.0
let private moved s : float * float * float * float = s, 0.0, 10.0, 10.0
let private elsewhere: float * float * float * float = 500.0, 0.0, 10.0, 10.0

/// One object of class 1 and one detection, what the detection is, and whether the object is missed then.
let private single =
    [
        "on the object", found 1L 0.9 (moved 1.0), Verdict.Right, false
        "on the object, of the other class", found 2L 0.9 (moved 1.0), Verdict.WrongClass, false
        "beside the object", found 1L 0.9 (moved 5.0), Verdict.BadlyPlaced, false
        "beside the object, of the other class", found 2L 0.9 (moved 5.0), Verdict.Both, true
        "elsewhere", found 1L 0.9 elsewhere, Verdict.Background, true
        "hardly touching", found 1L 0.9 (moved 9.0), Verdict.Background, true
        "at IoU 0.5 exactly", found 1L 0.9 (0.0, 0.0, 10.0, 20.0), Verdict.Right, false
        "of the other class at IoU 0.5 exactly", found 2L 0.9 (0.0, 0.0, 10.0, 20.0), Verdict.WrongClass, false
        "at IoU 0.1 exactly", found 1L 0.9 (0.0, 0.0, 10.0, 100.0), Verdict.BadlyPlaced, false
        "of the other class at IoU 0.1 exactly", found 2L 0.9 (0.0, 0.0, 10.0, 100.0), Verdict.Background, true
    ]

[<Tests>]
let tests =
    testList
        "Analysis, cases"
        [
            for name, detection, verdict, missed in single do
                yield
                    testCase $"a detection {name}"
                    <| fun () ->
                        let actual = analyse (world [ truth 1L 1L square ] [ detection ])
                        Expect.equal actual.Judgement.Verdicts[0] verdict "verdict"
                        Expect.equal actual.Errors[ErrorKind.Missed].Count (if missed then 1 else 0) "missed"

                        for share in actual.Errors.Errors do
                            let expected =
                                if share.Kind = ErrorKind.Missed then
                                    missed
                                else
                                    ErrorKinds.Of verdict = System.Nullable share.Kind

                            Expect.equal share.Count (if expected then 1 else 0) $"{share.Kind}"

            yield
                testCase "the second detection of an object is a duplicate, and mending it gains what it costs"
                <| fun () ->
                    let actual =
                        analyse (
                            world
                                [ truth 1L 1L square; truth 2L 1L elsewhere ]
                                [ found 1L 0.9 square; found 1L 0.8 (moved 1.0); found 1L 0.7 elsewhere ]
                        )

                    Expect.equal
                        actual.Judgement.Verdicts
                        [| Verdict.Right; Verdict.Duplicate; Verdict.Right |]
                        "verdicts"
                    // Right, wrong, right: precision 1 up to recall 0.5, then 2/3. 51 and 50 of the 101 points.
                    let ap = (51.0 + 50.0 * 2.0 / 3.0) / 101.0
                    Expect.floatClose Accuracy.veryHigh actual.Errors.AveragePrecision ap "AP"
                    Expect.floatClose Accuracy.veryHigh actual.Errors[ErrorKind.Duplicate].Gain (1.0 - ap) "gain"
                    Expect.floatClose Accuracy.veryHigh actual.Errors.FalsePositivesGain (1.0 - ap) "gain of all"
                    Expect.equal actual.Errors.FalseNegativesGain 0.0 "nothing is unfound"

            yield
                testCase "a box that two badly placed detections aim at is given to the surer one"
                <| fun () ->
                    let actual =
                        analyse (world [ truth 1L 1L square ] [ found 1L 0.5 (moved 5.0); found 1L 0.9 (moved 6.0) ])

                    Expect.equal actual.Judgement.Heir [| 1 |] "heir"
                    Expect.equal actual.Errors[ErrorKind.BadlyPlaced].Count 2 "count"
                    Expect.floatClose Accuracy.veryHigh actual.Errors[ErrorKind.BadlyPlaced].Gain 1.0 "gain"

            yield
                testCase "a mended class moves the detection to the class of its box"
                <| fun () ->
                    let actual =
                        analyse (
                            world
                                [ truth 1L 1L square; truth 2L 2L elsewhere ]
                                [ found 2L 0.9 square; found 2L 0.8 elsewhere ]
                        )

                    // Class 1 is not found; class 2 is found at precision 1/2.
                    Expect.floatClose Accuracy.veryHigh actual.Errors.AveragePrecision 0.25 "AP"
                    Expect.floatClose Accuracy.veryHigh actual.Errors[ErrorKind.WrongClass].Gain 0.75 "gain"
                    Expect.equal actual.Confusion[0, 1] 1 "class 1 taken for class 2"
                    Expect.equal actual.Confusion[1, 1] 1 "class 2"

            yield
                testCase "mended misses stretch the curve; a class never detected leaves the mean"
                <| fun () ->
                    let half =
                        analyse (world [ truth 1L 1L square; truth 2L 1L elsewhere ] [ found 1L 0.9 square ])

                    Expect.floatClose Accuracy.veryHigh half.Errors.AveragePrecision (51.0 / 101.0) "AP"
                    Expect.floatClose Accuracy.veryHigh half.Errors[ErrorKind.Missed].Gain (50.0 / 101.0) "gain"

                    let one =
                        analyse (world [ truth 1L 1L square; truth 2L 2L elsewhere ] [ found 1L 0.9 square ])

                    Expect.floatClose Accuracy.veryHigh one.Errors.AveragePrecision 0.5 "AP"
                    Expect.floatClose Accuracy.veryHigh one.Errors[ErrorKind.Missed].Gain 0.5 "gain"
                    let none = analyse (world [ truth 1L 1L square ] [])
                    Expect.equal none.Errors.AveragePrecision 0.0 "AP"
                    Expect.equal none.Errors[ErrorKind.Missed].Gain 1.0 "gain"

            yield
                testCase "a detection on a crowd is no mistake, a crowd is not missed"
                <| fun () ->
                    let crowd = { truth 1L 1L square with Crowd = true }

                    let actual =
                        analyse (world [ crowd ] [ found 1L 0.9 (moved 1.0); found 2L 0.8 square ])

                    Expect.equal actual.Judgement.Verdicts [| Verdict.Ignored; Verdict.Background |] "verdicts"
                    Expect.equal actual.Errors[ErrorKind.Missed].Count 0 "missed"
                    Expect.equal actual.Errors.AveragePrecision -1.0 "no box to be found"
                    Expect.isTrue (actual.Errors.Errors |> Seq.forall (fun share -> share.Gain = 0.0)) "no gain"

            yield
                testCase "images are counted at the chosen score"
                <| fun () ->
                    let set =
                        world
                            [ truth 1L 1L square; truth 2L 1L elsewhere ]
                            [
                                found 1L 0.9 square
                                found 2L 0.6 (100.0, 100.0, 5.0, 5.0)
                                found 1L 0.3 elsewhere
                            ]

                    let actual = analyseWith (AnalysisParameters(Score = 0.5)) set
                    Expect.equal actual.Point (OperatingPoint(0.5, 1, 1, 1, true)) "point"
                    Expect.equal actual.Images[0] (ImageMistakes(0, CocoId 1L, 1, 1, 1)) "image"
                    Expect.equal actual.Images[0].Mistakes 2 "mistakes"
                    Expect.floatClose Accuracy.veryHigh actual.Images[0].Share (2.0 / 3.0) "share"

            yield
                testCase "curves are slices of the evaluation, the first ones the mean over classes"
                <| fun () ->
                    let set =
                        world
                            [ truth 1L 1L square; truth 2L 2L elsewhere ]
                            [ found 1L 0.9 (moved 1.0); found 1L 0.8 elsewhere ]

                    let curves = (analyse set).Curves
                    Expect.equal [ for c in curves -> c.Class ] [ -1; -1; -1; 0; 0; 0; 1; 1; 1 ] "classes"
                    Expect.equal curves[3].Iou (System.Nullable 0.5) "IoU"
                    Expect.isTrue (curves[3].Precision |> Array.forall (fun p -> p > 1.0 - 1e-12)) "class 1 at 0.5"
                    // IoU 9/11 reaches seven of the ten thresholds.
                    Expect.floatClose Accuracy.veryHigh curves[5].Precision[50] 0.7 "mean of thresholds"
                    Expect.floatClose Accuracy.veryHigh curves[0].Precision[50] 0.5 "mean of classes"

            yield
                testList
                    "thresholds are refused"
                    [
                        for name, change in
                            [
                                "IoU below the background's", AnalysisParameters(Iou = 0.05)
                                "IoU above 1", AnalysisParameters(Iou = 1.5)
                                "IoU that is no number", AnalysisParameters(Iou = nan)
                                "background of 0", AnalysisParameters(BackgroundIou = 0.0)
                                "score that is no number", AnalysisParameters(Score = nan)
                                "bounds that do not ascend", AnalysisParameters(CrowdingBounds = [| 1; 1 |])
                            ] ->
                            testCase name (fun () ->
                                Expect.throwsT<InputError> (fun () -> analyseWith change (world [] []) |> ignore) name)
                    ]
        ]
