namespace DeqDet.Benchmarks

open DeqDet.Kernels
open DeqDet.Model

/// A side of a comparison, or what is measured alone: medians over its runs.
type Side =
    {
        Name: string
        Seconds: Quartiles
        CpuSeconds: float
        /// Page faults; None where the system does not count them.
        MinorFaults: float option
        MajorFaults: float option
        /// Managed memory of a run, bytes.
        Allocated: float
        /// Most bytes that the process had in memory during any run.
        Peak: float option
        /// Bytes that it had after the last one.
        Resident: float option
        /// Seconds by part, where the workload has parts.
        Parts: (string * Quartiles) list
        /// What it computes, where that can be counted.
        Cost: Cost option
        /// Operations a second as a share of the machine's peak in its precision.
        ShareOfPeak: float option
        /// Bytes a second as a share of the machine's copy rate.
        ShareOfCopying: float option
    }

/// How much faster a part is than the same part of the other side.
type PartRatio = { Part: string; Ratio: Quartiles }

/// What ours is compared with.
type Other =
    {
        Side: Side
        /// How much faster ours is: the other's time divided by ours, pair by pair.
        Ratio: Quartiles
        Parts: PartRatio list
        /// The largest difference of a result, relative to the largest magnitude in it; None where results are not compared.
        Difference: float option
    }

/// What was found: a comparison, or the runs of something that has nothing to be compared with.
type Timing =
    {
        /// step, image, ...
        Benchmark: string
        /// In a few words.
        What: string
        /// Pairs, or runs.
        Runs: int
        Ours: Side
        /// None: measured alone.
        Other: Other option
        /// For people.
        Notes: string list
    }

/// What a workload computes in, and how much.
type Work =
    {
        Name: string
        Precision: Precision
        Cost: Cost option
    }

module Timing =

    let private ofSamples (rates: Rates) (work: Work) (samples: Sample list) : Side =
        let median (number: Sample -> float) =
            (samples |> List.map number |> Quartiles.ofNumbers).Median

        let known (number: Sample -> float option) (summary: float list -> float) =
            match List.choose number samples with
            | [] -> None
            | numbers -> Some(summary numbers)

        let middle numbers = (Quartiles.ofNumbers numbers).Median
        let seconds = samples |> List.map _.Seconds |> Quartiles.ofNumbers

        let peak =
            match work.Precision with
            | Precision.Fp32 -> Some rates.Fp32
            // float16 has the same peak
            | _ -> rates.Bf16

        {
            Name = work.Name
            Seconds = seconds
            CpuSeconds = median _.CpuSeconds
            MinorFaults = known _.MinorFaults middle
            MajorFaults = known _.MajorFaults middle
            Allocated = median _.Allocated
            Peak = known _.Peak List.max
            Resident = known _.Resident List.last
            Parts =
                [
                    for index, (name, _) in List.indexed samples.Head.Parts ->
                        name,
                        samples
                        |> List.map (fun sample -> snd sample.Parts[index])
                        |> Quartiles.ofNumbers
                ]
            Cost = work.Cost
            ShareOfPeak = Option.map2 (fun (cost: Cost) peak -> cost.Flops / seconds.Median / peak) work.Cost peak
            ShareOfCopying = work.Cost |> Option.map (fun cost -> cost.Bytes / seconds.Median / rates.Copy)
        }

    /// The runs of something alone.
    let alone benchmark what (rates: Rates) (work: Work) (samples: Sample list) : Timing =
        {
            Benchmark = benchmark
            What = what
            Runs = samples.Length
            Ours = ofSamples rates work samples
            Other = None
            Notes = []
        }

    /// The pairs of a comparison, ours first.
    let compared
        benchmark
        what
        (rates: Rates)
        (ours: Work)
        (other: Work)
        (difference: float option)
        (pairs: (Sample * Sample) list)
        : Timing =
        let ratio (seconds: Sample -> float) =
            pairs
            |> List.map (fun (ours, other) -> seconds other / seconds ours)
            |> Quartiles.ofNumbers

        let parts =
            [
                for index, (name, _) in List.indexed (fst pairs.Head).Parts ->
                    {
                        Part = name
                        Ratio = ratio (fun sample -> snd sample.Parts[index])
                    }
            ]

        {
            Benchmark = benchmark
            What = what
            Runs = pairs.Length
            Ours = ofSamples rates ours (List.map fst pairs)
            Other =
                Some
                    {
                        Side = ofSamples rates other (List.map snd pairs)
                        Ratio = ratio _.Seconds
                        Parts = parts
                        Difference = difference
                    }
            Notes = []
        }
