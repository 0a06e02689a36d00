namespace DeqDet.Benchmarks

open TorchSharp
open DeqDet.Kernels
open DeqDet.Model

/// One application of the refinement head: the step that is repeated until queries settle.
module StepBenchmark =

    let private name = "step"

    /// TorchScript needs some runs to record and optimise; packed weights are made in the second use.
    let private unmeasured = 4

    let private what = "one application of the refinement head"

    /// A detector with the maps that it reads, in the layout in which its neck leaves them.
    type private Reader = { Detector: Detector; Maps: Pyramid }

    let private reader (pyramid: Pyramid) (detector: Detector) : Reader =
        {
            Detector = detector
            Maps = Sampling.arrange detector.Computation pyramid
        }

    let private apply (reader: Reader) (query: Query) : Workload =
        fun _ ->
            use _ = torch.NewDisposeScope()
            Refinement.apply (Subject.head reader.Detector) reader.Maps query |> ignore

    /// With the class logits, as a module of the whole application has them.
    let private classified (reader: Reader) (query: Query) : Tensor list =
        let head = Subject.head reader.Detector
        let refined = Refinement.apply head reader.Maps query

        List.ofSeq (Query.tensors refined)
        @ [ Refinement.classify head refined.Content ]

    let private cost (subject: Subject) (precision: Precision) : Cost =
        let settings = subject.Settings.Detector
        let queries = settings.Queries.Count
        Cost.application (Subject.width precision) settings.Head subject.Images queries queries

    let private againstPlain (subject: Subject) (ours: Reader) (plain: Reader) query : Timing =
        let difference =
            use _ = torch.NewDisposeScope()
            Subject.difference (classified ours query) (classified plain query)

        Subject.interleave subject unmeasured (apply ours query) (apply plain query)
        |> Timing.compared
            name
            what
            (subject.Rates())
            {
                Name = Subject.nameOf ours.Detector.Computation
                Precision = subject.Precision
                Cost = Some(cost subject subject.Precision)
            }
            {
                Name = "plain fp32"
                Precision = Precision.Fp32
                Cost = Some(cost subject Precision.Fp32)
            }
            (Some difference)

    /// How far a module's results are from ours.
    let private differenceFrom (ours: Reader) pyramid query (other: ScriptedApplication) : float =
        use _ = torch.NewDisposeScope()
        let expected = classified ours query
        Subject.difference expected (other.Check(pyramid, query, expected))

    let private againstModule
        (subject: Subject)
        (ours: Reader)
        pyramid
        query
        (other: ScriptedApplication)
        difference
        : Timing =
        let run: Workload =
            fun _ ->
                use _ = torch.NewDisposeScope()
                classified ours query |> ignore

        let cost precision =
            let settings = subject.Settings.Detector

            cost subject precision
            + Cost.classes (Subject.width precision) settings (subject.Images * settings.Queries.Count)

        Subject.interleave subject unmeasured run (fun _ -> other.Run(pyramid, query))
        |> Timing.compared
            name
            $"{what}, with class logits"
            (subject.Rates())
            {
                Name = Subject.nameOf ours.Detector.Computation
                Precision = subject.Precision
                Cost = Some(cost subject.Precision)
            }
            {
                Name = other.Name
                Precision = Precision.Fp32
                Cost = Some(cost Precision.Fp32)
            }
            (Some difference)

    /// Against the plain computation, and against another's module where there is one, which is checked before anything is timed. Each
    /// timing is reported as soon as it is there. Raises InputError where the module cannot be called.
    let run (subject: Subject) (other: ScriptedApplication option) (report: Timing -> unit) : unit =
        use _ = torch.no_grad ()
        use _ = torch.NewDisposeScope()
        let pyramid, query = Subject.pyramid subject, Subject.queries subject

        Subject.bothWays (Subject.inPrecision subject.Precision) subject (fun ours plain ->
            let ours, plain = reader pyramid ours, reader pyramid plain
            let differences = other |> Option.map (differenceFrom ours pyramid query)
            againstPlain subject ours plain query |> report

            Option.map2 (againstModule subject ours pyramid query) other differences
            |> Option.iter report)
