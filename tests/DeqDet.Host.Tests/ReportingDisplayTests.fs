module DeqDet.Tests.ReportingDisplayTests

open System
open System.IO
open System.Text
open System.Text.RegularExpressions
open Expecto
open Spectre.Console
open DeqDet.Data.Shapes
open DeqDet.Host.Terminal
open DeqDet.Reports
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.ReportingMetricsTests
open DeqDet.Detection

/// A clock that stands still until it is told to move.
type Clock() =
    inherit TimeProvider()
    let mutable ticks = 0L
    member _.Advance(seconds: float) = ticks <- ticks + int64 (seconds * 1e7)
    override _.GetTimestamp() = ticks
    override _.TimestampFrequency = 10_000_000L

/// A console that writes into a text, as a terminal of a width or as a file.
let console (terminal: bool) (width: int) (writer: TextWriter) : IAnsiConsole =
    let output =
        { new IAnsiConsoleOutput with
            member _.Writer = writer
            member _.IsTerminal = terminal
            member _.Width = width
            member _.Height = 40
            member _.SetEncoding _ = ()
        }

    let support = if terminal then AnsiSupport.Yes else AnsiSupport.No

    let settings =
        AnsiConsoleSettings(Ansi = support, Interactive = InteractionSupport.Yes, Out = output)

    settings.Enrichment.UseDefaultEnrichers <- false
    AnsiConsole.Create settings

/// What a terminal shows in the end, and whether the cursor is at the start of a line; fails on codes a bar has no need of.
let private shown (text: string) : string list * bool =
    let rows = ResizeArray [ StringBuilder() ]
    let mutable row = 0
    let mutable column = 0

    for piece in Regex.Matches(text, @"\x1b\[([0-9;]*)([A-Za-z])|[^\x1b]") do
        match piece.Groups[2].Value, piece.Value with
        | "A", _ ->
            row <- row - int piece.Groups[1].Value
            Expect.isGreaterThanOrEqual row 0 "above the screen"
        | "K", _ -> rows[row].Length <- min rows[row].Length column
        | "J", _ ->
            rows[row].Length <- min rows[row].Length column
            rows.RemoveRange(row + 1, rows.Count - row - 1)
        | "m", _ -> ()
        | "", "\r" -> column <- 0
        | "", "\n" ->
            row <- row + 1
            column <- 0

            if row = rows.Count then
                rows.Add(StringBuilder())
        | "", character ->
            rows[row].Length <- max rows[row].Length (column + 1)
            rows[row][column] <- character[0]
            column <- column + 1
        | code, _ -> failtest $"unexpected control code {code}"

    Expect.equal (Regex.Matches(text, "\x1b").Count) (Regex.Matches(text, @"\x1b\[[0-9;]*[AKJm]").Count) "control codes"
    [ for line in rows -> line.ToString() ], column = 0

let private summary first =
    TrainingSummary(
        Settings = "shapes",
        TrainingImages = 2000,
        ValidationImages = 200,
        Classes = 8,
        Parameters = 12_345_678L,
        TrainableParameters = 12_000_000L,
        Device = "cpu",
        Threads = 2,
        Precision = "fp32 (train.precision)",
        WorkFolder = Path.GetFullPath "work/shapes",
        FirstStep = first,
        Notices = [| "2 boxes were clipped" |]
    )

/// Shows a training of 20 steps with a validation after each ten, and returns what was written.
let private train terminal (finish: TrainingDisplay -> unit) =
    let writer = new StringWriter()
    let clock = Clock()
    let display = TrainingDisplay(console terminal 100 writer, clock, PlainEvery = 5)
    display.Start(summary 0L)

    for step in 1..20 do
        clock.Advance 2.0
        display.Step(stepReport step)

        if step % 10 = 0 then
            for image in 1..4 do
                clock.Advance 5.0
                display.Validating(50 * image, 200)

            display.Validated(step / 10, evaluation "synth-base")

    finish display
    writer.ToString()

let private stop (display: TrainingDisplay) =
    display.Interrupted(20L, Path.GetFullPath "work/shapes", "train --resume work/shapes")

[<Tests>]
let tests =
    testList
        "Display"
        [
            testCase "without a terminal: a line every so many steps, and no control codes"
            <| fun () ->
                let text = train false stop
                Expect.isFalse (text.Contains '\x1b') "no control codes"
                let lines = text.Split Environment.NewLine |> List.ofArray

                let steps =
                    lines
                    |> List.filter (fun line -> line.StartsWith "epoch" && line.Contains "step")

                Expect.equal (List.length steps) 5 "the first, then every fifth"

                Expect.equal
                    steps[1]
                    "epoch 1/2  step 5/20  loss 1.800 (cls 0.6000, bbox 0.6000, iou 0.6000)  lr 2.50e-05  grad 1.500  4.0 images/s  waiting for data 25 %  memory 300 MB  0:30 left"
                    "means over the steps so far"

                Expect.contains
                    lines
                    "epoch 1  AP 0.244  AP50 0.413  AP75 0.242  small 0.097  medium 0.361  large 0.352  (200 images in 0:20)"
                    "validation"

                Expect.stringContains text "12,345,678 parameters" "the model's size"
                Expect.stringContains text "2 boxes were clipped" "notices"
                Expect.stringContains text "train --resume work/shapes" "how to go on"

            testCase "without a terminal: a minute without a line is enough"
            <| fun () ->
                let writer = new StringWriter()
                let clock = Clock()
                let display = TrainingDisplay(console false 80 writer, clock, PlainEvery = 1000)

                for step in 1..10 do
                    display.Step(stepReport step)
                    clock.Advance 20.0

                let lines =
                    writer.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries)

                Expect.equal lines.Length 4 "steps 1, 4, 7, 10"

            testCase "in a terminal only summaries and validations stay"
            <| fun () ->
                let lines, atStart = shown (train true stop)
                Expect.isTrue atStart "the cursor"
                let epochs = lines |> List.filter (fun line -> line.StartsWith "epoch")
                Expect.equal (List.length epochs) 2 "validations"
                Expect.isTrue (epochs |> List.forall (fun line -> line.Contains "AP 0.244")) "no bar is left"
                Expect.isFalse (lines |> List.exists (fun line -> line.Contains '━')) "no bar is left"

            testCase "in a terminal the bar is there while it runs, and nothing is to be restored if it breaks off"
            <| fun () ->
                let writer = new StringWriter()
                let clock = Clock()
                let display = TrainingDisplay(console true 70 writer, clock)
                display.Start(summary 5L)

                for step in 6..8 do
                    clock.Advance 1.0
                    display.Step(stepReport step)

                let lines, atStart = shown (writer.ToString())
                Expect.isTrue atStart "the cursor is below the bar"
                let bars = lines |> List.filter (fun line -> line.Contains "step 8/20")
                Expect.equal (List.length bars) 1 "one bar"
                Expect.stringContains bars[0] "40 %" "share"
                Expect.stringContains bars[0] "0:24 left" "12 steps of 2 s"

                let rewritten =
                    lines |> List.skipWhile (fun line -> not (line.Contains "step 8/20"))

                Expect.equal rewritten.Length 4 "bar, losses, speed, and the line of the cursor"
                Expect.isTrue (rewritten |> List.forall (fun line -> line.Length < 70)) "no line wraps"
                Expect.isFalse (lines |> List.exists (fun line -> line.Contains "step 7")) "the old bar is gone"

            testCase "a terminal that is closed meanwhile ends nothing"
            <| fun () ->
                for terminal in [ true; false ] do
                    let writer = new StringWriter()
                    let display = TrainingDisplay(console terminal 80 writer, Clock())
                    display.Start(summary 0L)
                    writer.Dispose()
                    display.Step(stepReport 20)
                    display.Validating(10, 20)
                    stop display

            testCase "the time left counts validations once they are known"
            <| fun () ->
                let text = train false ignore

                let last =
                    text.Split Environment.NewLine
                    |> Array.findBack (fun line -> line.Contains "step 15/20")
                // Five steps of 2 s, and of the 20 s of the validation a fifteenth for each.
                Expect.stringContains last "0:17 left" "time left"

            testCase "the end names what is there, and the next command"
            <| fun () ->
                inFolder (fun folder ->
                    let work = WorkFolder.at folder
                    File.WriteAllText(work.Best, "")
                    File.WriteAllText(work.Metrics, "")

                    let text =
                        train false (fun display ->
                            display.Finish(evaluation "synth-base", work, "detect work/shapes a.png"))

                    Expect.stringContains text "Finished after 1:20: AP 0.244" "result and time"
                    Expect.stringContains text work.Best "weights"
                    Expect.isFalse (text.Contains work.Latest) "what is not there is not named"

                    Expect.stringContains
                        text
                        "dotnet run --project src/DeqDet.Host -- detect work/shapes a.png"
                        "command")

            testCase "making data: a bar in a terminal, one line at the start and one at the end elsewhere"
            <| fun () ->
                let make terminal =
                    let writer = new StringWriter()
                    let clock = Clock()
                    let progress = TrainingDisplay(console terminal 80 writer, clock).MakingData()

                    for i in 1..4 do
                        clock.Advance 3.0
                        progress.Report(ShapesProgress(i * 550, 2200))

                    writer.ToString()

                let plain =
                    (make false).Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries)

                Expect.equal plain.Length 2 "lines"
                Expect.stringContains plain[1] "2,200 pictures in 0:12" "the end"
                let text = make true
                Expect.stringContains text "1,100/2,200" "the bar"
                Expect.stringContains text "0:06 left" "its time"
                let lines, _ = shown text
                Expect.equal (List.filter ((<>) "") lines).Length 1 "what stays"

            testCase "numbers as people read them"
            <| fun () ->
                let duration (seconds: float) =
                    Human.Duration(TimeSpan.FromSeconds seconds)

                Expect.equal
                    (List.map duration [ 0.0; 59.6; 3599.0; 3661.4; -1.0 ])
                    [ "0:00"; "1:00"; "59:59"; "1:01:01"; "0:00" ]
                    "durations"

                Expect.equal
                    (List.map Human.Bytes [ 0L; 812L <<< 20; 3L <<< 30; 3_650_722_201L ])
                    [ "0 MB"; "812 MB"; "3.0 GB"; "3.4 GB" ]
                    "bytes"

                Expect.equal
                    (List.map Human.Number [ 0.0; 0.000012345; 0.0123; 1.5; 12.34; 123.4; 1.5e7; nan ])
                    [ "0"; "1.23e-05"; "0.0123"; "1.500"; "12.3"; "123"; "1.50e07"; "NaN" ]
                    "numbers"
        ]
