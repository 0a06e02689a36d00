module DeqDet.Tests.ReportingMetricsTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open Expecto
open DeqDet.Coco.Evaluation
open DeqDet.Detection
open DeqDet.Tests.CheckpointFiles
open DeqDet
open DeqDet.Settings

/// A step with two stages of losses, each part a tenth of the step's number.
let stepReport (step: int) : StepReport =
    let value = float step / 10.0

    let losses =
        [
            for stage in [ "init."; "refine." ] do
                for part in [ "loss_cls"; "loss_bbox"; "loss_iou" ] do
                    KeyValuePair(stage + part, value)

                KeyValuePair(stage + "pos_acc", 50.0)
        ]

    {
        Epoch = 1 + (step - 1) / 10
        Epochs = 2
        Step = int64 step
        Steps = 20L
        LearningRate = 2.5e-5
        Losses = ResizeArray losses
        GradNorm = 1.5
        Images = 8
        Time = TimeSpan.FromSeconds 2.0
        DataTime = TimeSpan.FromSeconds 0.5
        MemoryBytes = 300L * 1024L * 1024L
    }

/// COCO's evaluation of a golden case.
let evaluation (case: string) : EvaluationResult =
    let file name =
        Path.Combine(Golden.folder "cocoeval", case, name)

    Evaluator.Evaluate(
        GroundTruthReader.Load(file "gt.json"),
        DetectionsReader.Load(file "dt.json"),
        EvaluationParameters.Coco
    )

let private write path (resumeAt: int) (steps: int seq) =
    use log = MetricsLog.Open(path, resumeAt, resumeAt)

    for step in steps do
        log.Step(stepReport step)

let private lines path =
    File.ReadAllLines path
    |> Array.map (fun line -> JsonDocument.Parse(line).RootElement)

let private keys (line: JsonElement) =
    [ for property in line.EnumerateObject() -> property.Name ]

let private steps path =
    lines path
    |> Array.map (fun line -> line.GetProperty("step").GetInt64())
    |> List.ofArray

let private inFile test =
    inFolder (fun folder -> test (Path.Combine(folder, "metrics.jsonl")))

[<Tests>]
let tests =
    testList
        "Metrics"
        [
            testCase "a line of training has the field's names"
            <| fun () ->
                inFile (fun path ->
                    write path 0 [ 3 ]
                    let line = (lines path)[0]

                    Expect.equal
                        (keys line)
                        [
                            "epoch"
                            "step"
                            "lr"
                            "loss"
                            "init.loss_cls"
                            "init.loss_bbox"
                            "init.loss_iou"
                            "init.pos_acc"
                            "refine.loss_cls"
                            "refine.loss_bbox"
                            "refine.loss_iou"
                            "refine.pos_acc"
                            "grad_norm"
                            "time"
                            "data_time"
                            "memory"
                        ]
                        "keys"

                    let number (key: string) = line.GetProperty(key).GetDouble()
                    Expect.floatClose Accuracy.high (number "loss") 1.8 "the losses' sum, without pos_acc"
                    Expect.equal (number "lr") 2.5e-5 "lr"
                    Expect.equal (number "time") 2.0 "time"
                    Expect.equal (number "data_time") 0.5 "data_time"
                    Expect.equal (number "memory") 300.0 "memory")

            testCase "a line of validation has COCO's numbers in full"
            <| fun () ->
                inFile (fun path ->
                    let result = evaluation "synth-base"

                    using (MetricsLog.Open(path, 0L, 0L)) (fun log ->
                        log.Validation(2, 40L, result, TimeSpan.FromSeconds 1.5))

                    let line = (lines path)[0]

                    Expect.equal
                        (keys line)
                        ([ "epoch"; "step" ]
                         @ [ for end' in [ ""; "_50"; "_75"; "_s"; "_m"; "_l" ] -> "coco/bbox_mAP" + end' ]
                         @ [ for entry in result.PerClass -> $"coco/{entry.Category.Name}_precision" ]
                         @ [ "time" ])
                        "keys"

                    Expect.equal (line.GetProperty("time").GetDouble()) 1.5 "time"

                    for entry in result.PerClass do
                        Expect.equal
                            (line.GetProperty($"coco/{entry.Category.Name}_precision").GetDouble())
                            (entry.Statistics |> Seq.find (fun s -> s.Name = "AP")).Value
                            entry.Category.Name

                    for key, name in
                        [
                            "coco/bbox_mAP", "AP"
                            "coco/bbox_mAP_50", "AP50"
                            "coco/bbox_mAP_l", "AP_large"
                        ] do
                        Expect.equal (line.GetProperty(key).GetDouble()) result[name] name)

            testCase "a resumed training writes no step twice"
            <| fun () ->
                inFile (fun path ->
                    write path 0 [ 1..7 ]

                    using (MetricsLog.Open(path, 5L, 5L)) (fun log ->
                        log.Validation(1, 5L, evaluation "synth-base", TimeSpan.Zero))

                    let before = File.ReadAllLines path
                    write path 5 [ 6; 7 ]
                    Expect.equal (steps path) [ 1; 2; 3; 4; 5; 5; 6; 7 ] "steps"
                    Expect.equal (Array.truncate 6 (File.ReadAllLines path)) before "earlier lines are untouched")

            testCase "a new training starts with an empty file"
            <| fun () ->
                inFile (fun path ->
                    write path 0 [ 1..3 ]
                    write path 0 [ 1 ]
                    Expect.equal (steps path) [ 1 ] "steps")

            testCase "wherever the end was torn off, the whole lines before it stay"
            <| fun () ->
                inFile (fun path ->
                    write path 0 [ 1; 2 ]
                    let whole = File.ReadAllBytes path
                    let first = 1 + Array.IndexOf(whole, byte '\n')

                    for length in 0 .. whole.Length - 1 do
                        File.WriteAllBytes(path, Array.truncate length whole)
                        write path 9 [ 10 ]
                        let expected = if length < first then [ 10L ] else [ 1L; 10L ]
                        Expect.equal (steps path) expected $"{length} bytes")

            testCase "what is no line of metrics is dropped"
            <| fun () ->
                inFile (fun path ->
                    write path 0 [ 1 ]
                    File.AppendAllText(path, "\n\u0000\u0000\n[1]\n{\"step\":\"2\"}\n{\"step\":1.5}\nnull\n")
                    write path 9 []
                    Expect.equal (steps path) [ 1 ] "steps")

            testCase "numbers that are not finite become null"
            <| fun () ->
                inFile (fun path ->
                    let losses = [| KeyValuePair("loss_cls", Double.NaN) |]
                    let good = stepReport 1

                    let report =
                        {
                            Epoch = 1
                            Epochs = 1
                            Step = 1L
                            Steps = 1L
                            LearningRate = good.LearningRate
                            Losses = losses
                            GradNorm = Double.PositiveInfinity
                            Images = 1
                            Time = good.Time
                            DataTime = good.DataTime
                            MemoryBytes = 1L
                        }

                    using (MetricsLog.Open(path, 0L, 0L)) (fun log -> log.Step report)

                    for key in [ "loss"; "loss_cls"; "grad_norm" ] do
                        let value = (Array.head (lines path)).GetProperty key
                        Expect.equal value.ValueKind JsonValueKind.Null key)

            testCase "lines can be read while the file is written"
            <| fun () ->
                inFile (fun path ->
                    use log = MetricsLog.Open(path, 0L, 0L)
                    log.Step(stepReport 1)

                    use stream =
                        new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)

                    use reader = new StreamReader(stream)
                    Expect.stringEnds (reader.ReadToEnd()) "}\n" "a whole line")

            testCase "a file that cannot be written is bad input"
            <| fun () ->
                inFolder (fun folder ->
                    Expect.throwsT<InputError>
                        (fun () ->
                            MetricsLog.Open(Path.Combine(folder, "missing", "metrics.jsonl"), 0L, 0L)
                            |> ignore)
                        "no such folder")
        ]
