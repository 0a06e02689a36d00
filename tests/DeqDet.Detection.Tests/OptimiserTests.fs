/// Whole steps of the optimiser against the formulas of PyTorch, number by number in float64.
module DeqDet.Detection.Tests.OptimiserTests

open System
open Expecto
open TorchSharp
open TorchSharp.Modules
open DeqDet.Detection
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 20
    }

/// Two rules, so three groups: rate and decay of the first match are those of every other group.
let private settings: OptimiserSettings =
    {
        Lr = 0.01
        WeightDecay = 0.1
        Betas = [ 0.9; 0.99 ]
        Eps = 1e-8
        ClipNorm = 1.0
        Freeze = []
        Rules =
            [
                {
                    Match = "bbox_head"
                    Lr = 4.0
                    Decay = 0.5
                }
                {
                    Match = "norm"
                    Lr = 1.0
                    Decay = 0.0
                }
            ]
    }

/// Names and shapes, with the learning rate and the decay that the rules above give them. They are not in the order of their groups.
let private parameters =
    [
        "backbone.conv.weight", [ 3L; 2L ], 0.01, 0.1
        "backbone.norm.bias", [ 4L ], 0.01, 0.0
        "roi_head.bbox_head.0.fc.weight", [ 2L; 2L ], 0.04, 0.05
        "neck.conv.bias", [ 3L ], 0.01, 0.1
        "roi_head.bbox_head.0.fc.bias", [ 2L ], 0.04, 0.05
    ]

/// One parameter as the formulas see it.
type private Expected =
    {
        Rate: float
        Decay: float
        Value: float[]
        Mean: float[]
        Square: float[]
        Steps: int
    }

/// torch.nn.utils.clip_grad_norm_: the norm over all parameters together, and the gradients times min(1, max / (norm + 1e-6)).
let private clip (largest: float) (gradients: float[] option list) =
    let norm =
        gradients
        |> List.sumBy (Option.map (Array.sumBy (fun g -> g * g)) >> Option.defaultValue 0.0)
        |> sqrt

    let factor = min 1.0 (largest / (norm + 1e-6))
    norm, gradients |> List.map (Option.map (Array.map (fun g -> g * factor)))

/// torch.optim.AdamW (Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019, algorithm 2): with t steps so far,
/// w <- w - r d w;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  w <- w - r (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
/// A parameter without gradient stays as it is.
let private advance (factor: float) (parameter: Expected) (gradient: float[] option) : Expected =
    match gradient with
    | None -> parameter
    | Some gradient ->
        let b1, b2 = settings.Betas[0], settings.Betas[1]
        let rate, steps = parameter.Rate * factor, parameter.Steps + 1
        let value = Array.copy parameter.Value
        let mean, square = Array.copy parameter.Mean, Array.copy parameter.Square

        for i in 0 .. value.Length - 1 do
            value[i] <- value[i] - rate * parameter.Decay * value[i]
            mean[i] <- b1 * mean[i] + (1.0 - b1) * gradient[i]
            square[i] <- b2 * square[i] + (1.0 - b2) * gradient[i] * gradient[i]
            let m = mean[i] / (1.0 - Math.Pow(b1, float steps))
            let v = square[i] / (1.0 - Math.Pow(b2, float steps))
            value[i] <- value[i] - rate * m / (sqrt v + settings.Eps)

        { parameter with
            Value = value
            Mean = mean
            Square = square
            Steps = steps
        }

let private leafOf (name: string) (shape: int64 list) =
    {
        Name = name
        Shape = Array.ofList shape
        Role = Role.Parameter
        Trainable = true
        Initialiser = Constant 0.0
        Integer = false
    }

/// An optimiser works on the list of tensors alone.
let private detectorOf leaves =
    {
        Settings = DetectorSettings.published
        Weights = Unchecked.defaultof<DetectorWeights>
        Tensors = [ for spec, (leaf: Parameter) in leaves -> spec, leaf :> torch.Tensor ]
        Computation = Computation.Plain
        Kept = []
    }

let private numbers (tensor: torch.Tensor) = tensor.data<float>().ToArray()

let private close (expected: float[]) (actual: float[]) (what: string) =
    Expect.equal actual.Length expected.Length what

    for e, a in Array.zip expected actual do
        Expect.isLessThanOrEqual (abs (a - e)) (1e-12 * (1.0 + abs e)) what

[<Tests>]
let tests =
    testList
        "Optimiser"
        [
            testPropertyWithConfig config "steps are those of PyTorch: groups, decay, clipping, rates"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let random = Random seed

                let draw n scale =
                    Array.init n (fun _ -> scale * (2.0 * random.NextDouble() - 1.0))

                let leaves =
                    [
                        for name, shape, _, _ in parameters ->
                            let size = int (List.fold (*) 1L shape)
                            let values = draw size 1.0

                            leafOf name shape, new Parameter(torch.tensor(values).reshape(Array.ofList shape), true)
                    ]

                use optimiser = new Optimiser(detectorOf leaves, settings)

                let mutable expected =
                    [
                        for (_, _, rate, decay), (_, leaf) in List.zip parameters leaves ->
                            let value = numbers leaf

                            {
                                Rate = rate
                                Decay = decay
                                Value = value
                                Mean = Array.zeroCreate value.Length
                                Square = Array.zeroCreate value.Length
                                Steps = 0
                            }
                    ]

                // gradients that are clipped and others that are not, under a rate that warms up, falls, and is nothing at last
                for scale, factor in [ 10.0, 0.001; 0.01, 0.5; 1e3, 1.0; 0.05, 1.0; 1e-9, 1.0; 3.0, 0.1; 1.0, 0.0 ] do
                    optimiser.ZeroGradients()

                    let gradients =
                        [
                            for _, leaf in leaves ->
                                if random.Next 5 = 0 then
                                    None
                                else
                                    Some(draw (int (leaf.numel ())) scale)
                        ]

                    for (_, leaf), gradient in List.zip leaves gradients do
                        leaf.grad <-
                            match gradient with
                            | None -> null
                            | Some values -> torch.tensor(values).reshape leaf.shape

                    let norm, clipped = clip settings.ClipNorm gradients
                    close [| norm |] [| optimiser.ClipGradients() |] "norm"
                    optimiser.Step factor
                    expected <- List.map2 (advance factor) expected clipped

                    for (spec, leaf), expected in List.zip leaves expected do
                        close expected.Value (numbers leaf) $"{spec.Name} at scale {scale}"

                let state = Map(optimiser.State())

                for (spec, _), expected in List.zip leaves expected do
                    close expected.Mean (numbers state[$"optimiser.exp_avg.{spec.Name}"]) "mean of the gradients"
                    close expected.Square (numbers state[$"optimiser.exp_avg_sq.{spec.Name}"]) "mean of their squares"
                    Expect.equal (state[$"optimiser.step.{spec.Name}"].item<int64>()) (int64 expected.Steps) "steps"

            testCase "the first step is the learning rate, whatever the size of the gradient"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let gradient = [| 3.0; -200.0; 1e-3 |]
                let leaf = new Parameter(torch.zeros ([| 3L |], torch.float64), true)

                use optimiser =
                    new Optimiser(detectorOf [ leafOf "neck.conv.bias" [ 3L ], leaf ], { settings with ClipNorm = 1e9 })

                leaf.grad <- torch.tensor gradient
                optimiser.ClipGradients() |> ignore
                optimiser.Step 0.5

                for g, w in Array.zip gradient (numbers leaf) do
                    Expect.isLessThan (abs (w + 0.005 * float (sign g))) 1e-6 $"gradient {g}"

            testCase "TorchSharp's AdamW ends with the same bits"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use random = new torch.Generator(5uL)

                let draw (shape: int64 list) =
                    torch.randn (Array.ofList shape, generator = random)

                let leaves =
                    [
                        for name, shape, _, _ in parameters -> leafOf name shape, new Parameter(draw shape, true)
                    ]

                let twins = [ for _, leaf in leaves -> new Parameter(leaf.detach().clone(), true) ]

                use optimiser = new Optimiser(detectorOf leaves, settings)

                let groups =
                    [
                        for (_, _, rate, decay), twin in List.zip parameters twins ->
                            rate, new AdamW.ParamGroup([| twin |], rate, 0.9, 0.99, 1e-8, decay, false, false)
                    ]

                use theirs =
                    torch.optim.AdamW([| for _, group in groups -> group |], 0.01, 0.9, 0.99, 1e-8)

                for factor in [ 0.001; 0.5; 1.0; 0.3; 0.0 ] do
                    for (_, leaf), twin in List.zip leaves twins do
                        let gradient = draw (List.ofArray leaf.shape)
                        leaf.grad <- gradient
                        twin.grad <- gradient.clone ()

                    optimiser.Step factor

                    for rate, group in groups do
                        group.LearningRate <- rate * factor

                    theirs.step () |> ignore

                    for (spec, leaf), twin in List.zip leaves twins do
                        Expect.equal (leaf.data<float32>().ToArray()) (twin.data<float32>().ToArray()) spec.Name
        ]
