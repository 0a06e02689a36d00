/// Learning a few images by heart: which images, with which settings and rates, and what is said where it fails.
module DeqDet.Tests.OverfitTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Coco
open DeqDet.Coco.Evaluation
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Settings

let private settings = Settings.defaults

let private image (number: int) width height (boxes: (int * Box) list) =
    let box i (label, box: Box) =
        DataBox(CocoId(int64 (100 * number + i)), label, box, float box.Width * float box.Height, false)

    DataImage(CocoId(int64 number), $"{number}.png", width, height, Array.ofList (List.mapi box boxes))

let private data (images: DataImage list) =
    CocoDataset(
        Array.ofList images,
        [| { Id = CocoId 3L; Name = "cat" }; { Id = CocoId 7L; Name = "dog" } |],
        "folder",
        [||]
    )

let private square label left side = label, Box(left, 0f, left + side, side)

/// Resized to a hundredth of the area: sides a tenth.
let private tenth =
    { settings.Data with
        Resize = { ShortSide = 100; LongMax = 200 }
    }

let private outlook: DataOutlook =
    {
        Images = 2
        Boxes = 4
        Classes = [ "cat", 4 ]
        Sizes = [| 10, 10; 10, 10; 10, 10 |]
        MedianBoxes = 2
        MostBoxes = 3
        Queries = 20
        CrowdedImages = 0
        BoxesWithoutQuery = 0
        TinyBoxes = 0
        Contradictions = 0
    }

/// All went well, except that AP50 is not there yet.
let private sound: OverfitEvidence =
    {
        Outlook = outlook
        Trainable = 1000L
        RandomFrozenBackbone = false
        InputMean = 0.1
        InputDeviation = 1.1
        Steps = 500
        BadSteps = 0
        Rate = 1e-3
        Travel = 0.4
        Loss =
            {
                First = 30.0
                Before = 5.0
                Last = 5.0
            }
        Ap50 = 0.7
        Ap50OfAnyClass = 0.7
        Ap10 = 0.7
        Missed = 2
        MissedTiny = 0
    }

let private course first before last : LossCourse =
    {
        First = first
        Before = before
        Last = last
    }

/// What is wrong with a training, the diagnosis that has to name it, and a part of its text.
let private faults =
    [
        { sound with
            Trainable = 0L
            Steps = 0
            InputMean = nan
            Loss = course nan nan nan
        },
        "nothing trains",
        "backbone.frozen_stages"
        { sound with BadSteps = 50 }, "bad steps", "50 of 500 steps"
        { sound with
            InputMean = 520.0
            InputDeviation = 250.0
        },
        "input",
        "data.normalise"
        { sound with
            InputMean = -2.0
            InputDeviation = 0.004
        },
        "input",
        "from 0 to 255"
        { sound with InputMean = nan }, "input", "mean NaN"
        { sound with
            RandomFrozenBackbone = true
        },
        "frozen random backbone",
        "backbone.weights"
        { sound with
            Loss = course 30.0 29.0 28.9
            Travel = 0.001
        },
        "the loss does not fall",
        "too low"
        { sound with
            Loss = course 30.0 29.0 28.9
        },
        "the loss does not fall",
        "too high"
        { sound with
            Loss = course 30.0 60.0 90.0
            Travel = 0.001
        },
        "the loss does not fall",
        "too high"
        { sound with
            Loss = course 30.0 nan nan
        },
        "the loss does not fall",
        "too high"
        { sound with
            Outlook =
                { outlook with
                    CrowdedImages = 1
                    BoxesWithoutQuery = 5
                    MostBoxes = 25
                }
        },
        "too few queries",
        "1 image has more objects (up to 25)"
        { sound with MissedTiny = 1 }, "objects too small", "1 of the 2 boxes that are missed is smaller"
        { sound with
            Missed = 1
            MissedTiny = 1
        },
        "objects too small",
        "1 of the 1 box that is missed is smaller"
        { sound with
            Outlook = { outlook with Contradictions = 2 }
        },
        "contradicting labels",
        "2 pairs of boxes lie"
        { sound with Ap50OfAnyClass = 0.95 }, "boxes learned, classes not", "wrong name"
        { sound with Ap10 = 0.95 }, "classes learned, boxes not", "not exact"
        { sound with
            Loss = course 30.0 5.0 3.0
        },
        "not done yet",
        "--max-steps"
        sound, "nothing stands out", "AP50 is 0.700"
    ]

[<Tests>]
let tests =
    testList
        "Overfit"
        [
            for number, (evidence, name, part) in List.indexed faults do
                testCase $"{number + 1}, {name}: {part}"
                <| fun () ->
                    let found = OverfitDiagnosis.ofEvidence evidence
                    Expect.equal [ for diagnosis in found -> diagnosis.Name ] [ name ] "this and nothing else"
                    Expect.stringContains found.Head.Text part "its text"

            testCase "every diagnosis has its case here"
            <| fun () ->
                let named = set [ for _, name, _ in faults -> name ]
                Expect.equal named.Count 12 "eleven questions and the answer to none"

            testCase "boxes are counted against queries, sizes and each other"
            <| fun () ->
                let found =
                    DataOutlook.ofData
                        tenth
                        2
                        (data
                            [
                                image 1 1000 1000 [ square 0 0f 79f; square 0 500f 81f; square 1 500f 82f ]
                                image 2 1000 2000 [ square 1 0f 500f ]
                                image 3 500 500 []
                            ])

                Expect.equal (found.Images, found.Boxes) (3, 4) "counts"
                Expect.equal found.Classes [ "cat", 2; "dog", 2 ] "by class"
                Expect.equal found.Sizes [| 100, 100; 100, 100; 100, 200 |] "after the resize"
                Expect.equal (found.MedianBoxes, found.MostBoxes) (1, 3) "of an image"
                Expect.equal (found.CrowdedImages, found.BoxesWithoutQuery) (1, 1) "more than two queries"
                Expect.equal found.TinyBoxes 1 "7.9 px, and not 8.1"
                Expect.equal found.Contradictions 1 "one place, two classes"

            testCase "overlap is that of areas"
            <| fun () ->
                let box x = Box(x, 0f, x + 2f, 2f)
                Expect.floatClose Accuracy.high (DataOutlook.iou (box 0f) (box 1f)) (1.0 / 3.0) "a third"
                Expect.equal (DataOutlook.iou (box 0f) (box 5f)) 0.0 "apart"
                Expect.equal (DataOutlook.iou (Box(1f, 1f, 1f, 1f)) (Box(1f, 1f, 1f, 1f))) 0.0 "of no area"

            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 40
                }
                "images are drawn by the seed, each once, and only those with boxes"
            <| Prop.forAll
                (Arb.fromGen (Gen.zip3 (Gen.listOf (Gen.choose (0, 2))) (Gen.choose (1, 5)) (Gen.choose (0, 9))))
                (fun (boxes, count, seed) ->
                    let all =
                        boxes
                        |> List.mapi (fun i number ->
                            image i 100 100 [ for box in 1..number -> square 0 (float32 box) 5f ])

                    let full = boxes |> List.filter ((<>) 0) |> List.length

                    let draw () =
                        Overfit.images count (int64 seed) (data all)

                    if full = 0 then
                        Expect.throwsT<InputError> (draw >> ignore) "nothing to learn"
                    else
                        let chosen = List.ofSeq (draw ()).Images
                        Expect.equal chosen.Length (min count full) "as many as there are"
                        Expect.equal (List.distinct chosen) chosen "each once"
                        Expect.isTrue (chosen |> List.forall (fun image -> image.Boxes.Count > 0)) "with boxes"
                        Expect.equal (List.ofSeq (draw ()).Images) chosen "the same again")

            testCase "settings leave nothing to chance, and the rate ends low"
            <| fun () ->
                let changed = Overfit.settings 3 settings

                Expect.equal
                    changed.Data.Augment
                    {
                        Flip = 0.0
                        FlipVertical = 0.0
                        ShortSides = [ 800 ]
                        Crop = None
                        Scale = None
                        Mosaic = None
                        Colour = None
                    }
                    "augmentation"

                Expect.equal (changed.Train.BatchSize, changed.Train.Ema) (3, 0.0) "images a step, averages"
                let factors = [ for step in 0..199 -> Overfit.factor settings.Schedule 200 step ]
                Expect.floatClose Accuracy.high factors.Head 0.05 "the first of 20 steps of warm-up"
                Expect.equal factors[30] 1.0 "all of it"
                Expect.isLessThan (List.last factors) 0.07 "the end"
                Expect.isTrue (factors |> List.forall (fun factor -> factor > 0.0 && factor <= 1.0)) "between"

            testCase "the truth is what is trained on, and regions that are not are no faults to hit"
            <| fun () ->
                let crowd = DataBox(CocoId 1L, 0, Box(0f, 0f, 50f, 50f), 2500.0, true)
                let target = DataBox(CocoId 2L, 1, Box(60f, 60f, 80f, 80f), 400.0, false)
                let set = data [ DataImage(CocoId 9L, "9.png", 100, 100, [| crowd; target |]) ]
                let found = Detections "test"
                found.Add(CocoId 9L, CocoId 7L, 60.0, 60.0, 20.0, 20.0, 0.5, null)
                found.Add(CocoId 9L, CocoId 3L, 0.0, 0.0, 50.0, 50.0, 0.9, null)
                Expect.floatClose Accuracy.high (Evaluator.Evaluate(Overfit.truth set, found)["AP50"]) 1.0 "AP50"

            testCase "pixels are measured without the padding"
            <| fun () ->
                let about = BatchImage(CocoId 1L, "", 2, 1, 2, 1, 1f, 1f, [||], [||])
                use batch = new Batch([| about |], 32, 32)
                batch.Pixels.Fill 1000f

                for channel in 0..2 do
                    batch.Pixels[channel * 32 * 32] <- 1f
                    batch.Pixels[channel * 32 * 32 + 1] <- 3f

                let struct (mean, deviation) = Overfit.ofPixels batch
                Expect.floatClose Accuracy.high mean 2.0 "mean"
                Expect.floatClose Accuracy.high deviation 1.0 "deviation"

            testCase "a random backbone that is frozen in part is noticed"
            <| fun () ->
                let withBackbone change =
                    { settings with
                        Detector =
                            { settings.Detector with
                                Backbone = change settings.Detector.Backbone
                            }
                    }

                Expect.isTrue (Overfit.isRandomAndFrozen settings) "published settings without weights"

                for name, other in
                    [
                        "with weights", withBackbone (fun backbone -> { backbone with Weights = Some "x" })
                        "all of it trains",
                        withBackbone (fun backbone ->
                            { backbone with
                                FrozenStages = -1
                                Norm = Model.Batch
                            })
                    ] do
                    Expect.isFalse (Overfit.isRandomAndFrozen other) name
        ]
