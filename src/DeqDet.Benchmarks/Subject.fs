namespace DeqDet.Benchmarks

open System
open System.Diagnostics
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings

/// What is timed, and how.
type Subject =
    {
        Settings: Settings
        /// Its trainable parameters require gradients.
        Detector: Detector
        /// Where its weights come from.
        Weights: string
        Images: int
        Size: ImageSize
        Precision: Precision
        Seed: int64
        Device: torch.Device
        Pairs: Pairs
        /// What the machine can do, as far as is seen.
        Rates: unit -> Rates
    }

module Subject =

    /// Classes of a model whose settings leave their number to the data: COCO's.
    let private usualClasses = 80

    /// Settings with what is given in the place of their own.
    let adapt (queries: int option) (tolerance: float option) (root: string option) (settings: Settings) : Settings =
        let detector = settings.Detector

        { settings with
            Detector =
                { detector with
                    Classes =
                        if detector.Classes = 0 then
                            usualClasses
                        else
                            detector.Classes
                    Queries =
                        { detector.Queries with
                            Count = defaultArg queries detector.Queries.Count
                        }
                    Solver =
                        { detector.Solver with
                            Tolerance = Option.orElse detector.Solver.Tolerance tolerance
                        }
                }
            Data =
                { settings.Data with
                    Root = defaultArg root settings.Data.Root
                }
        }

    /// A detector with the official initialisation, but that layers which begin at zero have small random weights: as they begin, no box
    /// moves and all queries are mixed alike, and kernels must not have it easier than on a trained model.
    let initialise (settings: DetectorSettings) (seed: int64) (device: torch.Device) : Detector =
        use generator = new torch.Generator(uint64 seed, torch.CPU)

        let alive (spec: Spec) : Spec =
            match spec.Initialiser, spec.Shape with
            | Constant 0.0, [| outputs; inputs |] ->
                // boxes move by a few hundredths of their size, points and mixing differ by some tenths
                let scale = if outputs = 4L then 0.03 else 0.3

                { spec with
                    Initialiser = Normal(scale / sqrt (float inputs))
                }
            | _ -> spec

        Detector.build settings (fun spec ->
            use _ = torch.NewDisposeScope()
            (Initialiser.draw generator (alive spec)).``to``(device).MoveToOuterDisposeScope())

    /// The head that is applied most often: the refinement head, or the last stage.
    let head (detector: Detector) : HeadWeights =
        List.last detector.Weights.Decoder.Heads

    /// Bytes a number that products read in a precision.
    let width (precision: Precision) : float =
        if precision = Precision.Fp32 then 4.0 else 2.0

    /// The best computation of this machine in a precision.
    let inPrecision (precision: Precision) : Detector -> Detector =
        Detector.withComputation (Computation(Computation.Best.Instructions, precision))

    /// What tables call a computation.
    let nameOf (computation: Computation) : string =
        $"{(string computation.Instructions).ToLowerInvariant()} {(string computation.Precision).ToLowerInvariant()}"

    /// Uses the same weights computed with in two ways; what their layers keep is freed afterwards.
    let inTwoWays
        (ours: Detector -> Detector)
        (others: Detector -> Detector)
        (subject: Subject)
        (action: Detector -> Detector -> 'T)
        : 'T =
        let ours, others = ours subject.Detector, others subject.Detector

        try
            action ours others
        finally
            Detector.release ours
            Detector.release others

    /// The same for ours and the plain way.
    let bothWays (ours: Detector -> Detector) (subject: Subject) (action: Detector -> Detector -> 'T) : 'T =
        inTwoWays ours (Detector.withComputation Computation.Plain) subject action

    let private random (subject: Subject) =
        new torch.Generator(uint64 subject.Seed, torch.CPU)

    let private onDevice (subject: Subject) (tensor: Tensor) : Tensor = tensor.``to`` subject.Device

    /// Maps of standard normal numbers, in which a neck's group normalisation leaves them.
    let pyramid (subject: Subject) : Pyramid =
        use generator = random subject

        let level stride =
            torch.randn (
                [|
                    int64 subject.Images
                    int64 subject.Settings.Detector.Head.Channels
                    int64 (subject.Size.Height / stride)
                    int64 (subject.Size.Width / stride)
                |],
                generator = generator
            )

        {
            Levels = scoped Seq.ofList (fun () -> [ for stride in Detector.strides -> onDevice subject (level stride) ])
            Strides = Detector.strides
        }

    /// Queries as they are on their way: boxes of all sizes from 16 px to the whole image everywhere in it, and contents as a layer norm
    /// leaves them.
    let queries (subject: Subject) : Query =
        use generator = random subject

        scoped Query.tensors (fun () ->
            let shape (last: int) =
                [|
                    int64 subject.Images
                    int64 subject.Settings.Detector.Queries.Count
                    int64 last
                |]

            let uniform low high =
                torch.rand (shape 1, generator = generator) * scalar (high - low) + scalar low

            let largest = Math.Log2(float (min subject.Size.Height subject.Size.Width))

            let position =
                [|
                    uniform 0.0 (float subject.Size.Width)
                    uniform 0.0 (float subject.Size.Height)
                    uniform (min 4.0 largest) largest
                    torch.randn (shape 1, generator = generator) * scalar 0.5
                |]

            let position = torch.cat (position, -1L) |> onDevice subject

            {
                Position = position
                Content =
                    torch.randn (shape subject.Settings.Detector.Head.Channels, generator = generator)
                    |> onDevice subject
                    |> Norm.plain 1
                Box = Boxes.decode position
            })

    /// Images of noise, all of them valid.
    let images (subject: Subject) : ImageBatch =
        use generator = random subject
        let size = subject.Size

        let shape = [| int64 subject.Images; 3L; int64 size.Height; int64 size.Width |]

        {
            Images = scoped Seq.singleton (fun () -> torch.randn (shape, generator = generator) |> onDevice subject)
            Sizes = List.replicate subject.Images struct (float size.Width, float size.Height)
        }

    /// A time that passes, from any origin.
    let clock () : unit -> TimeSpan =
        let watch = Stopwatch.StartNew()
        fun () -> watch.Elapsed

    /// Pairs of runs of two workloads, ours first, after so many runs of each that do not count: in those buffers are mapped, code is
    /// compiled and weights are packed.
    let interleave (subject: Subject) (unmeasured: int) (ours: Workload) (other: Workload) : (Sample * Sample) list =
        let take workload () = Sample.take subject.Device workload

        for _ in 1..unmeasured do
            take ours () |> ignore
            take other () |> ignore

        Pairs.interleave subject.Pairs (clock ()) (take ours) (take other)

    /// The largest difference of tensors from others, each relative to the largest magnitude of the other one.
    let difference (tensors: Tensor seq) (others: Tensor seq) : float =
        use _ = torch.NewDisposeScope()

        Seq.map2
            (fun (a: Tensor) (b: Tensor) ->
                let a, b = a.``to`` torch.float64, b.``to`` torch.float64
                let scale = max (numberOf (b.abs().max())) 1e-12
                numberOf ((a - b).abs().max()) / scale)
            tensors
            others
        |> Seq.max
