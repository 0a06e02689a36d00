/// Which states of a run are on the disk, at every moment.
module DeqDet.Tests.SavedStatesTests

open System
open System.IO
open System.Text.Json.Nodes
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Detection
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.SettingsFiles

/// Writes a state after a step: one that a run can go on from, as far as its file shows.
let private state (step: int64) (path: string) =
    use _ = torch.NewDisposeScope()

    CheckpointFile.Write(
        path,
        [|
            struct ("a", torch.ones (3L))
            struct ("optimiser.step.a", torch.ones (1L))
        |],
        CheckpointInfo("{}", [||], CheckpointProgress(0, step), 0UL, "test", JsonObject())
    )

let private stepOf (path: string) =
    use file = CheckpointFile.Open path
    file.Info.Progress.Step

/// Steps of the states in a folder, the latest first; each file is of the step that its name says.
let private states (folder: WorkFolder) =
    [
        stepOf folder.Latest

        for step, file in folder.Earlier do
            Expect.equal (stepOf file) step file
            step
    ]

let private damage (path: string) =
    use file = File.OpenWrite path
    file.SetLength(file.Length - 1L)

/// Saves states after some steps one after another.
let private saveAll (folder: WorkFolder) (keep: int) (steps: int64 list) =
    steps
    |> List.fold
        (fun (saved: int64 option) step ->
            SavedStates.write folder keep saved step (state step)
            Some step)
        None
    |> ignore

let private inWork (test: WorkFolder -> unit) =
    inFolder (fun folder -> test (WorkFolder.at folder))

/// Steps at which a run saves; some of them twice, as at the end of an epoch.
let private stepLists =
    gen {
        let! pieces = Gen.nonEmptyListOf (Gen.choose (0, 3))
        return pieces |> List.scan (+) 1 |> List.map int64
    }

[<Tests>]
let tests =
    testList
        "Saved states"
        [
            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 30
                }
                "the latest and the ones before it stay, as many as are wanted, each under its step"
            <| Prop.forAll (Arb.fromGen (Gen.zip (Gen.choose (1, 4)) stepLists)) (fun (keep, steps) ->
                inWork (fun folder ->
                    saveAll folder keep steps
                    let wanted = steps |> List.distinct |> List.rev |> List.truncate keep
                    Expect.equal (states folder) wanted "states"
                    Expect.hasLength (Directory.GetFileSystemEntries folder.Path) wanted.Length "nothing else"))

            testCase "while a state is written, the one before has both its names, and keeps them where writing fails"
            <| fun () ->
                inWork (fun folder ->
                    saveAll folder 2 [ 10L; 20L ]

                    let full path =
                        Expect.equal (states folder) [ 20L; 20L; 10L ] "while it is written"
                        raise (InputError $"{path}: no space")

                    Expect.throwsT<InputError> (fun () -> SavedStates.write folder 2 (Some 20L) 30L full) "fails"
                    Expect.equal (states folder) [ 20L; 20L; 10L ] "after it failed"
                    SavedStates.write folder 2 (Some 20L) 30L (state 30L)
                    Expect.equal (states folder) [ 30L; 20L ] "once more")

            testCase "a state of an abandoned run does not stay under the name of a new one"
            <| fun () ->
                inWork (fun folder ->
                    saveAll folder 3 [ 10L; 20L ]
                    // of a run that was taken back
                    state 99L (folder.StateOf 30L)
                    SavedStates.write folder 3 (Some 20L) 30L (state 30L)
                    SavedStates.write folder 3 (Some 30L) 40L (state 40L)
                    Expect.equal (states folder) [ 40L; 30L; 20L ] "states")

            testCase "files of other names stay"
            <| fun () ->
                inWork (fun folder ->
                    let others =
                        [ "step-5.safetensors"; "step-0000000x.safetensors"; "step-00000005.pth" ]

                    for other in others do
                        File.WriteAllText(Path.Combine(folder.Path, other), "mine")

                    saveAll folder 1 [ 10L; 20L ]

                    for other in others do
                        Expect.isTrue (File.Exists(Path.Combine(folder.Path, other))) other)

            testCase "a damaged or missing latest is said, with the newest state that is whole"
            <| fun () ->
                inWork (fun folder ->
                    saveAll folder 3 [ 10L; 20L; 30L ]
                    Expect.equal (SavedStates.toResume (Some folder.Path) "") folder.Latest "while all is well"
                    damage (folder.StateOf 20L)
                    damage folder.Latest
                    let message = complaint (fun () -> SavedStates.toResume (Some folder.Path) "")

                    expectParts
                        message
                        [
                            "latest.safetensors is damaged"
                            "after step 10 is whole"
                            "--resume"
                            folder.StateOf 10L
                        ]

                    File.Delete folder.Latest
                    let message = complaint (fun () -> SavedStates.toResume (Some folder.Path) "")
                    expectParts message [ "latest.safetensors is missing"; folder.StateOf 10L ]
                    damage (folder.StateOf 10L)
                    let message = complaint (fun () -> SavedStates.toResume (Some folder.Path) "")
                    expectParts message [ "nothing to resume there"; "start without --resume" ])

            testCase "a damaged latest without another state says so"
            <| fun () ->
                inWork (fun folder ->
                    saveAll folder 1 [ 10L ]
                    damage folder.Latest
                    let message = complaint (fun () -> SavedStates.toResume (Some folder.Path) "")
                    expectParts message [ "latest.safetensors is damaged"; "no other state"; "train.keep" ])

            testCase "an earlier state goes on in its folder only where no later one is whole"
            <| fun () ->
                inWork (fun folder ->
                    saveAll folder 3 [ 10L; 20L; 30L ]
                    let at step = folder.StateOf step
                    let name = Option.map (fun (path: string) -> Path.GetFileName path)
                    Expect.equal (SavedStates.after folder folder.Latest) None "the latest itself"

                    Expect.equal
                        (name (SavedStates.after folder (at 20L)))
                        (Some "latest.safetensors")
                        "a whole latest"

                    damage folder.Latest
                    Expect.equal (SavedStates.after folder (at 20L)) None "the newest whole one"
                    Expect.equal (SavedStates.after folder (at 10L)) (Some(at 20L)) "an older one"
                    damage (at 20L)
                    Expect.equal (SavedStates.after folder (at 10L)) None "when the newer one is damaged, too")

            testCase "best weights beside a state: later ones have to be beaten, lost ones are written anew"
            <| fun () ->
                inWork (fun folder ->
                    let best (step: int64) (ap: float) =
                        let training = JsonObject()
                        training["best_ap"] <- ap
                        use _ = torch.NewDisposeScope()

                        CheckpointFile.Write(
                            folder.Best,
                            [| struct ("a", torch.ones (3L)) |],
                            CheckpointInfo("{}", [||], CheckpointProgress(0, step), 0UL, "test", training)
                        )

                    let progress =
                        { Progress.start with
                            Step = 20L
                            Validated = 20L
                            BestAp = 0.25
                            BestStep = 20L
                            BestSaved = 20L
                            PeakAp = 0.25
                        }

                    let found () =
                        SavedStates.withBest folder.Latest progress

                    Expect.isTrue (Double.IsNaN (found ()).BestAp) "no best weights"
                    best 10L 0.25
                    Expect.equal (found ()) progress "weights of an earlier step"
                    best 30L 0.75

                    Expect.equal
                        (found ())
                        { progress with
                            BestAp = 0.75
                            BestStep = 30L
                            BestSaved = 30L
                        }
                        "weights of a later step"

                    damage folder.Best
                    Expect.isTrue (Double.IsNaN (found ()).BestAp) "damaged best weights")
        ]
