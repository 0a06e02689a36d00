/// What `trace` measures: residual paths, read-outs by depth and tolerance, and the spectral radius of the true Jacobian.
module DeqDet.Model.Tests.ConvergenceTests

open System.Threading
open Expecto
open TorchSharp
open DeqDet.Solver
open DeqDet.Model

let private numbers (tensor: Tensor) =
    tensor.``to``(torch.float64).contiguous().data<float>().ToArray()

/// A whole detector with random float64 weights near their initial values.
let detectorOf (kind: DetectorKind) (seed: int) : Detector =
    let small = Small.settings kind

    let settings =
        { small with
            Backbone =
                { small.Backbone with
                    Kind = ResNet18
                    Width = 8
                }
            // the neck normalises in 32 groups
            Head = { small.Head with Channels = 32 }
        }

    use generator = Small.generator seed

    Detector.build settings (fun spec ->
        let drawn = (Initialiser.draw generator spec).``to`` torch.float64

        if spec.Role = Parameter then
            drawn
            + torch.randn (spec.Shape, dtype = torch.float64, generator = generator)
              * scalar 0.05
        else
            drawn)

let images (count: int) (seed: int) : ImageBatch =
    use generator = Small.generator seed

    {
        Images = Small.normal [ count; 3; 64; 64 ] generator
        Sizes = Small.sizes count
    }

let private picard detector =
    Convergence.schemes detector |> List.head

let private follow applications detector ready =
    Convergence.follow (picard detector) applications CancellationToken.None detector ready

[<Tests>]
let tests =
    testList
        "Convergence"
        [
            testCase "a path holds the residuals between the states of the prediction's path"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let detector = detectorOf DetectorKind.DeqDet 1
                let batch = images 2 2
                let ready = Convergence.prepare detector batch
                let paths, last = follow 6 detector ready

                // initial state, after the init head, after each of steps + 1 = 6 applications
                let states =
                    Decoder.path
                        detector.Settings
                        detector.Weights.Decoder
                        ready.Pyramid
                        (Detector.start detector batch)
                    |> Seq.map QueryState.pack
                    |> Seq.toArray

                Expect.equal paths.Length 2 "images"

                for image in 0..1 do
                    for at in 0..5 do
                        let before, after =
                            states[at + 1].select(0L, int64 image), states[at + 2].select(0L, int64 image)

                        for name, expected, found in
                            [
                                "residual", (QueryState.measure before after).Absolute, paths[image].Residual
                                "shift", QueryState.shift before after, paths[image].Shift
                                "change", QueryState.change before after, paths[image].Change
                            ] do
                            for query, value in Array.indexed (numbers expected) do
                                let message = $"{name} of query {query} of image {image} at {at}"
                                Expect.floatClose Accuracy.medium (found[at].[query]) value message

                Expect.isLessThan (Small.difference states[7] (QueryState.pack last)) 1e-9 "the last state"

            testCase "the read-out at the depth of training is the prediction"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let detector = detectorOf DetectorKind.DeqDet 3
                let batch = images 2 4
                let found = Detector.detect Effort.Unhurried detector batch
                let ready = Convergence.prepare detector batch

                match Convergence.readOuts [ 1; 6 ] detector ready with
                | [ first; sixth ] ->
                    Expect.isLessThan (Small.difference found.Scores sixth.Scores) 1e-9 "scores"
                    Expect.isLessThan (Small.difference found.Boxes sixth.Boxes) 1e-9 "boxes"
                    Expect.isLessThan (Small.difference found.State.Content sixth.State.Content) 1e-9 "state"
                    let best = Convergence.scores detector sixth.State |> Array.map Array.max
                    Expect.sequenceEqual (numbers (found.Scores.select (1L, 0L))) best "the best query's score"
                    Expect.isGreaterThan (Small.difference found.Boxes first.Boxes) 1e-3 "another one at depth 1"
                | other -> failtest $"{other.Length} read-outs"

            testCase "queries stop at their tolerance, and never later than allowed"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let detector = detectorOf DetectorKind.DeqDet 5
                let ready = Convergence.prepare detector (images 2 6)

                let evaluations tolerance =
                    (Convergence.readOutWithin tolerance 4 detector ready).Reports
                    |> Array.map (Array.map (fun report -> report.Evaluations))

                Expect.equal (evaluations 1e6) (Array.init 2 (fun _ -> Array.create 6 1)) "at once"
                Expect.equal (evaluations 1e-12) (Array.init 2 (fun _ -> Array.create 6 4)) "never"

                // Between these: the path of queries that never stop says when each comes within the tolerance, as long as none has
                // stopped before it (then the others see it at rest).
                let paths, _ = follow 4 detector ready

                let tolerance =
                    let second = paths |> Array.collect (fun path -> path.Residual[1]) |> Array.sort
                    second[second.Length / 2]

                for path, found in Array.zip paths (evaluations tolerance) do
                    let reached =
                        [|
                            for query in 0..5 ->
                                path.Residual
                                |> Array.tryFindIndex (fun residuals -> residuals[query] <= tolerance)
                                |> Option.map (fun at -> at + 1)
                                |> Option.defaultValue 4
                        |]

                    let first = Array.min reached

                    for reached, found in Array.zip reached found do
                        if reached = first then
                            Expect.equal found first "as soon as it is within the tolerance"
                        else
                            Expect.isGreaterThan found first "not before it is"

                let different = evaluations tolerance |> Array.concat |> Array.distinct
                Expect.isGreaterThan different.Length 1 "queries stop one by one"

            testCase "the spectral radius is that of the map itself, by differences"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let detector = detectorOf DetectorKind.DeqDet 7
                let ready = Convergence.prepare detector (images 1 8)
                let head = detector.Weights.Decoder.Heads[1]
                let point = QueryState.pack ready.First
                let size = point.numel ()

                // the map that prediction iterates, which knows nothing of derivatives
                let map (state: Tensor) =
                    state.view_as point
                    |> QueryState.unpack
                    |> Refinement.apply head ready.Pyramid
                    |> QueryState.pack
                    |> fun image -> image.view -1L

                let columns =
                    [|
                        for i in 0L .. size - 1L ->
                            let step = torch.zeros (size, dtype = torch.float64)
                            step[i] <- torch.tensor 1e-6
                            let flat = point.view -1L
                            (map (flat + step) - map (flat - step)) / scalar 2e-6
                    |]

                let eigenvalues = torch.linalg.eigvals (torch.stack (columns, 1L))
                let expected = eigenvalues.abs().max().ToDouble()

                let options =
                    { Spectral.defaults with
                        Steps = 3000
                        Tolerance = 1e-7
                    }

                let report = (Convergence.spectrum options detector ready ready.First)[0]
                Expect.isTrue report.Converged $"{report}"
                Expect.floatClose { absolute = 1e-3; relative = 1e-3 } report.Radius expected "radius"

            testCase "what has no equilibrium is refused"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                for kind in [ DetectorKind.FfnDet; DetectorKind.AdaMixer ] do
                    let detector = detectorOf kind 9

                    Expect.throwsT<System.ArgumentException>
                        (fun () -> Convergence.prepare detector (images 1 1) |> ignore)
                        $"{kind}"
        ]
