namespace DeqDet.Benchmarks

open System
open DeqDet
open DeqDet.Detection
open DeqDet.Model

/// Timings as people read them.
module BenchmarkText =

    /// Three digits or so: 0.0123, 0.123, 1.23, 12.3, 123.
    let private number (value: float) =
        match abs value with
        | 0.0 -> "0"
        | size when size < 0.001 -> value.ToString "0.0e-00"
        | size when size < 1.0 -> value.ToString "0.000"
        | size when size < 10.0 -> value.ToString "0.00"
        | size when size < 100.0 -> value.ToString "0.0"
        | _ -> value.ToString "#,0"

    let private optional (text: 'T -> string) (value: 'T option) =
        value |> Option.map text |> Option.defaultValue "-"

    let private share (value: float) = $"{100.0 * value:``0``} %%"

    let private spread (scale: float) (quartiles: Quartiles) =
        let text value = number (scale * value)
        $"{text quartiles.Median} ({text quartiles.Lower} - {text quartiles.Upper})"

    let private ratio (quartiles: Quartiles) =
        $"{quartiles.Median:``0.00``} ({quartiles.Lower:``0.00``} - {quartiles.Upper:``0.00``})"

    /// Columns of a table, the first one at the left, the others at the right.
    let private table (rows: string list list) : string list =
        let widths = rows |> List.transpose |> List.map (List.map String.length >> List.max)

        [
            for row in rows ->
                let cells =
                    [
                        for index, (cell, width) in List.indexed (List.zip row widths) ->
                            if index = 0 then
                                cell.PadRight width
                            else
                                cell.PadLeft width
                    ]

                "  " + String.concat "  " cells
        ]

    let private headings =
        [
            ""
            "ms (quartiles)"
            "CPU ms"
            "page faults"
            "managed MB"
            "peak MB"
            "GFLOP/s"
            "of peak"
            "GB/s"
            "of copying"
        ]

    let private row (side: Side) =
        let rate (amount: Cost -> float) =
            side.Cost
            |> optional (fun cost -> number (amount cost / side.Seconds.Median / 1e9))

        // faults that read from a disk are seldom, and then worth being seen
        let faults =
            match side.MinorFaults, side.MajorFaults with
            | Some minor, Some major when major > 0.0 -> $"{number minor} + {number major}"
            | minor, _ -> optional number minor

        [
            side.Name
            spread 1e3 side.Seconds
            number (1e3 * side.CpuSeconds)
            faults
            number (side.Allocated / 1e6)
            side.Peak |> optional (fun bytes -> number (bytes / 1e6))
            rate _.Flops
            optional share side.ShareOfPeak
            rate _.Bytes
            optional share side.ShareOfCopying
        ]

    let private parts (ours: Side) (other: Other option) : string list =
        let partRow index (name, (ours: Quartiles)) =
            match other with
            | None -> [ name; spread 1e3 ours ]
            | Some other ->
                [
                    name
                    spread 1e3 ours
                    spread 1e3 (snd other.Side.Parts[index])
                    ratio other.Parts[index].Ratio
                ]

        if ours.Parts.IsEmpty then
            []
        else
            let heading =
                match other with
                | None -> [ "part"; "ms (quartiles)" ]
                | Some other -> [ "part"; $"{ours.Name}, ms"; $"{other.Side.Name}, ms"; "ratio (quartiles)" ]

            table (heading :: List.mapi partRow ours.Parts)

    /// From here on the results are of another model, or computed otherwise, and not only rounded otherwise.
    let private foreign = 0.05

    let private difference (value: float) =
        let text = value.ToString "0.0e-00"

        if value = 0.0 then
            "; results are equal"
        elif value > foreign || Double.IsNaN value then
            $"; THE RESULTS DIFFER, by {text} of their largest magnitude: other weights, or another computation"
        else
            $"; results differ by {text} of their largest magnitude at most"

    /// The machine, a line or two.
    let machine (machine: Machine) : string list =
        let bf16 =
            match machine.Rates.Bf16 with
            | Some rate -> $", {number (rate / 1e9)} GFLOP/s in bfloat16"
            | None -> ""

        let threads = Counted.Of(machine.Threads, "thread")

        [
            $"{machine.Processor}, {threads} of {machine.Cores}, on {machine.Device}; libtorch {machine.LibTorch}, kernels for {machine.Instructions}"
            $"measured peak: {number (machine.Rates.Fp32 / 1e9)} GFLOP/s in float32{bf16}; copying {number (machine.Rates.Copy / 1e9)} GB/s"
        ]

    /// What is timed.
    let subject (subject: Subject) : string =
        let settings = subject.Settings.Detector
        let images = Counted.Of(subject.Images, "image")
        let queries = Counted.Of(settings.Queries.Count, "query", "queries")

        $"{ModelNames.Of settings}, {queries}, {images} of {subject.Size}, {subject.Weights}"

    /// A timing: what it is of, both sides, and how much faster ours is.
    let timing (timing: Timing) : string list =
        let cost =
            match timing.Ours.Cost with
            | Some cost -> $"; {number (cost.Flops / 1e9)} GFLOP, {number (cost.Bytes / 1e9)} GB"
            | None -> ""

        let runs =
            match timing.Other with
            | Some _ -> Counted.Of(timing.Runs, "pair")
            | None -> Counted.Of(timing.Runs, "run")

        [
            $"{timing.Benchmark}: {timing.What}{cost}; {runs}"
            match timing.Other with
            | None -> yield! table [ headings; row timing.Ours ]
            | Some other -> yield! table [ headings; row timing.Ours; row other.Side ]
            yield! parts timing.Ours timing.Other
            match timing.Other with
            | None -> ()
            | Some other ->
                let differs = other.Difference |> Option.map difference |> Option.defaultValue ""
                $"  ratio {ratio other.Ratio}: {other.Side.Name} / {timing.Ours.Name}{differs}"
            for note in timing.Notes do
                $"  {note}"
        ]
