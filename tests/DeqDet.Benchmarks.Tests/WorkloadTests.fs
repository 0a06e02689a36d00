/// The workloads on a small detector: what is reported, and that nothing is left behind. Nothing here depends on how long they take.
module DeqDet.Tests.WorkloadTests

open System.IO
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Benchmarks
open DeqDet.Tests
open DeqDet.Tests.Small

let private expectSound (timing: Timing) =
    let side (side: Side) =
        Expect.isGreaterThan side.Seconds.Median 0.0 "time"
        Expect.isGreaterThanOrEqual side.CpuSeconds 0.0 "CPU"
        Expect.isGreaterThan side.Allocated 0.0 "managed memory"

    side timing.Ours
    Expect.equal timing.Runs 2 "pairs"

    match timing.Other with
    | None -> ()
    | Some other ->
        side other.Side
        Expect.isGreaterThan other.Ratio.Median 0.0 "ratio"
        Expect.equal (List.map _.Part other.Parts) (List.map fst timing.Ours.Parts) "parts"

let private weights (detector: Detector) : float32[][] =
    [|
        for _, tensor in detector.Tensors -> tensor.detach().data<float32>().ToArray()
    |]

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Workloads"
        [
            testCase "a step is compared with the plain one, and both give the same results"
            <| fun () ->
                withSubject settings (fun subject ->
                    let found = timings (StepBenchmark.run subject None)
                    Expect.equal found.Length 1 "one comparison"
                    List.iter expectSound found
                    let other = found.Head.Other.Value
                    Expect.equal other.Side.Name "plain fp32" "the plain computation"
                    Expect.isLessThan other.Difference.Value 1e-3 "results"
                    let cost = Cost.application 4.0 settings.Detector.Head 2 5 5
                    Expect.equal found.Head.Ours.Cost (Some cost) "cost")

            testCase "a step is compared with another's module, with class logits on both sides"
            <| fun () ->
                inFolder (fun folder ->
                    withSubject settings (fun subject ->
                        let file = Path.Combine(folder, "stage.pt")
                        ScriptedHead.write file subject.Detector
                        use script = ScriptedApplication.Load(file, torch.CPU)

                        match timings (StepBenchmark.run subject (Some script)) with
                        | [ plain; other ] ->
                            expectSound other
                            Expect.equal other.Other.Value.Side.Name "stage.pt" "its name"
                            Expect.isLessThan other.Other.Value.Difference.Value 1e-3 "results"

                            Expect.isGreaterThan
                                other.Ours.Cost.Value.Flops
                                plain.Ours.Cost.Value.Flops
                                "logits are counted"
                        | found -> failtest $"{found.Length} comparisons"))

            testCase "a prediction has parts, and early exit where there is a tolerance"
            <| fun () ->
                let tolerant =
                    { settings with
                        Settings.Detector.Solver.Tolerance = Some 0.5
                    }

                for settings, count in [ settings, 1; tolerant, 2 ] do
                    withSubject settings (fun subject ->
                        let found = timings (ImageBenchmark.run subject)
                        Expect.equal found.Length count "comparisons"
                        List.iter expectSound found

                        for timing in found do
                            Expect.equal
                                (List.map fst timing.Ours.Parts)
                                [ "backbone"; "neck"; "decoder"; "read-out" ]
                                "parts"

                        let notes = found |> List.collect _.Notes |> List.length
                        Expect.equal notes (count - 1) "early exit says how many applications it took")

            testCase "training leaves the weights as they were"
            <| fun () ->
                withSubject settings (fun subject ->
                    let before = weights subject.Detector
                    let found = timings (TrainingBenchmark.run subject)
                    Expect.equal found.Length 2 "a supervised step, and a whole one"
                    List.iter expectSound found
                    Expect.equal (weights subject.Detector) before "weights")

            testCase "what is frozen gets no gradient, and all else does"
            <| fun () ->
                let frozen =
                    { settings with
                        Settings.Optimiser.Freeze = [ "backbone"; "neck" ]
                    }

                withSubject frozen (fun subject ->
                    timings (TrainingBenchmark.run subject) |> ignore

                    for spec, tensor in subject.Detector.Tensors do
                        if spec.Trainable then
                            let isFrozen = spec.Name.StartsWith "backbone" || spec.Name.StartsWith "neck"
                            Expect.equal tensor.requires_grad (not isFrozen) spec.Name)

            testCase "models of unshared stages are timed too"
            <| fun () ->
                let stages =
                    { settings with
                        Settings.Detector.Kind = FfnDet
                        Settings.Detector.Solver.Tolerance = Some 0.5
                    }

                withSubject stages (fun subject ->
                    for run in [ StepBenchmark.run subject None; ImageBenchmark.run subject ] do
                        let found = timings run
                        Expect.equal found.Length 1 "they have no equilibrium to stop at"
                        List.iter expectSound found

                    List.iter expectSound (timings (TrainingBenchmark.run subject)))

            testCase "no tensor is left behind"
            <| fun () ->
                withSubject settings (fun subject ->
                    let run () =
                        for run in
                            [
                                StepBenchmark.run subject None
                                ImageBenchmark.run subject
                                TrainingBenchmark.run subject
                            ] do
                            timings run |> ignore

                    run ()
                    let before = torch.Tensor.TotalCount
                    run ()
                    Expect.equal torch.Tensor.TotalCount before "tensors")

            testCase "memory is known beforehand, to within a factor of two"
            <| fun () ->
                let published =
                    { DetectorSettings.published with
                        Classes = 80
                        Queries =
                            {
                                Count = 300
                                Detections = 100
                                Inject = false
                            }
                    }

                let coco, square = { Height = 800; Width = 1344 }, { Height = 512; Width = 512 }

                // as the process's peak was, measured
                for bytes, measured in
                    [
                        Memory.ofStep published 1 coco, 1.6e9
                        Memory.ofImage published 1 coco, 2.2e9
                        Memory.ofTraining published 1 square, 5.3e9
                    ] do
                    Expect.isTrue (bytes > measured / 2.0 && bytes < 2.0 * measured) $"{bytes} for {measured}"

                let many =
                    { published with
                        Queries =
                            {
                                Count = 10_000
                                Detections = 100
                                Inject = false
                            }
                    }

                Expect.isGreaterThan (Memory.ofStep many 1 coco) 4e10 "all pairs of 10,000 queries, eight times over"

                Expect.isGreaterThan
                    (Memory.ofImage published 64 { Height = 8192; Width = 8192 })
                    1e12
                    "64 images of 67 million pixels"

            testCase "random weights leave no part neutral, and a seed repeats them"
            <| fun () ->
                let one, same, other =
                    Subject.initialise settings.Detector 1L torch.CPU,
                    Subject.initialise settings.Detector 1L torch.CPU,
                    Subject.initialise settings.Detector 2L torch.CPU

                try
                    Expect.equal (weights one) (weights same) "the same seed"
                    Expect.notEqual (weights one) (weights other) "another seed"

                    for spec, tensor in one.Tensors do
                        if spec.Shape.Length = 2 then
                            Expect.isGreaterThan (tensor.abs().max().item<float32>()) 0f spec.Name
                finally
                    List.iter Detector.dispose [ one; same; other ]

            testCase "queries lie in the image and have boxes of its sizes"
            <| fun () ->
                withSubject settings (fun subject ->
                    use _ = torch.NewDisposeScope()
                    let position = (Subject.queries subject).Position.data<float32>().ToArray()

                    for query in Array.chunkBySize 4 position do
                        Expect.isTrue (query[0] >= 0f && query[0] <= 64f) "across"
                        Expect.isTrue (query[1] >= 0f && query[1] <= 32f) "down"
                        Expect.isTrue (query[2] >= 4f && query[2] <= 5f) "16 to 32 px")
        ]
