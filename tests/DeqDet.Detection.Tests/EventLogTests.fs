/// Event files as TensorBoard reads them, and metrics read back.
module DeqDet.Tests.EventLogTests

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open System.Numerics
open Expecto
open Tensorboard
open DeqDet.Detection
open DeqDet.Tests.CheckpointFiles

/// The checksum of a record: CRC-32C, turned and moved, as TFRecord files have it.
let private masked (bytes: ReadOnlySpan<byte>) =
    let mutable crc = UInt32.MaxValue

    for byte in bytes do
        crc <- BitOperations.Crc32C(crc, byte)

    BitOperations.RotateRight(~~~crc, 15) + 0xa282ead8u

/// Every event of a file; fails the test where a record or a checksum is wrong.
let private events (path: string) : Event list =
    let bytes = File.ReadAllBytes path

    let rec next at =
        if at = bytes.Length then
            []
        else
            let length =
                int (BinaryPrimitives.ReadInt64LittleEndian(ReadOnlySpan(bytes, at, 8)))

            let crc at =
                BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(bytes, at, 4))

            Expect.equal (crc (at + 8)) (masked (ReadOnlySpan(bytes, at, 8))) "the length's checksum"
            Expect.equal (crc (at + 12 + length)) (masked (ReadOnlySpan(bytes, at + 12, length))) "the event's checksum"
            Event.Parser.ParseFrom(bytes, at + 12, length) :: next (at + 16 + length)

    next 0

/// Tag, step and number of everything in a folder's files.
let private numbers (folder: string) =
    [
        for file in EventFile.ofFolder folder do
            for event in events file do
                if not (isNull event.Summary) then
                    for value in event.Summary.Value -> value.Tag, event.Step, value.SimpleValue
    ]

let private report (step: int64) : StepReport =
    {
        Epoch = 1
        Epochs = 2
        Step = step
        Steps = 20L
        LearningRate = 0.5
        Losses =
            [|
                KeyValuePair("init_loss_cls", float step)
                KeyValuePair("init_pos_acc", nan)
            |]
        GradNorm = 2.0
        Images = 8
        Time = TimeSpan.FromSeconds 0.25
        DataTime = TimeSpan.Zero
        MemoryBytes = 3L <<< 20
    }

let private nothing: TrainingHistory = { Steps = [||]; Validations = [||] }

let private quiet = Action<string>(fun notice -> failtest notice)

let private write folder step history (steps: int64 seq) =
    let log = EventLog.Open(folder, step, step, history, quiet)

    for step in steps do
        log.Step(report step)

let private steps folder =
    [
        for tag, step, value in numbers folder do
            if tag = "train/loss" then
                Expect.equal value (float32 step) "the number of its step"
                step
    ]

[<Tests>]
let tests =
    testList
        "Events"
        [
            testCase "numbers come back with their steps, and what is not finite is left out"
            <| fun () ->
                inFolder (fun folder ->
                    write folder 0L nothing [ 3L ]

                    Expect.equal
                        (numbers folder)
                        [
                            "train/loss", 3L, 3.0f
                            "train/learning rate", 3L, 0.5f
                            "train/gradient norm", 3L, 2.0f
                            "time/step, s", 3L, 0.25f
                            "time/waiting for data, s", 3L, 0.0f
                            "memory/MiB", 3L, 3.0f
                            "loss/init_loss_cls", 3L, 3.0f
                        ]
                        "numbers"

                    let first = (events (EventFile.ofFolder folder).Head).Head
                    Expect.equal first.FileVersion "brain.Event:2" "what TensorBoard looks for")

            testCase "a run that goes on leaves no step twice"
            <| fun () ->
                inFolder (fun folder ->
                    write folder 0L nothing [ 1L .. 7L ]
                    write folder 5L nothing [ 6L; 7L; 8L ]
                    Expect.equal (steps folder) [ 1L .. 8L ] "steps"
                    write folder 0L nothing [ 1L ]
                    Expect.equal (steps folder) [ 1L ] "from the start")

            testCase "wherever the end was torn off, the whole events before it stay"
            <| fun () ->
                inFolder (fun folder ->
                    write folder 0L nothing [ 1L; 2L ]
                    let file = (EventFile.ofFolder folder).Head
                    let whole = File.ReadAllBytes file
                    let all = (events file).Length

                    for length in 0..5 .. whole.Length - 1 do
                        File.WriteAllBytes(file, Array.truncate length whole)
                        EventFile.cut (fun _ -> true) file
                        Expect.isLessThan (events file).Length all $"{length} bytes")

            testCase "whatever bytes a file has, it is cut without an error"
            <| fun () ->
                inFolder (fun folder ->
                    write folder 0L nothing [ 1L ]
                    let file = (EventFile.ofFolder folder).Head
                    let whole = File.ReadAllBytes file
                    let random = Random 5

                    for _ in 1..300 do
                        File.WriteAllBytes(file, damage random whole)
                        EventFile.cut (fun event -> event.Step < 2L) file

                        Expect.isLessThanOrEqual
                            (FileInfo(file).Length)
                            (int64 whole.Length + 40L)
                            "no longer than before")

            testCase "a run without events gets those of its metrics first"
            <| fun () ->
                inFolder (fun folder ->
                    let metrics = Path.Combine(folder, "metrics.jsonl")

                    using (MetricsLog.Open(metrics, 0L, 0L)) (fun log ->
                        log.Step(report 1L)
                        log.Step(report 2L)
                        log.Skipped(report 3L, [ "a.png"; "b.png" ]))

                    let history = TrainingHistory.read metrics
                    Expect.equal [ for step in history.Steps -> step.Step ] [ 1L; 2L; 3L ] "read back"
                    Expect.equal history.Steps[2].Skipped [| "a.png"; "b.png" |] "the images of a bad step"
                    Expect.equal history.Steps[1].Parts[0] (KeyValuePair("init_loss_cls", 2.0)) "a part"

                    let good =
                        { history with
                            Steps = history.Steps[..1]
                        }

                    write (Path.Combine(folder, "events")) 2L good [ 4L ]
                    Expect.equal (steps (Path.Combine(folder, "events"))) [ 1L; 2L; 4L ] "steps")

            testCase "metrics of whatever bytes are read as far as they can be"
            <| fun () ->
                inFolder (fun folder ->
                    let metrics = Path.Combine(folder, "metrics.jsonl")
                    using (MetricsLog.Open(metrics, 0L, 0L)) (fun log -> log.Step(report 1L))
                    let whole = File.ReadAllBytes metrics
                    let random = Random 6

                    for _ in 1..300 do
                        File.WriteAllBytes(metrics, damage random whole)
                        Expect.isLessThanOrEqual ((TrainingHistory.read metrics).Steps.Length) 1 "one line"

                    File.WriteAllText(
                        metrics,
                        "{\"epoch\":1,\"step\":2,\"coco/bbox_mAP\":0.5,\"coco/a_precision\":0.25,\"coco/_precision\":-1}\n"
                    )

                    let validation = (TrainingHistory.read metrics).Validations[0]
                    Expect.equal (validation.Score "AP") 0.5 "AP"
                    Expect.isTrue (Double.IsNaN(validation.Score "AP50")) "what is missing"
                    Expect.equal validation.Classes [| KeyValuePair("a", 0.25); KeyValuePair("", -1.0) |] "classes")

            testCase "classes of one name are told apart"
            <| fun () ->
                Expect.equal
                    (MetricNames.ofClasses [ "cat"; "dog"; "cat" ])
                    [ "coco/cat_precision"; "coco/dog_precision"; "coco/cat (3)_precision" ]
                    "names"

                Expect.equal (MetricNames.classOf "coco/_precisio") None "another name"
                Expect.equal (MetricNames.classOf "coco/a b_precision") (Some "a b") "a class"

            testCase "events that cannot be written are said once, and cost nothing else"
            <| fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "events")
                    File.WriteAllText(file, "")
                    let said = List<string>()
                    let log = EventLog.Open(file, 0L, 0L, nothing, Action<string>(said.Add))
                    log.Step(report 1L)
                    log.Step(report 2L)
                    Expect.equal said.Count 1 "notices"
                    Expect.stringContains said[0] "the training goes on" "what it means")
        ]
