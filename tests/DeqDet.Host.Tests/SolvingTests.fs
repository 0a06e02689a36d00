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
                    "solver.steps=4"
                    "rag.supervised=[1,4]"
                    "queries.count=6"
                 ]
                 @ assignments)

        DataSets.Ensure(settings.Data, null, CancellationToken.None) |> ignore
        let training = DataSets.ForTraining settings.Data
        let settings = Settings.withClasses training.Categories.Count settings

        let setup =
            {
                Settings = settings
                Loader = DataLoader(training, settings.Data)
                Validation = Validation.Of(settings, training.Categories)
                Device = torch.CPU
                Processes = Processes.Alone
                BackboneFile = settings.Detector.Backbone.Weights
                Version = "test"
            }

        let work = Path.Combine(folder, "work")
        Directory.CreateDirectory work |> ignore

        using (TrainingRun.Start(setup, Some 1L)) (fun run ->
            run.Train(
                WorkFolder.at work,
                { new ITrainingObserver with
                    member _.Stepped _ = ()
                    member _.Skipped(_, _, _) = ()
                    member _.Noticed _ = ()
                    member _.Saving() = ()
                    member _.Validating(_, _) = ()
                    member _.Validated(_, _, _) = ()
                },
                CancellationToken.None
            )
            |> ignore)

        test work (Path.Combine(folder, "data", "val"))
    finally
        Directory.Delete(folder, true)

let private detect work images solver warm =
    use output = new StringWriter()
    let out = Path.Combine(work, "found")

    DetectCommand.Run(
        {
            Checkpoint = Some work
            Images = [| images |]
            Out = out
            Tiles = None
            Overlap = 0.2
            Formats = [||]
            Threshold = Some 0.0
            Solver = solver
            WarmStart = warm
            Refinement = false
            Precision = None
            Device = DeviceChoice.Auto
            Tf32 = false
            Threads = None
            Ema = false
        },
        Spectre.Console.AnsiConsole.Create(
            Spectre.Console.AnsiConsoleSettings(Out = Spectre.Console.AnsiConsoleOutput output)
        ),
        TextReader.Null,
        output
    )
    |> ignore

    output.ToString(), JsonDocument.Parse(File.ReadAllText(Path.Combine(out, "results.json"))).RootElement

let private list (element: JsonElement) = List.ofSeq (element.EnumerateArray())

/// What results.json says of the refinement of one image, query by query.
type private Refinement =
    {
        Steps: int[]
        Residuals: float[]
        Settled: int
    }

let private refinements (json: JsonElement) : Refinement list =
    [
        for image in list (json.GetProperty "images") do
            let refinement = image.GetProperty "refinement"

            {
                Steps =
                    [|
                        for steps in list (refinement.GetProperty "query_steps") -> steps.GetInt32()
                    |]
                Residuals =
                    [|
                        for residual in list (refinement.GetProperty "query_residuals") -> residual.GetDouble()
                    |]
                Settled = refinement.GetProperty("settled").GetInt32()
            }
    ]

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

            testCase "detect: scheme and steps of the command line"
            <| fun () ->
                withModel [] (fun work images ->
                    // so tight that every query takes all steps
                    let residuals scheme =
                        let said, json =
                            detect
                                work
                                images
                                { asIs with
                                    Scheme = Some scheme
                                    Steps = Some 9
                                    Tolerance = Some 1e-9
                                }
                                false

                        Expect.stringContains
                            said
                            "refinement: 10.0 applications to a query of 10 at most"
                            "it says so"

                        let refinements = refinements json
                        Expect.all refinements (fun found -> Array.forall ((=) 10) found.Steps) "steps of each query"
                        Expect.all refinements (fun found -> found.Settled = 0) "none has settled"
                        refinements |> List.map (fun found -> Array.max found.Residuals)

                    let plain, anderson, broyden =
                        residuals PicardScheme, residuals AndersonScheme, residuals BroydenScheme

                    // plain iteration shrinks residuals by about a half a step here; each method arrives elsewhere
                    for plain, anderson, broyden in List.zip3 plain anderson broyden do
                        Expect.isLessThan anderson (0.7 * plain) "Anderson's method is ahead"
                        Expect.isLessThan broyden (0.7 * plain) "Broyden's method is ahead"
                        Expect.notEqual anderson broyden "and they differ")

            testCase "detect: the tolerance of the command line"
            <| fun () ->
                withModel [] (fun work images ->
                    let found tolerance =
                        detect
                            work
                            images
                            { asIs with
                                Scheme = Some PicardScheme
                                Steps = Some 60
                                Tolerance = Some tolerance
                            }
                            false
                        |> snd
                        |> refinements

                    for rough, fine in List.zip (found 1e-2) (found 1e-4) do
                        for tolerance, found in [ 1e-2, rough; 1e-4, fine ] do
                            Expect.equal found.Settled 6 $"{tolerance}: all have settled"
                            Expect.all found.Residuals (fun residual -> residual <= tolerance) $"within {tolerance}"
                            Expect.all found.Steps (fun steps -> steps > 1 && steps < 61) $"{tolerance}: not at once"

                        // the one before the last was not within it: a step shrinks a residual by about a half
                        Expect.all rough.Residuals (fun residual -> residual > 1e-3) "no finer than asked for"
                        Expect.isLessThan (Array.max rough.Steps) (Array.min fine.Steps) "a finer one takes more steps")

            testCase "detect: a warm start begins at the image before, and needs a tolerance"
            <| fun () ->
                withModel [] (fun work images ->
                    let solver =
                        { asIs with
                            Steps = Some 60
                            Tolerance = Some 1e-3
                        }

                    let frames = Path.Combine(work, "frames")
                    Directory.CreateDirectory frames |> ignore

                    // two of one picture, two of another
                    for frame, picture in [ 1, 1; 2, 1; 3, 2; 4, 2 ] do
                        File.Copy(Path.Combine(images, $"00000{picture}.png"), Path.Combine(frames, $"{frame}.png"))

                    let cold, warm =
                        detect work frames solver false |> snd, detect work frames solver true

                    Expect.stringContains (fst warm) "warm start: 3 of 4 images" "all but the first"
                    let cold, warm = refinements cold, refinements (snd warm)
                    Expect.equal warm[0] cold[0] "the first one begins as usual"
                    Expect.all cold (fun found -> Array.min found.Steps > 1) "no image is done at once by itself"

                    for frame, before in [ 2, 1; 4, 3 ] do
                        Expect.all
                            warm[frame - 1].Steps
                            ((=) 1)
                            $"frame {frame} is done at frame {before}'s equilibrium"

                    Expect.all warm[2].Steps (fun steps -> steps > 1) "another picture's equilibrium is not its own"
                    Expect.all warm[2].Residuals (fun residual -> residual <= 1e-3) "it arrives all the same"

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
