/// A prediction that is followed: the states it goes through, and where its queries look in each.
module DeqDet.Model.Tests.FollowingTests

open System
open Expecto
open TorchSharp
open DeqDet.Solver
open DeqDet.Model

let private floats (tensor: Tensor) =
    tensor.``to``(torch.float32).cpu().contiguous().data<float32>().ToArray()

let private followed (detector: Detector) (batch: ImageBatch) =
    use follower = new QueryFollower(detector)

    let found =
        Detector.detect
            { Effort.Unhurried with
                Observer = follower.Pass
            }
            detector
            batch

    found, follower.States found

let private near (expected: float32[]) (actual: float32[]) (message: string) =
    Expect.hasLength actual expected.Length message

    for a, b in Array.zip expected actual do
        Expect.isLessThan (abs (a - b)) (1e-4f * (1.0f + abs a)) message

let private path (detector: Detector) (batch: ImageBatch) =
    use _ = torch.no_grad ()
    let pyramid = Detector.pyramid None detector batch.Images

    pyramid,
    Decoder.path detector.Settings detector.Weights.Decoder pyramid (Detector.start detector batch)
    |> Seq.toArray

let private withTolerance (tolerance: float) (scheme: SchemeKind) (detector: Detector) =
    Detector.withSettings
        { detector.Settings with
            Solver =
                { detector.Settings.Solver with
                    Scheme = scheme
                    Tolerance = Some tolerance
                }
        }
        detector

[<Tests>]
let tests =
    testList
        "Following"
        [
            testCase
                "the points of a state are those that the next application reads, and their levels' weights sum to one"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator 3
                let settings = Small.settings DetectorKind.DeqDet
                let weights, _ = Small.decoder settings generator
                let pyramid = Small.pyramid settings 2 generator
                let start = Small.start settings weights (Small.targets [ 1; 2 ] (Random 4))

                for head in weights.Heads do
                    let _, trace = Refinement.applyTraced head pyramid start
                    let points = Refinement.points head start
                    Expect.equal points.shape trace.Points.shape "shape"
                    Expect.isTrue ((points - trace.Points).abs().max().ToDouble() = 0.0) "bit for bit"
                    Expect.isFalse points.requires_grad "no gradients"
                    let levels = points.select (-1L, 2L) |> Sampling.levelWeights pyramid.Strides
                    let sums = (levels.sum -1L) - scalar 1.0
                    Expect.isLessThan (sums.abs().max().ToDouble()) 1e-12 "weights"

            testCase
                "the states of an equilibrium are those of the prediction's path, with its residuals, points and classes"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let detector = ConvergenceTests.detectorOf DetectorKind.DeqDet 1
                let batch = ConvergenceTests.images 2 2
                let found, states = followed detector batch
                let pyramid, path = path detector batch
                Expect.hasLength states (detector.Settings.Solver.Steps + 2) "the init head's, and each application's"
                let heads = detector.Weights.Decoder.Heads

                for at in 0 .. states.Length - 1 do
                    let state, query = states[at], path[at + 1]
                    near (floats query.Box) state.Boxes $"boxes {at}"
                    near (floats (Refinement.points heads[1] query)) state.Points $"points {at}"
                    let reader = if at = 0 then heads[0] else heads[1]

                    let struct (scores, labels) =
                        (Refinement.classify reader query.Content).sigmoid().max -1L

                    near (floats scores) state.Scores $"scores {at}"
                    Expect.equal (labels.data<int64>().ToArray() |> Array.map int) state.Labels $"labels {at}"

                    Expect.hasLength
                        state.LevelWeights
                        (state.Points.Length / 3 * pyramid.Strides.Length)
                        "a weight for each level"

                    if at = 0 then
                        Expect.all state.Residuals Double.IsNaN "nothing came before"
                    else
                        let expected =
                            (QueryState.measure (QueryState.pack path[at]) (QueryState.pack query)).Absolute

                        near (floats expected) (Array.map float32 state.Residuals) $"residuals {at}"

                near (floats found.State.Box) (Array.last states).Boxes "the last one is read out"

            testCase
                "queries that have settled stay where they are, and the last state is the one that is read out under any scheme"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let detector = ConvergenceTests.detectorOf DetectorKind.DeqDet 5
                let batch = ConvergenceTests.images 1 6
                let _, plain = followed detector batch

                let tolerance =
                    let second = Array.sort plain[2].Residuals
                    second[second.Length / 2]

                for scheme in [ PicardScheme; AndersonScheme ] do
                    let found, states = followed (withTolerance tolerance scheme detector) batch
                    let evaluations = found.Reports[0] |> Array.map _.Evaluations
                    Expect.hasLength states (Array.max evaluations + 1) $"{scheme}: as many as were needed"
                    let last = Array.last states
                    near (floats found.State.Box) last.Boxes $"{scheme}: read out"

                    Expect.equal
                        last.Residuals
                        (found.Reports[0] |> Array.map _.RelativeResidual)
                        $"{scheme}: as reported"

                    for query, steps in Array.indexed evaluations do
                        for at in steps .. states.Length - 1 do
                            Expect.equal
                                states[at].Boxes[4 * query .. 4 * query + 3]
                                states[steps].Boxes[4 * query .. 4 * query + 3]
                                $"{scheme}: query {query} stays from {steps} on"

            testCase "stages are followed head by head; after the last one nothing is read"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                for kind in [ DetectorKind.FfnDet; DetectorKind.AdaMixer ] do
                    let detector = ConvergenceTests.detectorOf kind 9
                    let batch = ConvergenceTests.images 1 4
                    let found, states = followed detector batch
                    let _, path = path detector batch
                    let heads = detector.Weights.Decoder.Heads
                    Expect.hasLength states heads.Length "one each"

                    for at in 0 .. heads.Length - 1 do
                        near (floats path[at + 1].Box) states[at].Boxes $"{kind}: boxes {at}"

                        match List.tryItem (at + 1) heads with
                        | Some next -> near (floats (Refinement.points next path[at + 1])) states[at].Points "points"
                        | None -> Expect.isEmpty states[at].Points "nothing follows"

                    near (floats found.State.Box) (Array.last states).Boxes $"{kind}: read out"

            testCase "following changes no number of the prediction"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let detector = ConvergenceTests.detectorOf DetectorKind.DeqDet 11
                let batch = ConvergenceTests.images 2 12
                let expected = Detector.detect Effort.Unhurried detector batch
                let found, _ = followed detector batch

                for a, b in Seq.zip (Detections.tensors expected) (Detections.tensors found) do
                    Expect.isTrue (torch.equal(a, b).all().item<bool>()) "the same numbers"
        ]
