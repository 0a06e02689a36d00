/// The page of a training: curves with fewer points, bounded size, nothing from outside.
module DeqDet.Tests.TrainingPageTests

open System
open System.Collections.Generic
open System.IO
open System.Text
open System.Text.RegularExpressions
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Detection
open DeqDet.Reports.Charts
open DeqDet.Reports.Training
open DeqDet.Tests.CheckpointFiles

let private stages = [ "init_"; "init^1_"; "iter1_"; "iter4_" ]

let step (number: int) : RecordedStep =
    {
        Epoch = 1 + number / 1000
        Step = int64 number
        LearningRate = 1e-3
        Loss = 20.0 / (1.0 + float number / 500.0) + float (number % 7)
        Parts =
            [|
                for stage in stages do
                    for part in [ "loss_cls"; "loss_bbox"; "loss_iou"; "pos_acc" ] ->
                        KeyValuePair(stage + part, float (number % 5))
            |]
        GradNorm = 1.0 + float (number % 11)
        Time = 0.1
        DataTime = 0.01
        Memory = 500.0
        Skipped = null
    }

let private bad number =
    { step number with
        Loss = nan
        GradNorm = infinity
        Skipped = [| "a<b>.png" |]
    }

let validation classes (epoch: int) : RecordedValidation =
    {
        Epoch = epoch
        Step = int64 epoch * 1000L
        Time = 5.0
        Scores =
            readOnlyDict
                [
                    "AP", 0.4
                    "AP50", 0.7
                    "AP75", 0.3
                    "AP_small", -1.0
                    "AP_medium", 0.2
                    "AP_large", 0.5
                ]
        Classes =
            [|
                for i in 1..classes -> KeyValuePair($"class <{i}>", float i / float (classes + 1))
            |]
    }

let record name steps validations settings : TrainingRecord =
    let start step : RunStart =
        {
            Time = DateTimeOffset.UnixEpoch
            Step = step
            Device = "cpu"
            Version = "1 & 2"
        }

    TrainingRecord(
        name,
        "/somewhere/" + name,
        {
            Steps = Array.ofList steps
            Validations = Array.ofList validations
        },
        [| start 0L; start 700L |],
        readOnlyDict settings,
        [| SamplePicture("a \"picture\"", [| 1uy; 2uy |]) |]
    )

let settings lr =
    [
        "optimiser.lr", lr
        "optimiser.clip_norm", "1"
        "train.epochs", "3"
        "data.root", "\"data/<x>\""
    ]

let private anyCurve =
    Gen.frequency
        [
            9, Gen.choose (-50, 50) |> Gen.map float
            1, Gen.elements [ nan; infinity; -infinity ]
        ]
    |> Gen.listOf
    |> Gen.map (List.mapi (fun i y -> ChartPoint(float i, y)))

/// Nothing is fetched: no address, no file, no script.
let private standsAlone (page: string) =
    for other in [ "http:"; "https:"; "@import"; "url("; "<script"; "<link" ] do
        Expect.isFalse (page.Contains other) other

    for source in Regex.Matches(page, "(?:src|href)=\"([^\"]*)\"") do
        let target = source.Groups[1].Value
        Expect.isTrue (target.StartsWith "data:image/jpeg" || target.StartsWith '#') target

[<Tests>]
let tests =
    testList
        "Training page"
        [
            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 100
                }
                "a thinned curve keeps both ends, the lowest and the highest point, and the order"
            <| Prop.forAll (Arb.fromGen (Gen.zip anyCurve (Gen.choose (4, 30)))) (fun (curve, most) ->
                let thin = List.ofSeq (Thinned.Of(ResizeArray curve, most))
                Expect.isLessThanOrEqual thin.Length (max most (min curve.Length most)) "as many as are allowed"
                let xs = [ for point in thin -> point.X ]
                Expect.equal xs (List.distinct (List.sort xs)) "in order, none twice"

                if not curve.IsEmpty then
                    Expect.equal (thin.Head.X, (List.last thin).X) (0.0, float (curve.Length - 1)) "ends"

                    let finite points =
                        [
                            for p: ChartPoint in points do
                                if Double.IsFinite p.Y then
                                    p.Y
                        ]

                    match finite curve with
                    | [] -> ()
                    | numbers ->
                        Expect.equal (List.min (finite thin)) (List.min numbers) "lowest"
                        Expect.equal (List.max (finite thin)) (List.max numbers) "highest")

            testCase "entries that are chosen evenly keep both ends"
            <| fun () ->
                Expect.equal (List.ofSeq (Thinned.Evenly([| 1..9 |], 3))) [ 1; 5; 9 ] "of nine"
                Expect.equal (List.ofSeq (Thinned.Evenly([| 1; 2 |], 3))) [ 1; 2 ] "all of few"

            testCase "parts of losses are told apart by stage and kind"
            <| fun () ->
                for name, expected in
                    [
                        "iter12_loss_bbox", Some("iter12", "loss_bbox")
                        "init^1_pos_acc", Some("init^1", "pos_acc")
                        "stage0.loss_cls", Some("stage0", "loss_cls")
                        "loss_cls", None
                        "other", None
                    ] do
                    let found = TrainingNumbers.PartOf name

                    Expect.equal
                        (if found.HasValue then
                             let struct (stage, kind) = found.Value
                             Some(stage, kind)
                         else
                             None)
                        expected
                        name

            testCase "an epoch's numbers leave bad steps out, and count them"
            <| fun () ->
                let history =
                    (record "x" [ step 1; bad 2; step 3; step 1000 ] [ validation 1 1 ] []).History

                let first = Seq.head (TrainingNumbers.ByEpoch history)
                Expect.floatClose Accuracy.high first.Loss ((step 1).Loss / 2.0 + (step 3).Loss / 2.0) "mean"
                Expect.equal (first.Bad, first.Validation.Epoch) (1, 1) "bad steps and validation"
                Expect.floatClose Accuracy.high first.Waiting 0.1 "share"
                Expect.floatClose Accuracy.high (TrainingNumbers.Seconds history) (0.1 * 1000.0 + 5.0) "time"

            testCase "the page shows a training, and needs nothing else"
            <| fun () ->
                let page =
                    TrainingPage.Write
                        [|
                            record
                                "run"
                                [ for i in 1..2000 -> if i = 77 then bad i else step i ]
                                [ validation 3 1; validation 3 2 ]
                                (settings "0.001")
                        |]

                standsAlone page

                for part in
                    [
                        "best AP, after epoch 1"
                        "1 step was bad"
                        "a&lt;b&gt;.png"
                        "class &lt;3&gt;"
                        "data/&lt;x&gt;"
                        "went on"
                        "prefers-color-scheme:dark"
                        "a &quot;picture&quot;"
                        "1 &amp; 2"
                        "3 of 3</b><span>epoch"
                    ] do
                    Expect.stringContains page part part

                Expect.isFalse (page.Contains "<b>.png") "markup in names"
                Expect.isFalse (page.Contains "NaN") "numbers that are none"

            testCase "two trainings stand side by side with what differs"
            <| fun () ->
                let run name lr =
                    record name [ for i in 1..50 -> step i ] [ validation 2 1 ] (settings lr)

                let page = TrainingPage.Write [| run "one" "0.001"; run "two" "0.002" |]
                standsAlone page
                let differ = page.Substring(page.IndexOf "id=\"differences\"")
                Expect.stringContains differ "optimiser.lr</td><td class=\"t\">0.001</td><td class=\"t\">0.002" "rate"
                Expect.isFalse ((differ.Substring(0, differ.IndexOf "</section>")).Contains "train.epochs") "equal"

                let same = TrainingPage.Write [| run "one" "0.001"; run "one" "0.001" |]
                Expect.stringContains same "<p>None.</p>" "no difference"

            testCase "a very long training of very many classes stays below 2 MB"
            <| fun () ->
                let long =
                    record
                        "long"
                        [ for i in 1..60_000 -> step i ]
                        [ for epoch in 1..2000 -> validation 40 epoch ]
                        (settings "1")

                let many = record "many" [ step 1 ] [ validation 1500 1 ] (settings "1")
                let size (page: string) = Encoding.UTF8.GetByteCount page
                // pictures have 0.8 MB of room, which base64 makes 1.1
                Expect.isLessThan (size (TrainingPage.Write [| long |])) 900_000 "long"
                Expect.isLessThan (size (TrainingPage.Write [| many |])) 900_000 "many classes"

            testCase "a work folder is read as far as it can be"
            <| fun () ->
                inFolder (fun folder ->
                    let missing () = TrainingRecord.Load folder |> ignore
                    Expect.throwsT<InputError> missing "no metrics"
                    let metrics = Path.Combine(folder, "metrics.jsonl")
                    File.WriteAllText(metrics, "\u0000{}\n")
                    Expect.throwsT<InputError> missing "no line of metrics"
                    File.WriteAllText(metrics, "{\"epoch\":1,\"step\":1,\"loss\":null}\nno line")
                    File.WriteAllText(Path.Combine(folder, "settings.json"), "{ \"optimiser\": { \"lr\": 0.5")
                    File.WriteAllText(Path.Combine(folder, "starts.jsonl"), "{\"time\":5}\n[]\n")
                    Directory.CreateDirectory(Path.Combine(folder, "pictures")) |> ignore
                    File.WriteAllText(Path.Combine(folder, "pictures", "x.png"), "no picture")
                    let record = TrainingRecord.Load folder

                    Expect.equal
                        (record.Settings.Count, record.Pictures.Count, record.Starts.Count)
                        (0, 0, 0)
                        "damaged"

                    Expect.isTrue (Double.IsNaN record.History.Steps[0].Loss) "a number that was not finite"
                    let page = Path.Combine(folder, "page.html")
                    TrainingPage.Save([| folder |], page)
                    standsAlone (File.ReadAllText page))
        ]
