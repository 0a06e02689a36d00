/// Charts: round numbers on axes, places of numbers, and the two backends.
module DeqDet.Tests.ChartTests

open System
open System.Globalization
open System.Text.RegularExpressions
open System.Xml.Linq
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Reports.Charts

let private labels (ticks: Tick seq) =
    [
        for tick in ticks do
            if tick.Label <> "" then
                if tick.Exponent = "" then
                    tick.Label
                else
                    $"{tick.Label}^{tick.Exponent}"
    ]

let private points (numbers: (float * float) list) =
    [| for x, y in numbers -> ChartPoint(x, y) |]

let private line numbers : Mark = LineMark("line", 0, points numbers)

let private chart (scale: AxisScale) (marks: Mark list) =
    Chart("Title", Axis("x"), Axis("y", scale), marks)

let private laid scale marks =
    ChartLayout.Of(chart scale marks, 400, 300)

let private places (layout: ChartLayout) =
    [
        for shape in layout.Inside do
            match shape with
            | :? StrokeShape as stroke -> yield! stroke.Places
            | :? AreaShape as area -> yield! area.Places
            | :? DotShape as dot -> dot.Centre
            | _ -> ()
    ]

let private svg (layout: ChartLayout) = ChartSvg.Write(layout, "about")

/// Any number at all, often an awkward one.
let private anyNumber =
    Gen.frequency
        [
            6, Gen.choose (-1000, 1000) |> Gen.map (fun n -> float n / 7.0)
            3, Gen.choose (-320, 308) |> Gen.map (fun e -> 10.0 ** float e)
            1,
            Gen.elements
                [
                    0.0
                    nan
                    infinity
                    -infinity
                    Double.Epsilon
                    Double.MaxValue
                    Double.MinValue
                ]
        ]

let private anyPoints = Gen.zip anyNumber anyNumber |> Gen.listOf

let private property name test =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = 60
        }
        name
        test

[<Tests>]
let tests =
    testList
        "Charts"
        [
            for low, high, about, expected in
                [
                    0.0, 1.0, 5, [ "0.0"; "0.2"; "0.4"; "0.6"; "0.8"; "1.0" ]
                    1.0, 100.0, 5, [ "20"; "40"; "60"; "80"; "100" ]
                    -0.25, 0.25, 5, [ "-0.2"; "-0.1"; "0.0"; "0.1"; "0.2" ]
                    0.6123, 0.6145, 5, [ "0.6125"; "0.6130"; "0.6135"; "0.6140"; "0.6145" ]
                    0.0, 3e9, 3, [ "0e0"; "1e9"; "2e9"; "3e9" ]
                ] do
                testCase $"linear ticks from {low} to {high}"
                <| fun () -> Expect.equal (labels (Ticks.Linear(low, high, about))) expected "labels"

            testCase "ticks of a count are whole"
            <| fun () -> Expect.equal (labels (Ticks.Linear(1.0, 3.0, 8, true))) [ "1"; "2"; "3" ] "labels"

            for low, high, atMost, expected in
                [
                    0.5, 300.0, 6, [ "1"; "10"; "100" ]
                    1e-7, 2.0, 9, [ for e in -7 .. 0 -> $"10^{e}" ]
                    1e-7, 2.0, 4, [ "10^-6"; "10^-4"; "10^-2"; "10^0" ]
                    0.9, 110.0, 9, [ "1"; "2"; "5"; "10"; "20"; "50"; "100" ]
                    0.9, 110.0, 5, [ "1"; "10"; "100" ]
                    1.0, 30.0, 6, [ "1"; "2"; "5"; "10"; "20" ]
                    0.31, 0.33, 4, [ "0.310"; "0.315"; "0.320"; "0.325"; "0.330" ]
                ] do
                testCase $"logarithmic ticks from {low} to {high}, {atMost} at most"
                <| fun () -> Expect.equal (labels (Ticks.Log(low, high, atMost))) expected "labels"

            testCase "a range of all powers is marked by few of them"
            <| fun () ->
                let ticks = Ticks.Log(1e-300, 1e300, 6)
                Expect.isLessThanOrEqual (labels ticks).Length 7 "labels"
                Expect.isGreaterThanOrEqual (labels ticks).Length 3 "labels"

            property "ticks lie within the range, ascend, and are few"
            <| Prop.forAll (Arb.fromGen (Gen.two anyNumber)) (fun (a, b) ->
                let low, high = min (abs a) (abs b), max (abs a) (abs b)

                if Double.IsFinite high && low > 0.0 && high > low * 1.000001 then
                    for ticks in [ Ticks.Linear(low, high, 6); Ticks.Log(low, high, 6) ] do
                        let at = [ for tick in ticks -> tick.At ]
                        Expect.equal (List.sort at) at "ascending"
                        Expect.isLessThanOrEqual (labels ticks).Length 26 "few"

                        for tick in at do
                            let slack = (high - low) * 1e-6
                            Expect.isTrue (tick >= low - slack && tick <= high + slack) $"{tick} in {low} to {high}")

            testCase "what has no place on a logarithmic axis leaves a gap"
            <| fun () ->
                let layout =
                    laid
                        AxisScale.Log
                        [
                            line [ 1.0, 1.0; 2.0, 0.1; 3.0, 0.0; 4.0, 0.01; 5.0, nan; 6.0, 1.0; 7.0, 0.1 ]
                        ]

                let strokes =
                    [
                        for shape in layout.Inside do
                            match shape with
                            | :? StrokeShape as stroke -> stroke.Places.Count
                            | :? DotShape -> 0
                            | other -> failtest $"{other}"
                    ]
                // two points, one alone (a dot on its line of no length), two points
                Expect.equal strokes [ 2; 1; 2; 0 ] "runs"

            testCase "a band that reaches zero fills down to the axis"
            <| fun () ->
                let band =
                    BandMark("b", 0, points [ 1.0, 0.0; 2.0, 0.1 ], points [ 1.0, 1.0; 2.0, 1.0 ])

                let layout = laid AxisScale.Log [ band ]
                let lowest = places layout |> List.map (fun place -> place.Y) |> List.max
                Expect.floatClose Accuracy.high lowest layout.Plot.Bottom "bottom of the plot"

            testCase "nothing to show is said"
            <| fun () ->
                for marks in [ []; [ line [] ]; [ line [ nan, 1.0; 1.0, nan ] ] ] do
                    Expect.stringContains (svg (laid AxisScale.Linear marks)) "no numbers" "remark"

                Expect.isFalse ((svg (laid AxisScale.Linear [ line [ 1.0, 1.0 ] ])).Contains "no numbers") "one point"

            testCase "bounds of an axis cut off what is beyond them"
            <| fun () ->
                let axis = Axis("y", AxisScale.Linear, Nullable 0.0, Nullable 1.0)

                let layout =
                    ChartLayout.Of(Chart("t", Axis "x", axis, [ line [ 0.0, 0.5; 1.0, 9.0 ] ]), 400, 300)

                let heights = places layout |> List.map (fun place -> place.Y)
                Expect.floatClose Accuracy.high heights[0] (layout.Plot.Top + layout.Plot.Height / 2.0) "the middle"
                Expect.isLessThan heights[1] layout.Plot.Top "above the plot"

                // the inner svg is what cuts
                let inner =
                    XElement.Parse(svg layout).Elements()
                    |> Seq.filter (fun e -> e.Name.LocalName = "svg")

                Expect.hasLength (List.ofSeq inner) 1 "inner svg"

            testCase "a bound at one end leaves room at the other"
            <| fun () ->
                let axis = Axis("y", AxisScale.Linear, Nullable 0.0)
                let marks: Mark list = [ line [ 0.0, 1.0; 1.0, 1.1 ] ]
                let layout = ChartLayout.Of(Chart("t", Axis "x", axis, marks), 400, 300)
                let highest = places layout |> List.map (fun place -> place.Y) |> List.min
                Expect.isGreaterThan (highest - layout.Plot.Top) 5.0 "px above the largest"

            testCase "text is escaped"
            <| fun () ->
                let layout =
                    ChartLayout.Of(
                        Chart("<b> & \"q\"", Axis "x < y", Axis "a & b", [ LineMark("</svg>", 0, points [ 1.0, 1.0 ]) ]),
                        400,
                        300
                    )

                let texts =
                    XElement.Parse(ChartSvg.Write(layout, "\"><script>")).Descendants()
                    |> Seq.filter (fun element -> element.Name.LocalName = "text")
                    |> Seq.map (fun element -> element.Value)
                    |> List.ofSeq

                for text in [ "<b> & \"q\""; "x < y"; "a & b"; "</svg>" ] do
                    Expect.contains texts text "text"

            property "any numbers give a drawing with finite places, twice the same"
            <| Prop.forAll (Arb.fromGen (Gen.zip anyPoints anyPoints)) (fun (a, b) ->
                for scale in [ AxisScale.Linear; AxisScale.Log ] do
                    let marks: Mark list =
                        [
                            line a
                            BandMark("band", 1, points a, points b)
                            FanMark("fan", 2, [| points a; points b |])
                            RuleMark("rule", 3, (if a.IsEmpty then nan else fst a.Head), true)
                        ]

                    let layout = laid scale marks

                    for place in places layout do
                        Expect.isTrue (Double.IsFinite place.X && Double.IsFinite place.Y) $"{place} of {a}, {b}"

                    let text = svg layout
                    XElement.Parse text |> ignore
                    Expect.isFalse (Regex.IsMatch(text, "NaN|∞|Infinity")) "numbers of the SVG"
                    Expect.equal (svg (laid scale marks)) text "the same again")

            testCase "the largest numbers there are have finite ticks"
            <| fun () ->
                for low in [ 1e300; 1e306; 1e307; 1e308 ] do
                    for ticks in
                        [
                            Ticks.Log(low, Double.MaxValue, 6)
                            Ticks.Linear(low, Double.MaxValue, 5, false)
                        ] do
                        for tick in ticks do
                            Expect.isTrue (Double.IsFinite tick.At) $"{tick} from {low}"

            testCase "the picture shows each mark in its colour"
            <| fun () ->
                let layout =
                    laid
                        AxisScale.Linear
                        [
                            LineMark("a", 0, points [ 0.0, 0.0; 1.0, 1.0 ])
                            LineMark("b", 1, points [ 0.0, 1.0; 1.0, 0.0 ])
                        ]

                let image = ChartPicture.Draw(layout, 1).Image
                Expect.equal (image.Width, image.Height) (400, 300) "size"

                let count (colour: uint) =
                    Seq.chunkBySize 3 image.Pixels
                    |> Seq.filter (fun rgb -> (uint rgb[0] <<< 16 ||| (uint rgb[1] <<< 8) ||| uint rgb[2]) = colour)
                    |> Seq.length

                for number in 0..1 do
                    let colour = ChartColours.Of(Ink(InkRole.Mark, number), false)
                    Expect.isGreaterThan (count colour) 100 $"pixels of mark {number}"

                Expect.isGreaterThan (count (ChartColours.Ground false)) 50000 "ground"

            testCase "colours can be read on their grounds"
            <| fun () ->
                let luminance (colour: uint) =
                    DeqDet.Reports.Palette.Luminance(SkiaSharp.SKColor(0xFF000000u ||| colour))

                for onDark in [ false; true ] do
                    let ground = luminance (ChartColours.Ground onDark)

                    let inks =
                        [ Ink InkRole.Text; Ink InkRole.Faint ]
                        @ [ for i in 0 .. ChartColours.Count - 1 -> Ink(InkRole.Mark, i) ]

                    for ink in inks do
                        let own = luminance (ChartColours.Of(ink, onDark))
                        let contrast = (max own ground + 0.05) / (min own ground + 0.05)
                        Expect.isGreaterThan contrast 3.0 $"{ink} on dark: {onDark}"

            testCase "numbers are written with a point whatever the culture"
            <| fun () ->
                let before = CultureInfo.CurrentCulture

                try
                    let comma = CultureInfo.InvariantCulture.Clone() :?> CultureInfo
                    comma.NumberFormat.NumberDecimalSeparator <- ","
                    CultureInfo.CurrentCulture <- comma
                    let text = svg (laid AxisScale.Linear [ line [ 0.0, 0.0; 1.0, 0.123 ] ])
                    Expect.isFalse (Regex.IsMatch(text, @"\d,\d")) "a comma within a number"
                finally
                    CultureInfo.CurrentCulture <- before
        ]
