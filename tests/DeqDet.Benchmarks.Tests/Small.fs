/// A detector that takes milliseconds, as something to be timed.
module DeqDet.Tests.Small

open System
open System.IO
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Benchmarks

let settings: Settings =
    let published = Settings.defaults

    { published with
        Detector =
            { published.Detector with
                Classes = 3
                Backbone =
                    { published.Detector.Backbone with
                        Kind = ResNet18
                        Width = 8
                        FrozenStages = -1
                    }
                Queries =
                    {
                        Count = 5
                        Detections = 5
                        Inject = false
                    }
                Head =
                    {
                        Channels = 32
                        Heads = 2
                        Groups = 2
                        PointsIn = 4
                        PointsOut = 6
                        FeedForward = 24
                        Stages = 2
                        StageWeights = []
                    }
                Solver = SolverSettings.ofSteps 3
                Rag =
                    { published.Detector.Rag with
                        Supervised = [ 1; 3 ]
                    }
            }
    }

let rates: Rates =
    {
        Fp32 = 1e12
        Bf16 = Some 2e12
        Copy = 1e11
    }

/// Uses a subject; its tensors are freed afterwards.
let withSubject (settings: Settings) (action: Subject -> 'T) : 'T =
    let detector = Subject.initialise settings.Detector 1L torch.CPU

    try
        action
            {
                Settings = settings
                Detector = detector
                Weights = "random"
                Images = 2
                Size = { Height = 32; Width = 64 }
                Precision = Precision.Fp32
                Seed = 1L
                Device = torch.CPU
                Pairs = Exactly 2
                Rates = fun () -> rates
            }
    finally
        Detector.dispose detector

/// Uses a folder of its own.
let inFolder (action: string -> 'T) : 'T =
    let folder = Directory.CreateTempSubdirectory("deqdet-bench-").FullName

    try
        action folder
    finally
        Directory.Delete(folder, recursive = true)

/// What a benchmark reports.
let timings (run: (Timing -> unit) -> unit) : Timing list =
    let found = ResizeArray()
    run found.Add
    List.ofSeq found

/// A sample of a run of so many seconds.
let sample (seconds: float) : Sample =
    {
        Seconds = seconds
        CpuSeconds = 2.0 * seconds
        MinorFaults = Some(100.0 * seconds)
        MajorFaults = Some 0.0
        Allocated = 1000.0 * seconds
        Peak = Some(1e6 * seconds)
        Resident = Some(1e5 * seconds)
        Parts = [ "first", 0.25 * seconds; "second", 0.75 * seconds ]
    }
