/// Small detectors' decoders with random weights, pyramids and targets, in float64, so that tests can be strict.
module DeqDet.Model.Tests.Small

open System
open System.Collections.Generic
open TorchSharp
open DeqDet.Model

/// A decoder of the given kind that takes milliseconds.
let settings (kind: DetectorKind) : DetectorSettings =
    let published = DetectorSettings.published

    { published with
        Kind = kind
        Classes = 3
        Backbone =
            { published.Backbone with
                Kind = ResNet18
                FrozenStages = -1
            }
        Queries =
            {
                Count = 6
                Detections = 6
                Inject = false
            }
        Head =
            {
                Channels = 16
                Heads = 2
                Groups = 2
                PointsIn = 4
                PointsOut = 6
                FeedForward = 24
                Stages = 3
                StageWeights = []
            }
        Solver = SolverSettings.ofSteps 5
        Rag =
            { published.Rag with
                Supervised = [ 1; 3; 5 ]
            }
        Rap =
            {
                ContentProbability = 0.5
                ContentIntensity = 0.1
                PositionProbability = 0.5
                PositionIntensity = 8.0
            }
    }

let generator (seed: int) =
    new torch.Generator(uint64 (abs seed), torch.CPU)

/// Standard normal numbers.
let normal (shape: int list) (generator: torch.Generator) =
    torch.randn ([| for n in shape -> int64 n |], dtype = torch.float64, generator = generator)

/// A decoder with weights near, but not at, their initial values: no part is neutral. The weights by name are leaves.
let decoder
    (settings: DetectorSettings)
    (generator: torch.Generator)
    : DecoderWeights * IReadOnlyDictionary<string, Tensor> =
    let leaves = Dictionary()

    let find (spec: Spec) =
        use drawn = Initialiser.draw generator spec
        use noise = torch.randn (spec.Shape, dtype = torch.float64, generator = generator)
        let leaf = (drawn.``to`` torch.float64 + noise * scalar 0.1).detach()
        leaf.requires_grad <- spec.Trainable
        leaves[spec.Name] <- leaf
        leaf

    WeightSource.build find (Decoder.create settings), leaves

/// Feature maps of images padded to 64 x 64; the maps are leaves.
let pyramid (settings: DetectorSettings) (images: int) (generator: torch.Generator) : Pyramid =
    {
        Levels =
            [
                for stride in Detector.strides ->
                    (normal [ images; settings.Head.Channels; 64 / stride; 64 / stride ] generator).requires_grad_ true
            ]
        Strides = Detector.strides
    }

/// Valid sizes of images, each a little different.
let sizes (images: int) : struct (float * float) list =
    [
        for i in 0 .. images - 1 -> struct (64.0 - 5.0 * float i, 50.0 + 3.0 * float i)
    ]

/// So many boxes for each image.
let targets (boxes: int list) (random: Random) : Target list =
    [
        for struct (w, h), count in List.zip (sizes boxes.Length) boxes ->
            let coordinates =
                [|
                    for _ in 1..count do
                        let x, y = random.NextDouble() * 40.0, random.NextDouble() * 30.0
                        x
                        y
                        x + 4.0 + random.NextDouble() * 20.0
                        y + 4.0 + random.NextDouble() * 20.0
                |]

            {
                Boxes = torch.tensor(coordinates).view(-1L, 4L)
                Labels = torch.tensor [| for _ in 1..count -> random.NextInt64 3L |]
                Size = struct (w, h)
            }
    ]

/// The queries that images of these valid sizes start from.
let start (settings: DetectorSettings) (weights: DecoderWeights) (targets: Target list) : Query =
    Decoder.initial
        (Family.ofSettings settings).Initial
        weights.Initial
        (Matching.sizes targets weights.Initial.Contents)

/// Perturbations, each with probability one half.
let draws (settings: DetectorSettings) (images: int) (random: Random) (generator: torch.Generator) : RapDraw list =
    let noise width =
        if random.Next 2 = 0 then
            None
        else
            Some(normal [ images; settings.Queries.Count; width ] generator)

    [
        for _ in 1 .. settings.Solver.Steps ->
            {
                ContentNoise = noise settings.Head.Channels
                PositionNoise = noise 4
            }
    ]

/// Largest difference relative to the largest expected magnitude (or 1e-6, whatever is larger).
let difference (expected: Tensor) (actual: Tensor) : float =
    use _ = torch.NewDisposeScope()
    let scale = max 1e-6 (expected.abs().max().ToDouble())
    (expected - actual).abs().max().ToDouble() / scale
