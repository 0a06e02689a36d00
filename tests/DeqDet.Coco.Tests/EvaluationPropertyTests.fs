module DeqDet.Tests.EvaluationPropertyTests

open System
open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Coco.Evaluation
open DeqDet.Tests.EvaluationBruteForce

/// Coarse boxes, so that equal overlaps and overlaps on the thresholds are frequent; some of zero size.
let private box: Gen<float * float * float * float> =
    gen {
        let! x = Gen.choose (0, 4)
        let! y = Gen.choose (0, 4)
        let! width = Gen.frequency [ 1, Gen.constant 0; 12, Gen.choose (1, 5) ]
        let! height = Gen.frequency [ 1, Gen.constant 0; 12, Gen.choose (1, 5) ]
        let! scale = Gen.elements [ 1.0; 2.0; 7.3 ]
        return scale * float x, scale * float y, scale * float width, scale * float height
    }

/// Boxes of detections may have negative sizes.
let private foundBox: Gen<float * float * float * float> =
    gen {
        let! x, y, width, height = box
        let! turnX = Gen.frequency [ 6, Gen.constant 1.0; 1, Gen.constant -1.0 ]
        let! turnY = Gen.frequency [ 6, Gen.constant 1.0; 1, Gen.constant -1.0 ]
        return x, y, turnX * width, turnY * height
    }

let private numbers = List.map (fun (id: int64) -> CocoId id)
let private texts = List.map (fun (id: string) -> CocoId id)

/// A small made-up set with crowds, equal scores and equal overlaps.
let world: Gen<World> =
    gen {
        let! images =
            Gen.elements
                [
                    numbers [ 7L ]
                    numbers [ 9L; -3L; 5000000000L ]
                    numbers [ 4L; 2L; 1L; 8L ]
                    texts [ "b"; "B"; "10"; "2" ]
                    texts [ "\U0001F600"; "\uFF21"; "" ]
                ]

        let! classes =
            Gen.elements
                [
                    numbers [ 3L ]
                    numbers [ 10L; 2L ]
                    numbers [ 1L; 90L; 4L ]
                    texts [ "10"; "2"; "cat" ]
                ]

        let! truthCount = Gen.choose (0, 14)
        let! foundCount = Gen.choose (0, 24)

        let truth id =
            gen {
                let! image = Gen.elements images
                let! kind = Gen.elements classes
                let! box = box
                let _, _, width, height = box
                let! area = Gen.elements [ width * height; 0.0; 4.0; 9.0; 10.5; 1000.0 ]
                let! crowd = Gen.frequency [ 5, Gen.constant false; 1, Gen.constant true ]

                return
                    {
                        Id = CocoId(int64 id)
                        Image = image
                        Class = kind
                        Box = box
                        Area = area
                        Crowd = crowd
                    }
            }

        let! truths = Gen.collectToList truth [ 1..truthCount ]

        let unlisted = if classes.Head.IsText then CocoId "77" else CocoId 77L

        let found _ =
            gen {
                let! image = Gen.elements images
                let! kind = Gen.frequency [ 8, Gen.elements classes; 1, Gen.constant unlisted ]
                let! random = foundBox

                let! copied =
                    if truths.IsEmpty then
                        Gen.constant random
                    else
                        Gen.elements truths |> Gen.map _.Box

                let! box = Gen.elements [ random; copied ]
                let! score = Gen.elements [ 0.0; 0.25; 0.5; 0.5; 0.75; 1.0 ]

                return
                    {
                        Image = image
                        Class = kind
                        Box = box
                        Score = score
                    }
            }

        let! founds = Gen.collectToList found [ 1..foundCount ]

        return
            {
                Images = images
                Classes = classes
                Truths = truths
                Founds = founds
            }
    }

let private parametersFor (world: World) : Gen<EvaluationParameters> =
    gen {
        let! thresholds =
            Gen.elements [ [| 0.5; 0.75 |]; [| 0.0; 0.25; 1.0 |]; [| 1.0 / 3.0; 0.6; 0.5 |] ]

        let! points =
            Gen.elements [ [| 0.0; 0.25; 0.5; 1.0 |]; [| 0.1; 1.0 / 3.0; 2.0 / 3.0 |] ]

        let! limits = Gen.elements [ [| 1; 10; 100 |]; [| 1; 2; 3 |]; [| 2 |] ]

        let! ranges =
            Gen.elements
                [
                    AreaRange.Coco
                    [|
                        AreaRange("all", 0, 1e10)
                        AreaRange("tiny", 0, 9)
                        AreaRange("rest", 9, 40)
                    |]
                ]

        let! agnostic = Gen.frequency [ 2, Gen.constant false; 1, Gen.constant true ]
        let! images = Gen.subListOf world.Images
        let! classes = Gen.subListOf world.Classes
        let! someImages = Gen.frequency [ 2, Gen.constant false; 1, Gen.constant true ]
        let! someClasses = Gen.frequency [ 2, Gen.constant false; 1, Gen.constant true ]

        return
            EvaluationParameters(
                IouThresholds = thresholds,
                RecallPoints = points,
                MaxDetections = limits,
                AreaRanges = ranges,
                ClassAgnostic = agnostic,
                ImageIds = (if someImages then Array.ofList images else null),
                CategoryIds = (if someClasses then Array.ofList classes else null)
            )
    }

let private cases: Gen<World * EvaluationParameters> =
    gen {
        let! world = world
        let! parameters = parametersFor world
        return world, parameters
    }

let private evaluateWorld (world: World) (parameters: EvaluationParameters) : EvaluationResult =
    Evaluator.Evaluate(groundTruth world, detections world, parameters)

let private near (expected: float[]) (actual: float[]) =
    expected.Length = actual.Length
    && Array.forall2 (fun (e: float) a -> abs (e - a) <= 1e-15) expected actual

let private same (a: EvaluationResult) (b: EvaluationResult) =
    a.Precision.AsSpan().SequenceEqual(b.Precision)
    && a.Scores.AsSpan().SequenceEqual(b.Scores)
    && a.Recall.AsSpan().SequenceEqual(b.Recall)
    && [ for s in a.Statistics -> s.Name, s.Value ] = [ for s in b.Statistics -> s.Name, s.Value ]

let private shuffled (seed: int) (list: 'a list) : 'a list =
    let array = Array.ofList list
    Random(seed).Shuffle array
    List.ofArray array

let property (name: string) (count: int) (generator: Gen<'a>) (holds: 'a -> bool) =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = count
        }
        name
        (Prop.forAll (Arb.fromGen generator) holds)

[<Tests>]
let tests =
    testList
        "COCO evaluation, properties"
        [
            property "agrees with the rules written down plainly" 600 cases (fun (world, parameters) ->
                let precision, scores, recall = evaluate world parameters
                let result = evaluateWorld world parameters

                near precision result.Precision
                && near scores result.Scores
                && near recall result.Recall)

            property "does not depend on the number of threads" 100 cases (fun (world, parameters) ->
                let run threads =
                    Evaluator.Evaluate(groundTruth world, detections world, parameters, Nullable threads)

                same (run 1) (run 2) && same (run 1) (run 7))

            property "does not depend on the order of images and categories" 100 cases (fun (world, parameters) ->
                let other =
                    { world with
                        Images = List.rev world.Images
                        Classes = List.rev world.Classes
                    }

                same (evaluateWorld world parameters) (evaluateWorld other parameters))

            property
                "does not depend on the order of detections whose scores differ"
                100
                cases
                (fun (world, parameters) ->
                    let distinct =
                        world.Founds
                        |> List.mapi (fun i f ->
                            { f with
                                Score = f.Score + 1e-3 * float i
                            })

                    let one = { world with Founds = distinct }

                    let other =
                        { world with
                            Founds = shuffled distinct.Length distinct
                        }

                    same (evaluateWorld one parameters) (evaluateWorld other parameters))

            property
                "an evaluation of some images is that of a set with only these"
                100
                cases
                (fun (world, parameters) ->
                    let chosen =
                        match parameters.ImageIds with
                        | null -> Set world.Images
                        | ids -> Set ids

                    let part =
                        { world with
                            Images = world.Images |> List.filter chosen.Contains
                            Truths = world.Truths |> List.filter (fun t -> chosen.Contains t.Image)
                            Founds = world.Founds |> List.filter (fun f -> chosen.Contains f.Image)
                        }

                    let all =
                        EvaluationParameters(
                            IouThresholds = parameters.IouThresholds,
                            RecallPoints = parameters.RecallPoints,
                            MaxDetections = parameters.MaxDetections,
                            AreaRanges = parameters.AreaRanges,
                            ClassAgnostic = parameters.ClassAgnostic,
                            CategoryIds = parameters.CategoryIds
                        )

                    same (evaluateWorld world parameters) (evaluateWorld part all))

            property
                "detections written to a file and read again evaluate to the same"
                50
                cases
                (fun (world, parameters) ->
                    let path = Path.GetTempFileName()

                    try
                        let awkward =
                            { world with
                                Founds = world.Founds |> List.map (fun f -> { f with Score = f.Score / 3.0 })
                            }

                        DetectionsWriter.Save(detections awkward, path)

                        let read =
                            Evaluator.Evaluate(groundTruth awkward, DetectionsReader.Load path, parameters)

                        same (evaluateWorld awkward parameters) read
                    finally
                        File.Delete path)

            property "detections of negative size are counted, and said once" 100 cases (fun (world, parameters) ->
                let negative =
                    world.Founds
                    |> List.filter (fun f ->
                        let _, _, width, height = f.Box
                        width < 0.0 || height < 0.0)
                    |> List.length

                let said =
                    (evaluateWorld world parameters).Notes
                    |> Seq.filter (fun note -> note.Contains "negative width or height")
                    |> List.ofSeq

                match said with
                | [] -> negative = 0
                | [ note ] ->
                    note.StartsWith(
                        if negative = 1 then
                            "1 detection has"
                        else
                            $"{negative} detections have"
                    )
                | _ -> false)

            testCase "a perfect detector reaches 1, also on boxes whose overlap with themselves rounds below 1"
            <| fun () ->
                let world =
                    {
                        Images = [ CocoId 1L ]
                        Classes = [ CocoId 1L ]
                        Truths =
                            [
                                for i in 1..50 ->
                                    {
                                        Id = CocoId(int64 i)
                                        Image = CocoId 1L
                                        Class = CocoId 1L
                                        Box = 0.1 * float i, 0.7 * float i, 10.0 / float i + 40.0, 33.3
                                        Area = 2000.0
                                        Crowd = false
                                    }
                            ]
                        Founds = []
                    }

                let found =
                    { world with
                        Founds =
                            [
                                for i, t in List.indexed world.Truths ->
                                    {
                                        Image = CocoId 1L
                                        Class = CocoId 1L
                                        Box = t.Box
                                        Score = 1.0 / float (i + 1)
                                    }
                            ]
                    }

                let parameters = EvaluationParameters(IouThresholds = [| 1.0 |])
                let result = evaluateWorld found parameters
                Expect.floatClose Accuracy.veryHigh result["AP"] 1.0 "AP"
        ]
