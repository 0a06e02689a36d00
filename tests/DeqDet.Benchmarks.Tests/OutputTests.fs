/// Tables and files.
module DeqDet.Tests.OutputTests

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Benchmarks
open DeqDet.Tests.Small

let private machine: Machine =
    {
        Processor = "Processor 3000"
        Cores = 4
        Threads = 1
        LibTorch = "2.10.0"
        Device = "cpu"
        Instructions = "Avx2"
        Rates = rates
    }

let private work name : Work =
    {
        Name = name
        Precision = Precision.Fp32
        Cost = Some { Flops = 1.57e10; Bytes = 9e8 }
    }

let private compared (difference: float option) : Timing =
    [ sample 0.1, sample 0.2; sample 0.1, sample 0.3 ]
    |> Timing.compared "step" "one application" rates (work "ours") (work "stage.pt") difference

let private alone: Timing =
    Timing.alone "loader" "samples" rates { work "loader" with Cost = None } [ sample 1.0 ]

let private text (timing: Timing) =
    BenchmarkText.timing timing |> String.concat "\n"

let private saved (timings: Timing list) (read: JsonElement -> unit) =
    inFolder (fun folder ->
        let path = Path.Combine(folder, "bench.json")
        withSubject settings (fun subject -> BenchmarkJson.save path machine (Some subject) timings)
        use document = JsonDocument.Parse(File.ReadAllText path)
        read document.RootElement)

[<Tests>]
let tests =
    testList
        "Output"
        [
            testCase "the table names both sides, the ratio with its quartiles, and what was counted"
            <| fun () ->
                let text = text (compared (Some 1e-6))

                for part in
                    [
                        "step: one application; 15.7 GFLOP, 0.900 GB; 2 pairs"
                        "\n  ours "
                        "\n  stage.pt "
                        "100 (100 - 100)"
                        "ratio 2.50 (2.25 - 2.75): stage.pt / ours"
                        "differ by 1.0e-06"
                        "\n  first "
                        "\n  second "
                        "16 %" // 157 of 1000 GFLOP/s
                    ] do
                    Expect.stringContains text part "table"

            testCase "every line of a table has its columns below each other"
            <| fun () ->
                let lines = BenchmarkText.timing (compared None)
                let widths = lines[1..3] |> List.map String.length |> List.distinct
                Expect.equal widths.Length 1 "sides"

            testCase "results of other weights are called out, and equal ones too"
            <| fun () ->
                Expect.stringContains (text (compared (Some 0.5))) "THE RESULTS DIFFER, by 5.0e-01" "different"
                Expect.stringContains (text (compared (Some nan))) "THE RESULTS DIFFER" "not a number"
                Expect.stringContains (text (compared (Some 0.0))) "results are equal" "equal"
                Expect.isFalse ((text (compared None)).Contains "result") "not compared"

            testCase "singular and plural"
            <| fun () ->
                Expect.stringContains (text alone) "loader: samples; 1 run" "run"
                Expect.stringContains (BenchmarkText.machine machine).Head "1 thread of 4" "thread"

                withSubject settings (fun subject ->
                    let one =
                        { subject with
                            Images = 1
                            Settings = Subject.adapt (Some 1) None None settings
                        }

                    Expect.stringContains (BenchmarkText.subject one) "1 query, 1 image of 32x64" "one"
                    Expect.stringContains (BenchmarkText.subject subject) "5 queries, 2 images of 32x64" "more")

            testCase "what the system does not tell is a dash"
            <| fun () ->
                let unknown =
                    { sample 1.0 with
                        MinorFaults = None
                        MajorFaults = None
                        Peak = None
                    }

                let timing =
                    Timing.alone "loader" "samples" rates { work "loader" with Cost = None } [ unknown ]

                let row = (BenchmarkText.timing timing)[2]
                Expect.equal (row |> Seq.filter ((=) '-') |> Seq.length) 7 "six columns, and one between quartiles"

            testCase "the file begins with the machine and has a ratio for each comparison"
            <| fun () ->
                saved [ compared (Some 1e-6); alone ] (fun root ->
                    let first = Seq.head (root.EnumerateObject())
                    Expect.equal first.Name BenchmarkJson.FirstMember "first member"
                    Expect.equal (first.Value.GetProperty("processor").GetString()) "Processor 3000" "processor"
                    Expect.equal (root.GetProperty("model").GetProperty("queries").GetInt32()) 5 "queries"
                    Expect.equal (root.GetProperty("comparisons").GetArrayLength()) 1 "comparisons"
                    let comparison = root.GetProperty("comparisons")[0]
                    Expect.floatClose Accuracy.high (comparison.GetProperty("ratio").GetDouble()) 2.5 "ratio"
                    Expect.equal (comparison.GetProperty("against").GetString()) "stage.pt" "against"
                    Expect.equal (comparison.GetProperty("pairs").GetInt32()) 2 "pairs"
                    let quartiles = comparison.GetProperty("ratio_quartiles")
                    Expect.floatClose Accuracy.high (quartiles[0].GetDouble()) 2.25 "lower quartile"
                    Expect.floatClose Accuracy.high (quartiles[1].GetDouble()) 2.75 "upper quartile"

                    Expect.equal (comparison.GetProperty("largest_relative_difference").GetDouble()) 1e-6 "difference"

                    let ours = comparison.GetProperty("ours")
                    Expect.equal (ours.GetProperty("flops").GetDouble()) 1.57e10 "operations"
                    Expect.equal (ours.GetProperty("minor_faults").GetDouble()) 10.0 "faults"
                    Expect.equal (comparison.GetProperty("parts").GetArrayLength()) 2 "parts"
                    let measurement = root.GetProperty("measurements")[0]
                    Expect.equal (measurement.GetProperty("benchmark").GetString()) "loader" "alone"
                    Expect.isFalse (fst (measurement.TryGetProperty "ratio")) "nothing to compare with")

            testCase "a file that cannot be written is named"
            <| fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "no", "bench.json")

                    try
                        BenchmarkJson.save path machine None [ alone ]
                        failtest "written"
                    with :? InputError as error ->
                        Expect.stringContains error.Message path "its name")

            testCase "rates of this machine are positive"
            <| fun () ->
                let rates = Rates.measure TorchSharp.torch.CPU false
                Expect.isGreaterThan rates.Fp32 0.0 "product"
                Expect.isNone rates.Bf16 "not asked for"
                Expect.isGreaterThan rates.Copy 0.0 "copy"

            testCase "what was seen once stays, however slow the machine is later"
            <| fun () ->
                let peak = Peak(TorchSharp.torch.CPU, false)
                let first = peak.Seen
                let second = peak.Look()
                Expect.isTrue (second.Fp32 >= first.Fp32 && second.Copy >= first.Copy) "the faster one"
                Expect.equal peak.Seen second "is what has been seen"

                let slow = { Fp32 = 1.0; Bf16 = None; Copy = 9.0 }

                let other =
                    {
                        Fp32 = 2.0
                        Bf16 = Some 3.0
                        Copy = 8.0
                    }

                Expect.equal
                    (Rates.fastest slow other)
                    {
                        Fp32 = 2.0
                        Bf16 = Some 3.0
                        Copy = 9.0
                    }
                    "each on its own"
        ]
