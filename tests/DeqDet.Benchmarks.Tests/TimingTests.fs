module DeqDet.Tests.TimingTests

open Expecto
open FsCheck
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Benchmarks
open DeqDet.Tests.Small

let private work name precision cost : Work =
    {
        Name = name
        Precision = precision
        Cost = cost
    }

let private cost = { Flops = 1e12; Bytes = 2e10 }

let private compared pairs =
    pairs
    |> List.map (fun (ours, other) -> sample ours, sample other)
    |> Timing.compared
        "step"
        "something"
        rates
        (work "fast" Precision.Bf16 (Some cost))
        (work "slow" Precision.Fp32 (Some cost))
        (Some 0.5)

let private near (expected: float) (actual: float) (what: string) =
    Expect.floatClose Accuracy.high actual expected what

[<Tests>]
let tests =
    testList
        "Timing"
        [
            testCase "the ratio is the median of the pairs' ratios, not the ratio of the medians"
            <| fun () ->
                // ratios 2, 5 and 1; the medians' ratio would be 4 / 2
                let timing = compared [ 1.0, 2.0; 2.0, 10.0; 4.0, 4.0 ]
                let other = timing.Other.Value
                near 2.0 other.Ratio.Median "median"
                near 1.5 other.Ratio.Lower "lower quartile"
                near 3.5 other.Ratio.Upper "upper quartile"
                Expect.equal timing.Runs 3 "pairs"
                Expect.equal other.Difference (Some 0.5) "difference"

            testCase "each side has the medians of its own runs, and the largest peak"
            <| fun () ->
                let timing = compared [ 1.0, 2.0; 2.0, 10.0; 4.0, 4.0 ]
                near 2.0 timing.Ours.Seconds.Median "seconds"
                near 4.0 timing.Ours.CpuSeconds "CPU"
                near 200.0 timing.Ours.MinorFaults.Value "faults"
                near 2000.0 timing.Ours.Allocated "allocated"
                near 4e6 timing.Ours.Peak.Value "peak"
                near 4e5 timing.Ours.Resident.Value "memory after the last run"
                near 4.0 timing.Other.Value.Side.Seconds.Median "the other's seconds"
                near 1e7 timing.Other.Value.Side.Peak.Value "the other's peak"

            testCase "shares are those of the peak in a side's own precision, and of the copy rate"
            <| fun () ->
                let timing = compared [ 2.0, 4.0 ]
                near 0.25 timing.Ours.ShareOfPeak.Value "1e12 in 2 s of 2e12 a second"
                near 0.25 timing.Other.Value.Side.ShareOfPeak.Value "1e12 in 4 s of 1e12 a second"
                near 0.1 timing.Ours.ShareOfCopying.Value "2e10 in 2 s of 1e11 a second"

            testCase "without bfloat16 instructions or a count nothing is a share"
            <| fun () ->
                let alone cost =
                    Timing.alone "loader" "x" { rates with Bf16 = None } (work "x" Precision.Bf16 cost) [ sample 1.0 ]

                Expect.isNone (alone (Some cost)).Ours.ShareOfPeak "no peak"
                Expect.isSome (alone (Some cost)).Ours.ShareOfCopying "a copy rate"
                Expect.isNone (alone None).Ours.ShareOfCopying "no count"
                Expect.isNone (alone None).Other "nothing to compare with"

            testCase "counts that the system does not tell stay unknown"
            <| fun () ->
                let unknown =
                    { sample 1.0 with
                        MinorFaults = None
                        Peak = None
                    }

                let timing =
                    Timing.alone "x" "x" rates (work "x" Precision.Fp32 None) [ unknown; unknown ]

                Expect.isNone timing.Ours.MinorFaults "faults"
                Expect.isNone timing.Ours.Peak "peak"

            testProperty "parts have the ratio of the whole where they are the same share of both sides"
            <| fun (pairs: NonEmptyArray<PositiveInt * PositiveInt>) ->
                let pairs =
                    [
                        for PositiveInt ours, PositiveInt other in pairs.Get -> float ours, float other
                    ]

                let other = (compared pairs).Other.Value

                other.Parts.Length = 2
                && other.Parts
                   |> List.forall (fun part ->
                       abs (part.Ratio.Median - other.Ratio.Median) <= 1e-9 * other.Ratio.Median)
        ]
