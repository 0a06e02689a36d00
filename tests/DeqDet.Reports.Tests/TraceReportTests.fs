/// What a trace's numbers come to, and how they are written down: with numbers made up here.
module DeqDet.Tests.TraceReportTests

open System
open System.Globalization
open System.IO
open System.Text.Json
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Detection
open DeqDet.Reports.Tracing
open DeqDet.Model

/// Records of a CSV text by RFC 4180.
let private csv (text: string) : string list list =
    let rec next (cells: string list) (cell: string) quoted (records: string list list) (rest: char list) =
        match rest with
        | '"' :: '"' :: rest when quoted -> next cells (cell + "\"") true records rest
        | '"' :: rest -> next cells cell (not quoted) records rest
        | ',' :: rest when not quoted -> next (cell :: cells) "" false records rest
        | '\n' :: rest when not quoted -> next [] "" false (List.rev (cell :: cells) :: records) rest
        | c :: rest -> next cells (cell + string c) quoted records rest
        | [] -> List.rev records

    next [] "" false [] (List.ofSeq text)

let private written (rows: TraceRow seq) =
    use output = new StringWriter()
    TraceTable.Write(rows, output)
    output.ToString()

/// A path whose queries shrink by a rate each.
let private path scheme applications (rates: float list) : ResidualPath =
    let numbers part =
        [|
            for k in 0 .. applications - 1 -> [| for rate in rates -> part * rate ** float k |]
        |]

    {
        Scheme = scheme
        Residual = numbers 1.0
        Shift = numbers 0.5
        Change = numbers 1.0
    }

let private image name paths : TracedImage =
    TracedImage(
        name,
        paths,
        [| 0.9; 0.6; 0.05 |],
        {
            Radius = 0.5
            Residual = 1e-5
            Steps = 9
            Converged = true
        }
    )

let private subject = TraceSubject("work/<i>x</i>", "DEQDet & co", 3, 5, 40, "cpu")

let private worth ap = Accuracy(ap, ap + 0.2, ap + 0.1)

let accuracy =
    TracedAccuracy(
        "data/x",
        10,
        20,
        [| for n, ap in [ 1, 0.3; 5, 0.5; 40, 0.4 ] -> DepthAccuracy(n, worth ap) |],
        [|
            ToleranceAccuracy(0.1, 5, 2.5, 1.0, worth 0.45)
            ToleranceAccuracy(0.01, 5, 4.5, 0.9, worth 0.499)
        |]
    )

let results accuracy =
    let images =
        [|
            for name in [ "a,1.png"; "b.png" ] ->
                image name [| path "picard" 40 [ 0.5; 0.5; 0.9 ]; path "anderson" 40 [ 0.25; 0.25; 0.3 ] |]
        |]

    TraceResults(subject, images, accuracy)

let private hostile =
    Gen.elements [ ""; "plain"; "a,b"; "say \"hi\""; "two\nlines"; "\r"; "\"\"," ]

let private anyRow =
    gen {
        let! measure = hostile
        let! scheme = hostile
        let! image = hostile
        let! query = Gen.choose (0, 9)

        let! value =
            Gen.oneof
                [
                    Gen.elements [ nan; infinity; 0.0; 1e-300 ]
                    Gen.choose (-999, 999) |> Gen.map (fun n -> float n / 7.0)
                ]

        return TraceRow(measure, scheme, image, Nullable query, Nullable(), Nullable 0.003, value)
    }

[<Tests>]
let tests =
    testList
        "Trace reports"
        [
            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 60
                }
                "CSV comes back as it was"
            <| Prop.forAll (Arb.fromGen (Gen.listOf anyRow)) (fun rows ->
                let read = csv (written rows)
                Expect.equal read.Head [ for struct (name, _) in TraceTable.Columns -> name ] "header"
                Expect.equal read.Length (rows.Length + 1) "records"

                for row, cells in List.zip rows read.Tail do
                    Expect.equal
                        cells[..5]
                        [ row.Measure; row.Scheme; row.Image; string row.Query.Value; ""; "0.003" ]
                        "cells"

                    let value = Double.Parse(cells[6], CultureInfo.InvariantCulture)

                    let same = value.Equals row.Value || abs (value - row.Value) <= 1e-6 * abs row.Value

                    Expect.isTrue same $"{row.Value} as {cells[6]}")

            testCase "the table has every number, and every measure is explained"
            <| fun () ->
                let rows = List.ofSeq (TraceTable.Rows(results accuracy))
                let named = set [ for struct (name, _) in TraceTable.Measures -> name ]
                Expect.equal (set [ for row in rows -> row.Measure ]) named "measures"

                let count measure scheme =
                    rows
                    |> List.filter (fun row -> row.Measure = measure && row.Scheme = scheme)
                    |> List.length

                Expect.equal (count "residual" "picard") (2 * 40 * 3) "residuals"
                Expect.equal (count "residual" "anderson") (2 * 40 * 3) "of the other scheme"
                Expect.equal (count "shift" "picard", count "shift" "anderson") (2 * 40 * 3, 0) "parts"
                Expect.equal (count "ap" "") 5 "AP"

                let third =
                    rows
                    |> List.find (fun row ->
                        row.Measure = "residual"
                        && row.Query = Nullable 2
                        && row.Application = Nullable 3
                        && row.Scheme = "picard")

                Expect.floatClose Expecto.Accuracy.high third.Value 0.81 "a number"

            testCase "in a spread what is not a number counts as infinitely large"
            <| fun () ->
                let spread = Spread.Of [ 4.0; 1.0; 2.0; 3.0; 5.0 ]
                Expect.equal (spread.Mean, spread.Median) (3.0, 3.0) "middle"
                let broken = Spread.Of [ nan; 1.0; 2.0; infinity; 3.0 ]
                Expect.equal (broken.Mean, broken.Median, broken.High) (infinity, 3.0, infinity) "two of five lost"
                Expect.floatClose Expecto.Accuracy.high spread.Low 1.4 "10 %"
                Expect.floatClose Expecto.Accuracy.high spread.High 4.6 "90 %"
                Expect.isTrue (Double.IsNaN (Spread.Of []).Mean) "none"

            testCase "the rate is that of a steady fall, not of the floor after it"
            <| fun () ->
                let fall = [| for k in 0..99 -> max 1e-6 (0.8 ** float k) |]
                Expect.floatClose Expecto.Accuracy.high (TraceStatistics.Rate fall) 0.8 "steady"
                Expect.floatClose Expecto.Accuracy.high (TraceStatistics.Rate [| for _ in 1..50 -> 0.3 |]) 1.0 "no fall"
                Expect.isTrue (Double.IsNaN(TraceStatistics.Rate [| 0.3 |])) "one number"
                Expect.isTrue (Double.IsNaN(TraceStatistics.Rate [| 0.0; 0.0 |])) "at the fixed point from the start"

            testCase "settled queries are counted, and NaN is never settled"
            <| fun () ->
                let traced =
                    { path "p" 1 [] with
                        Residual = [| [| 0.5; nan |]; [| 0.01; nan |] |]
                    }

                let shares = TraceStatistics.ShareWithin([| image "i" [| traced |] |], 0, 0.01)
                Expect.equal (List.ofSeq shares) [ 0.0; 0.5 ] "shares"
                Expect.equal (TraceStatistics.FirstReaching(shares, 0.5)) (Nullable 2) "first"
                Expect.equal (TraceStatistics.FirstReaching(shares, 0.9)) (Nullable()) "never"

            testCase "figures say what the numbers say"
            <| fun () ->
                let figures = List.ofSeq (TraceFigures.Of(results accuracy))

                let finding name =
                    (figures |> List.find (fun figure -> figure.Name = name)).Finding

                Expect.equal
                    [ for figure in figures -> figure.Name ]
                    [
                        "residual"
                        "parts"
                        "queries"
                        "scores"
                        "solvers"
                        "spectrum"
                        "ap-depth"
                        "ap-updates"
                    ]
                    "names"

                // 0.5^4
                Expect.stringContains (finding "residual") "median is 0.0625" "at the depth of training"
                Expect.stringContains (finding "queries") "2 of the 3" "0.9^39 is 0.016"

                Expect.stringContains
                    (finding "scores")
                    "Of the 4 queries with a score of at least 0.5, 100 %"
                    "two images"

                Expect.stringContains (finding "scores") "of the 2 with a score below 0.1, 0 %" "the slow query"
                Expect.stringContains (finding "solvers") "is anderson, after 5 applications" "0.3^4 is 0.0081"
                Expect.stringContains (finding "spectrum") "on 2 of 2 images" "radius"
                Expect.stringContains (finding "ap-depth") "0.500 at the depth of training (5)" "AP"
                Expect.stringContains (finding "ap-updates") "tolerance of 0.01 gives AP 0.499 for 4.500" "work"

                for figure in figures do
                    for row in figure.Table.Rows do
                        Expect.equal row.Count figure.Table.Columns.Count $"columns of {figure.Name}"

                Expect.equal (TraceFigures.Of(results null)).Count 6 "without a data set"

            testCase "the page needs nothing else, and its text is escaped"
            <| fun () ->
                let all = results accuracy
                let page = TracePage.Write(all, TraceFigures.Of all)
                Expect.stringContains page "work/&lt;i&gt;x&lt;/i&gt;" "checkpoint"
                Expect.stringContains page "DEQDet &amp; co" "model"
                Expect.isFalse (page.Contains "<i>") "markup of a name"

                for other in [ "http:"; "https:"; "src="; "href="; "@import"; "url(" ] do
                    Expect.isFalse (page.Contains other) other

                Expect.stringContains page "prefers-color-scheme:dark" "dark"

            testCase "JSON holds the summary, null where there is no number"
            <| fun () ->
                let broken =
                    { path "picard" 1 [] with
                        Residual = [| [| nan |] |]
                        Shift = [| [| nan |] |]
                        Change = [| [| nan |] |]
                    }

                let all = TraceResults(subject, [| image "x" [| broken |] |], null)
                use stream = new MemoryStream()
                TraceSummary.WriteJson(all, stream)
                use document = JsonDocument.Parse(stream.ToArray())
                let summary = document.RootElement.GetProperty "summary"
                Expect.equal (summary.GetProperty("residual_at_end").ValueKind) JsonValueKind.Null "no number"
                Expect.equal (summary.GetProperty("settled_at_end").GetDouble()) 0.0 "share"
                Expect.isFalse (fst (document.RootElement.TryGetProperty "accuracy")) "no data set"
                // and a page can be made of it
                TracePage.Write(all, TraceFigures.Of all) |> ignore
        ]
