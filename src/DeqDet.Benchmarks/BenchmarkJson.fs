namespace DeqDet.Benchmarks

open System
open System.Text.Json
open System.Text.Json.Serialization
open DeqDet
open DeqDet.Detection
open DeqDet.Model

/// Timings as a JSON file: everything that the tables show, unrounded, in seconds, bytes and operations.
module BenchmarkJson =

    /// The first member of the file, by which it is recognised as this program's.
    [<Literal>]
    let FirstMember = "machine"

    type MachineEntry =
        {
            Processor: string
            Cores: int
            Threads: int
            Libtorch: string
            Device: string
            Instructions: string
            PeakFlopsFp32: float
            PeakFlopsBf16: float option
            CopyBytesPerSecond: float
        }

    type ModelEntry =
        {
            Name: string
            Weights: string
            Queries: int
            Images: int
            Height: int
            Width: int
            Precision: string
            Seed: int64
        }

    type PartEntry =
        {
            Name: string
            Seconds: float
            Quartiles: float list
        }

    type SideEntry =
        {
            Name: string
            Seconds: float
            Quartiles: float list
            CpuSeconds: float
            MinorFaults: float option
            MajorFaults: float option
            AllocatedBytes: float
            PeakBytes: float option
            ResidentBytes: float option
            Flops: float option
            Bytes: float option
            ShareOfPeak: float option
            ShareOfCopying: float option
            Parts: PartEntry list
        }

    type PartRatioEntry =
        {
            Name: string
            Ratio: float
            RatioQuartiles: float list
        }

    type ComparisonEntry =
        {
            Benchmark: string
            What: string
            Against: string
            Pairs: int
            /// The other's time divided by ours: more than 1 where we are faster.
            Ratio: float
            RatioQuartiles: float list
            LargestRelativeDifference: float option
            Ours: SideEntry
            Other: SideEntry
            Parts: PartRatioEntry list
            Notes: string list
        }

    type MeasurementEntry =
        {
            Benchmark: string
            What: string
            Runs: int
            Ours: SideEntry
            Notes: string list
        }

    type Entry =
        {
            Machine: MachineEntry
            Model: ModelEntry option
            Comparisons: ComparisonEntry list
            Measurements: MeasurementEntry list
        }

    let private options =
        JsonSerializerOptions(
            PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
            WriteIndented = true
        )

    let private outer (quartiles: Quartiles) = [ quartiles.Lower; quartiles.Upper ]

    let private ofSide (side: Side) : SideEntry =
        {
            Name = side.Name
            Seconds = side.Seconds.Median
            Quartiles = outer side.Seconds
            CpuSeconds = side.CpuSeconds
            MinorFaults = side.MinorFaults
            MajorFaults = side.MajorFaults
            AllocatedBytes = side.Allocated
            PeakBytes = side.Peak
            ResidentBytes = side.Resident
            Flops = side.Cost |> Option.map _.Flops
            Bytes = side.Cost |> Option.map _.Bytes
            ShareOfPeak = side.ShareOfPeak
            ShareOfCopying = side.ShareOfCopying
            Parts =
                [
                    for name, seconds in side.Parts ->
                        {
                            Name = name
                            Seconds = seconds.Median
                            Quartiles = outer seconds
                        }
                ]
        }

    let private comparison (timing: Timing) (other: Other) : ComparisonEntry =
        {
            Benchmark = timing.Benchmark
            What = timing.What
            Against = other.Side.Name
            Pairs = timing.Runs
            Ratio = other.Ratio.Median
            RatioQuartiles = outer other.Ratio
            LargestRelativeDifference = other.Difference
            Ours = ofSide timing.Ours
            Other = ofSide other.Side
            Parts =
                [
                    for part in other.Parts ->
                        {
                            Name = part.Part
                            Ratio = part.Ratio.Median
                            RatioQuartiles = outer part.Ratio
                        }
                ]
            Notes = timing.Notes
        }

    let private machine (machine: Machine) : MachineEntry =
        {
            Processor = machine.Processor
            Cores = machine.Cores
            Threads = machine.Threads
            Libtorch = machine.LibTorch
            Device = machine.Device
            Instructions = machine.Instructions
            PeakFlopsFp32 = machine.Rates.Fp32
            PeakFlopsBf16 = machine.Rates.Bf16
            CopyBytesPerSecond = machine.Rates.Copy
        }

    let private model (subject: Subject) : ModelEntry =
        {
            Name = ModelNames.Of subject.Settings.Detector
            Weights = subject.Weights
            Queries = subject.Settings.Detector.Queries.Count
            Images = subject.Images
            Height = subject.Size.Height
            Width = subject.Size.Width
            Precision = (string subject.Precision).ToLowerInvariant()
            Seed = subject.Seed
        }

    /// Writes everything atomically. `subject`: None where no detector was timed. Raises InputError where the file cannot be written.
    let save (path: string) (ran: Machine) (subject: Subject option) (timings: Timing seq) : unit =
        let timings = List.ofSeq timings

        let entry =
            {
                Machine = machine ran
                Model = Option.map model subject
                Comparisons =
                    [
                        for timing in timings do
                            yield! timing.Other |> Option.map (comparison timing) |> Option.toList
                    ]
                Measurements =
                    [
                        for timing in timings do
                            if timing.Other.IsNone then
                                {
                                    Benchmark = timing.Benchmark
                                    What = timing.What
                                    Runs = timing.Runs
                                    Ours = ofSide timing.Ours
                                    Notes = timing.Notes
                                }
                    ]
            }

        AtomicFile.Write(path, (fun stream -> JsonSerializer.Serialize(stream, entry, options)))
