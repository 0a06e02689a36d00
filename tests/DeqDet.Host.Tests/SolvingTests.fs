/// How `detect` and `test` are told to solve for the equilibrium, and what they say of it.
module DeqDet.Tests.SolvingTests

open System
open System.IO
open System.Text.Json
open System.Threading
open Expecto
open TorchSharp
open DeqDet.Model
open DeqDet
open DeqDet.Settings
open DeqDet.CommandLine
open DeqDet.Host.Commands
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Tests.SettingsFiles

let private asIs: SolverRequest =
    {
        Scheme = None
        Steps = None
        Tolerance = None
        BudgetMs = None
    }

/// A folder with pictures and an untrained, tiny model of some kind.
let withModel (assignments: string list) (test: string -> string -> unit) =
    let folder = Directory.CreateTempSubdirectory("deqdet-solving-").FullName

    try
        let settings =
            SettingsFile.load
                (config "shapes")
                ([
                    "data.root=" + Path.Combine(folder, "data")
                    "data.shapes.train_images=4"
                    "data.shapes.val_images=3"
                    "train.batch_size=4"
                    "backbone.width=8"
                    "head.channels=32"
                    "head.feed_forward=32"
                    "queries.count=6"
                 ]
                 @ assignments)

        DataSets.Ensure(settings.Data, null, CancellationToken.None) |> ignore
        let training = DataSets.ForTraining settings.Data
        let settings = Settings.withClasses training.Categories.Count settings
        let loader = DataLoader(training, settings.Data)
        let validation = DataSets.Validation(settings, training.Categories)
        let work = Path.Combine(folder, "work")
        Directory.CreateDirectory work |> ignore

        let run =
            TrainingRun.Start(settings, loader, validation, torch.CPU, WorkFolder work, "test")

        run.Train(
            { new ITrainingObserver with
                member _.Stepped _ = ()
                member _.Validating(_, _) = ()
                member _.Validated(_, _, _) = ()
            },
            Nullable 1L,
            CancellationToken.None
        )
        |> ignore

        (run :> IDisposable).Dispose()
        test work (Path.Combine(folder, "data", "val"))
    finally
        Directory.Delete(folder, true)

let private detect work images solver warm =
    use output = new StringWriter()
    let out = Path.Combine(work, "found")

    DetectCommand.Run(
        {
            Checkpoint = work
            Images = [| images |]
            Out = out
            Threshold = 0.0
            Solver = solver
            WarmStart = warm
            Device = DeviceChoice.Auto
            Threads = None
            Ema = false
        },
        output
    )

    output.ToString(), JsonDocument.Parse(File.ReadAllText(Path.Combine(out, "results.json"))).RootElement

let private list (element: JsonElement) = List.ofSeq (element.EnumerateArray())

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Solving"
        [
            testCase "detect: by default the steps of training, and a detection carries its query's residual"
            <| fun () ->
                withModel [] (fun work images ->
                    let said, json = detect work images asIs false
                    Expect.stringContains said "refinement: 5 applications to each query" "it says so"

                    for image in list (json.GetProperty "images") do
                        let refinement = image.GetProperty "refinement"
                        let steps = list (refinement.GetProperty "query_steps")
                        Expect.equal steps.Length 6 "a number a query"
                        Expect.all steps (fun step -> step.GetInt32() = 5) "all steps"
                        let residuals = list (refinement.GetProperty "query_residuals")

                        let found =
                            list (json.GetProperty "annotations")
                            |> List.filter (fun a ->
                                a.GetProperty("image_id").GetInt32() = image.GetProperty("id").GetInt32())

                        Expect.isNonEmpty found "detections"

                        for detection in found do
                            let query = detection.GetProperty("query").GetInt32()

                            Expect.equal
                                (detection.GetProperty("residual").GetDouble())
                                (residuals[query].GetDouble())
                                "its query's residual"

                            Expect.equal (detection.GetProperty("steps").GetInt32()) 5 "its query's steps")

            testCase "detect: scheme, steps and tolerance of the command line"
            <| fun () ->
                withModel [] (fun work images ->
                    let solver =
                        { asIs with
                            Scheme = Some AndersonScheme
                            Steps = Some 9
                            // so wide that every query has settled at once
                            Tolerance = Some 1e9
                        }

                    let said, json = detect work images solver false
                    Expect.stringContains said "refinement: 1.0 applications to a query of 10 at most" "it says so"

                    for image in list (json.GetProperty "images") do
                        let refinement = image.GetProperty "refinement"
                        Expect.equal (refinement.GetProperty("settled").GetInt32()) 6 "all settled"
                        Expect.equal (refinement.GetProperty("steps").GetInt32()) 1 "at once")

            testCase "detect: a warm start begins at the image before, and needs a tolerance"
            <| fun () ->
                withModel [] (fun work images ->
                    let solver = { asIs with Tolerance = Some 1e9 }
                    let frames = Path.Combine(work, "frames")
                    Directory.CreateDirectory frames |> ignore

                    for frame in 1..3 do
                        File.Copy(Path.Combine(images, "000001.png"), Path.Combine(frames, $"{frame}.png"))

                    let said, _ = detect work frames solver true
                    Expect.stringContains said "warm start: 2 of 3 images" "all but the first"

                    Expect.throwsC (fun () -> detect work images asIs true |> ignore) (fun error ->
                        Expect.isTrue (error :? InputError) "an input error"
                        Expect.stringContains error.Message "--tolerance" "with the remedy"))

            testCase "models without equilibrium: no residuals, and nothing to solve for"
            <| fun () ->
                withModel [ "kind=ffndet"; "head.stages=2" ] (fun work images ->
                    let said, json = detect work images asIs false
                    Expect.isFalse (said.Contains "refinement") "nothing said"

                    for detection in list (json.GetProperty "annotations") do
                        Expect.isFalse (fst (detection.TryGetProperty "residual")) "no residual"

                    Expect.throwsC
                        (fun () -> detect work images { asIs with Steps = Some 3 } false |> ignore)
                        (fun error ->
                            Expect.isTrue (error :? InputError) "an input error"
                            Expect.stringContains error.Message "--steps" "names the argument"))
        ]
