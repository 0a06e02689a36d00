namespace DeqDet.Benchmarks

open System
open TorchSharp
open DeqDet
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Solver

/// Training: a supervised step of the path, and a whole step of the optimiser.
module TrainingBenchmark =

    let private name = "train"
    let private unmeasured = 1

    /// Boxes to be found in an image: COCO's mean.
    let private boxes = 7

    /// Boxes in an image, xyxy px.
    let private corners (subject: Subject) (image: int) : Box[] =
        let random = SplitMix64.For(subject.Seed, ReadOnlySpan [| int64 image |])

        [|
            for _ in 1..boxes ->
                let width = float subject.Size.Width * (0.05 + 0.4 * random.Unit())
                let height = float subject.Size.Height * (0.05 + 0.4 * random.Unit())
                let x = (float subject.Size.Width - width) * random.Unit()
                let y = (float subject.Size.Height - height) * random.Unit()
                Box(float32 x, float32 y, float32 (x + width), float32 (y + height))
        |]

    /// Noise with boxes in it, as the loader would give it.
    let private batch (subject: Subject) : Batch =
        let width, height = subject.Size.Width, subject.Size.Height

        let about image =
            BatchImage(
                CocoId(int64 image),
                $"noise {image}",
                width,
                height,
                width,
                height,
                1f,
                1f,
                corners subject image,
                [| for box in 0 .. boxes - 1 -> box % subject.Settings.Detector.Classes |]
            )

        let batch =
            new Batch([| for image in 1 .. subject.Images -> about image |], width, height)

        use _ = torch.NewDisposeScope()
        use images = (Subject.images subject).Images.cpu()
        images.data<float32>().ToArray().AsSpan().CopyTo batch.Pixels
        batch

    /// Two applications with gradients from a state of the path, the losses of the second, and the way back.
    let private supervised (detector: Detector) (pyramid: Pyramid) (query: Query) (targets: Target list) : Workload =
        fun _ ->
            use _ = torch.NewDisposeScope()
            let settings, head = detector.Settings, Subject.head detector

            let map rows =
                QueryState.unpack rows |> Refinement.apply head pyramid |> QueryState.pack

            let attached = (Gradient.unrolled 2).Attach map (QueryState.pack query)
            let reached = QueryState.unpack attached.State
            let logits = Refinement.classify head reached.Content

            let matching =
                Matching.run settings.Matching settings.Loss targets logits reached.Box

            let terms = Losses.compute settings.Loss targets matching logits reached.Box
            (Losses.total terms).backward()

    /// A step of the optimiser at a learning rate of zero, so that every run finds the same weights.
    let private step (state: TrainingState) (subject: Subject) (batch: Batch) : Workload =
        let work =
            {
                Device = subject.Device
                Seed = subject.Seed
                Parts = 1
                Processes = Processes.Alone
                Sums = None
            }

        fun _ -> TrainingStep.run work state 0.0 batch |> ignore

    let private work (computation: Computation) (cost: Cost) : Work =
        {
            Name =
                (if computation.IsFast then
                     Subject.nameOf computation
                 else
                     "plain fp32")
            Precision = computation.Precision
            Cost = Some cost
        }

    let private compare (subject: Subject) what cost (ours: Detector * Workload) (other: Detector * Workload) : Timing =
        let work (detector: Detector, _) =
            work detector.Computation (cost (Subject.width detector.Computation.Precision))

        Subject.interleave subject unmeasured (snd ours) (snd other)
        |> Timing.compared name what (subject.Rates()) (work ours) (work other) None

    let private supervisedStep (subject: Subject) ours plain (batch: Batch) : Timing =
        use _ = torch.NewDisposeScope()

        let query, targets =
            Subject.queries subject, BatchTensors.targets subject.Device batch

        let pyramid = Subject.pyramid subject

        // in the layout and with the gradients that a training gives them
        let leaves (detector: Detector) =
            let arranged = Sampling.arrange detector.Computation pyramid

            { arranged with
                Levels = arranged.Levels |> List.map (fun level -> level.detach().requires_grad_ true)
            }
            |> Supervision.leaves detector.Computation

        let side detector =
            detector, supervised detector (leaves detector) query targets

        compare
            subject
            "a supervised step: two applications, losses, and backward"
            (fun width -> Cost.supervisedStep width subject.Settings.Detector subject.Images 2)
            (side ours)
            (side plain)

    let private wholeStep (subject: Subject) ours plain (batch: Batch) : Timing =
        let state detector : TrainingState =
            {
                Detector = detector
                Optimiser = new Optimiser(detector, subject.Settings.Optimiser)
                Averages = None
                LossScale = LossScale.start detector.Computation.Precision
                Thresholds = None
                Progress = Progress.start
            }

        let ours, plain = state ours, state plain
        use _ = ours.Optimiser
        use _ = plain.Optimiser

        let side (state: TrainingState) =
            state.Detector, step state subject batch

        let images = Counted.Of(subject.Images, "image")

        compare
            subject
            $"a step of the optimiser, {images}"
            (fun width -> Cost.trainingStep width subject.Settings.Detector subject.Images subject.Size)
            (side ours)
            (side plain)

    /// A supervised step and a whole step in float32 against the plain computation, in another precision against ours in float32. Each timing is
    /// reported as soon as it is there.
    let run (subject: Subject) (report: Timing -> unit) : unit =
        use batch = batch subject

        // as a training with these settings has it: what is frozen costs no way back
        let subject =
            { subject with
                Detector = Detector.freeze (OptimiserRules.isFrozen subject.Settings.Optimiser) subject.Detector
            }

        let other =
            if subject.Precision = Precision.Fp32 then
                Detector.withComputation Computation.Plain
            else
                Detector.forTraining Precision.Fp32

        Subject.inTwoWays (Detector.forTraining subject.Precision) other subject (fun ours other ->
            supervisedStep subject ours other batch |> report
            wholeStep subject ours other batch |> report)
