namespace DeqDet.Benchmarks

open DeqDet
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Model.Backbones

/// A whole prediction, from pixels to detections, by its parts.
module ImageBenchmark =

    let private name = "image"

    /// Two, as packed weights are made in the second use.
    let private unmeasured = 2

    /// What Detector.detect does, part by part; returns the evaluations of each query.
    let private predict (detector: Detector) (batch: ImageBatch) (stages: Stages) : float list =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()

        let features =
            stages.Time "backbone" (fun () -> Backbone.apply None detector.Weights.Backbone batch.Images)

        let pyramid =
            stages.Time "neck" (fun () ->
                let levels = scoped Seq.ofList (fun () -> Neck.apply detector.Weights.Neck features)

                Sampling.arrange
                    detector.Computation
                    {
                        Levels = levels
                        Strides = Detector.strides
                    })

        for map in features do
            map.Dispose()

        let settled =
            stages.Time "decoder" (fun () ->
                Detector.start detector batch
                |> Decoding.solve detector.Settings Effort.Unhurried detector.Weights.Decoder pyramid None)

        stages.Time "read-out" (fun () -> Detections.ofSettled detector.Settings.Queries settled |> ignore)

        [
            for queries in settled.Reports do
                for query in queries -> float query.Evaluations
        ]

    let private solving (tolerance: float option) (detector: Detector) : Detector =
        let settings = detector.Settings

        Detector.withSettings
            { settings with
                Solver =
                    { settings.Solver with
                        Tolerance = tolerance
                        BudgetMs = None
                    }
            }
            detector

    let private cost (subject: Subject) (precision: Precision) : Cost =
        (Cost.ofDetector (Subject.width precision) subject.Settings.Detector subject.Images subject.Size).Prediction

    let private compare (subject: Subject) what (ours: Detector) (plain: Detector) batch (counted: bool) : Timing =
        Subject.interleave subject unmeasured (predict ours batch >> ignore) (predict plain batch >> ignore)
        |> Timing.compared
            name
            what
            (subject.Rates())
            {
                Name = Subject.nameOf ours.Computation
                Precision = subject.Precision
                Cost =
                    if counted then
                        Some(cost subject subject.Precision)
                    else
                        None
            }
            {
                Name = "plain fp32"
                Precision = Precision.Fp32
                Cost = Some(cost subject Precision.Fp32)
            }
            None

    /// Against the plain computation with all applications; where the settings have a tolerance, also with early exit against the same.
    /// Each timing is reported as soon as it is there.
    let run (subject: Subject) (report: Timing -> unit) : unit =
        use _ = torch.NewDisposeScope()
        let batch = Subject.images subject
        let images = Counted.Of(subject.Images, "image")
        let solver = subject.Settings.Detector.Solver

        Subject.bothWays (Subject.inPrecision subject.Precision) subject (fun ours plain ->
            let plain = solving None plain

            compare subject $"{images}, all applications" (solving None ours) plain batch true
            |> report

            match solver.Tolerance with
            | Some tolerance when Family.hasEquilibrium subject.Settings.Detector ->
                let ours = solving solver.Tolerance ours
                let evaluations = predict ours batch (Stages subject.Device)

                let early =
                    compare subject $"{images}, early exit at {tolerance}" ours plain batch false

                report
                    { early with
                        Notes =
                            [
                                $"{List.average evaluations:``0.0``} applications of the refinement head to a query of {solver.Steps + 1} at most"
                            ]
                    }
            | _ -> ())
