/// The refinement as a fixed-point problem: the official path by default, queries that come to rest, warm starts, gradients.
module DeqDet.Model.Tests.EquilibriumTests

open System
open System.Threading
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Solver
open DeqDet.Model

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 10
    }

let private numbers (tensor: Tensor) =
    tensor.``to``(torch.float64).contiguous().data<float>().ToArray()

/// A decoder whose refinement head contracts, as a random one does not: boxes stay (a random head moves them on and on, since a
/// position is a sum of moves), contents depend on themselves only a little.
let private calm (weights: DecoderWeights) =
    use _ = torch.no_grad ()
    let head = weights.Heads[1]
    head.BoxOut.Weight.zero_ () |> ignore
    head.BoxOut.Bias.zero_ () |> ignore
    head.FeedForwardNorm.Weight.mul_ (0.01.ToScalar()) |> ignore
    head.FeedForwardNorm.Bias.add_ (1.0.ToScalar()) |> ignore
    weights

type private Case =
    {
        Settings: DetectorSettings
        Weights: DecoderWeights
        Pyramid: Pyramid
        Start: Query
    }

let private caseOf
    (prepare: DecoderWeights -> DecoderWeights)
    (seed: int)
    (images: int)
    (change: SolverSettings -> SolverSettings)
    : Case =
    let settings = Small.settings DetectorKind.DeqDet

    let settings =
        { settings with
            Solver = change settings.Solver
        }

    use generator = Small.generator seed
    let weights = fst (Small.decoder settings generator) |> prepare

    {
        Settings = settings
        Weights = weights
        Pyramid = Small.pyramid settings images generator
        Start = Small.start settings weights (Small.targets (List.replicate images 0) (Random seed))
    }

let private case = caseOf calm

let private solve (case: Case) =
    Decoding.solve case.Settings Effort.Unhurried case.Weights case.Pyramid None case.Start

let private tolerant scheme tolerance (solver: SolverSettings) =
    { solver with
        Scheme = scheme
        Steps = 60
        Tolerance = Some tolerance
    }

let private schemes = [ PicardScheme; AndersonScheme; BroydenScheme ]

[<Tests>]
let tests =
    testList
        "Equilibrium"
        [
            testPropertyWithConfig
                config
                "by default: the official path, bit for bit, with the residual of its last step"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let case = case seed 2 id
                let solved = solve case

                let path =
                    Decoder.path case.Settings case.Weights case.Pyramid case.Start |> List.ofSeq

                let last = List.last path
                Expect.equal (numbers solved.Query.Position) (numbers last.Position) "positions"
                Expect.equal (numbers solved.Query.Content) (numbers last.Content) "contents"
                Expect.equal (numbers solved.Query.Box) (numbers last.Box) "boxes"
                let before = QueryState.pack path[path.Length - 2]

                let residuals = numbers (QueryState.measure before (QueryState.pack last)).Relative

                for report, residual in Array.zip (Array.concat solved.Reports) residuals do
                    Expect.equal report.Evaluations 6 "applications of the refinement head"
                    Expect.isLessThan (abs (report.RelativeResidual - residual)) 1e-12 "residual"

            testCase "a single query settles as one does that is applied to by hand"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let tolerance = 1e-3
                let whole = case 5 2 (tolerant PicardScheme tolerance)

                let case =
                    { whole with
                        Start = whole.Start |> Query.map (fun tensor -> tensor.narrow(1L, 0L, 1L).contiguous())
                    }

                let solved = solve case
                let first = Refinement.apply case.Weights.Heads[0] case.Pyramid case.Start

                for image in 0L .. 1L do
                    let alone = Query.map (fun (tensor: Tensor) -> tensor.narrow (0L, image, 1L))

                    let pyramid =
                        { case.Pyramid with
                            Levels = case.Pyramid.Levels |> List.map _.narrow(0L, image, 1L)
                        }

                    let rec settle (count: int) (query: Query) =
                        let next = Refinement.apply case.Weights.Heads[1] pyramid query

                        let residual =
                            (numbers (QueryState.measure (QueryState.pack query) (QueryState.pack next)).Relative)[0]

                        if residual <= tolerance then
                            count, next
                        else
                            settle (count + 1) next

                    let count, expected = settle 1 (alone first)
                    let report = solved.Reports[int image][0]
                    Expect.equal (report.Outcome, report.Evaluations) (Converged, count) "applications"
                    let found = alone solved.Query
                    Expect.isLessThan (Small.difference expected.Position found.Position) 1e-12 "position"
                    Expect.isLessThan (Small.difference expected.Content found.Content) 1e-12 "content"

                for scheme in [ AndersonScheme; BroydenScheme ] do
                    let solved =
                        solve
                            { case with
                                Settings.Solver.Scheme = scheme
                            }

                    for report in Array.concat solved.Reports do
                        Expect.equal report.Outcome Converged $"{scheme}"

            testPropertyWithConfig
                config
                "some queries alone: what they compute among all, whichever of whichever images"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let random = Random seed
                let images = random.Next(1, 5)
                let case = case seed images id

                let head =
                    { case.Weights.Heads[1] with
                        Injected =
                            if random.Next 2 = 0 then
                                Some case.Weights.Initial.Contents
                            else
                                None
                    }

                let query = Refinement.apply head case.Pyramid case.Start
                let all = Refinement.apply head case.Pyramid query
                let queries = int (query.Content.size 1)

                // some images have left; of the others all, some, one or none move
                let left =
                    [| 0 .. images - 1 |]
                    |> Array.filter (fun image -> image = images - 1 || random.Next 3 > 0)

                let moving =
                    left
                    |> Array.map (fun _ ->
                        let order = [| 0 .. queries - 1 |]
                        random.Shuffle order

                        match random.Next 4 with
                        | 0 -> queries
                        | 1 -> 1
                        | _ -> random.Next(0, queries + 1)
                        |> fun count -> Array.sort order[.. count - 1])

                let index = torch.tensor [| for image in left -> int64 image |]

                let rows (tensor: Tensor) =
                    torch
                        .cat(
                            [|
                                for image, chosen in Array.zip left moving do
                                    tensor
                                        .select(0L, int64 image)
                                        .index_select(0L, torch.tensor [| for query in chosen -> int64 query |])
                            |],
                            0L
                        )
                        .unsqueeze
                        0L

                if moving |> Array.exists (fun chosen -> chosen.Length > 0) then
                    let alone =
                        Refinement.applySome
                            head
                            case.Pyramid
                            (query |> Query.map (fun tensor -> tensor.index_select (0L, index)))
                            {
                                Query = Query.map rows query
                                Images = left
                                Counts = moving |> Array.map Array.length
                                Numbers = Array.concat moving
                            }

                    let expected = Query.map rows all
                    Expect.isLessThan (Small.difference expected.Position alone.Position) 1e-12 "positions"
                    Expect.isLessThan (Small.difference expected.Content alone.Content) 1e-12 "contents"

            testPropertyWithConfig
                { config with maxTest = 50 }
                "rows of several images are sampled by the kernels as they are operation by operation"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator seed
                let random = Random seed
                let all, groups, points = random.Next(1, 5), random.Next(1, 4), random.Next(1, 9)
                let channels = groups * random.Next(1, 40)

                let pyramid: Pyramid =
                    {
                        Levels =
                            [
                                for stride in Detector.strides ->
                                    (Small.normal [ all; channels; 64 / stride; 96 / stride ] generator).``to``
                                        torch.float32
                            ]
                        Strides = Detector.strides
                    }

                let images =
                    [| 0 .. all - 1 |]
                    |> Array.filter (fun image -> image = all - 1 || random.Next 3 > 0)

                let counts =
                    images
                    |> Array.map (fun image -> if image = all - 1 then 1 + random.Next 5 else random.Next 6)

                let scale = torch.tensor [| 60.0f; 40.0f; 2.0f |]

                let places =
                    (Small.normal [ 1; Array.sum counts; groups * points; 3 ] generator).``to`` torch.float32
                    * scale
                    + scale * scalar 0.5

                let expected = Sampling.sampleRowsPlain groups pyramid images counts places

                let actual =
                    Sampling.sampleRows Computation.Best groups pyramid images counts places

                Expect.isLessThan (Small.difference expected actual) 1e-5 "samples"

            for scheme in schemes do
                testPropertyWithConfig config $"{scheme}: with a tolerance every query comes to rest at a fixed point"
                <| fun (seed: int) ->
                    use _ = torch.NewDisposeScope()
                    let case = case seed 3 (tolerant scheme 1e-6)
                    let solved = solve case

                    for report in Array.concat solved.Reports do
                        Expect.equal report.Outcome Converged "outcome"
                        Expect.isLessThanOrEqual report.RelativeResidual 1e-6 "residual"

                    let state = QueryState.pack solved.Query

                    let image =
                        Refinement.apply case.Weights.Heads[1] case.Pyramid solved.Query
                        |> QueryState.pack

                    // those that rested first saw the others move a little after that
                    for residual in numbers (QueryState.measure state image).Relative do
                        Expect.isLessThan residual 1e-5 "residual of all queries together"

            testPropertyWithConfig config "an image is solved alone as it is in a batch, and saves its own work"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()

                for scheme in schemes do
                    let case = case seed 3 (tolerant scheme 1e-4)
                    let together = solve case

                    for i in 0L .. 2L do
                        let image (x: Tensor) = x.narrow (0L, i, 1L)

                        let alone =
                            solve
                                { case with
                                    Pyramid =
                                        { case.Pyramid with
                                            Levels = List.map image case.Pyramid.Levels
                                        }
                                    Start = Query.map image case.Start
                                }

                        let expected = Query.map image together.Query
                        Expect.isLessThan (Small.difference expected.Position alone.Query.Position) 1e-9 "positions"
                        Expect.isLessThan (Small.difference expected.Content alone.Query.Content) 1e-9 "contents"

                        Expect.equal
                            [ for report in alone.Reports[0] -> report.Evaluations ]
                            [ for report in together.Reports[int i] -> report.Evaluations ]
                            "applications to each query"

            testCase "queries at rest are not computed any more"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let case = case 4 2 (tolerant PicardScheme 1e-10)
                let options = Equilibrium.options case.Settings.Solver Effort.Unhurried
                let seen = ResizeArray<int64>()

                let options =
                    { options with
                        Observer = Some(fun observation -> seen.Add(observation.Index.size 0))
                    }

                let first = Refinement.apply case.Weights.Heads[0] case.Pyramid case.Start

                let _, solution =
                    Equilibrium.iterate options case.Weights.Heads[1] case.Pyramid first

                Expect.equal
                    (Seq.sum seen)
                    (solution.Reports |> Array.sumBy (fun report -> int64 report.Evaluations))
                    "queries computed, over all steps"

                Expect.isLessThan seen[seen.Count - 1] seen[0] "fewer in the end"

            testCase "a budget of time ends the refinement, and what was reached is read out"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let case =
                    case 5 1 (fun solver ->
                        { solver with
                            Steps = 50
                            BudgetMs = Some 10.0
                        })

                let mutable now = 0.0

                let clock () =
                    now <- now + 1.0
                    TimeSpan.FromMilliseconds now

                let solved =
                    Decoding.solve
                        case.Settings
                        { Effort.Unhurried with Clock = clock }
                        case.Weights
                        case.Pyramid
                        None
                        case.Start

                for report in solved.Reports[0] do
                    Expect.isTrue
                        (report.Evaluations > 2 && report.Evaluations < 20)
                        $"{report.Evaluations} applications"

            testCase "an image whose queries are not finite is left alone, and leaves the others alone"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                for change in [ id; tolerant PicardScheme 1e-6 ] do
                    let case = case 6 3 change
                    let expected = solve case

                    for level in case.Pyramid.Levels do
                        use _ = torch.no_grad ()
                        level.select(0L, 1L).fill_(scalar nan) |> ignore

                    let solved = solve case

                    for image in [ 0; 2 ] do
                        let of' (query: Query) =
                            numbers (query.Position.select (0L, int64 image))

                        for a, b in Array.zip (of' expected.Query) (of' solved.Query) do
                            Expect.isLessThan (abs (a - b)) 1e-9 "positions of the others"

                        Expect.equal
                            [ for report in solved.Reports[image] -> report.Evaluations ]
                            [ for report in expected.Reports[image] -> report.Evaluations ]
                            "applications of the others"

                    for report in solved.Reports[1] do
                        Expect.equal report.Outcome NonFinite "said so"
                        Expect.equal report.Evaluations 0 "not computed"

            testCase "cancellation ends the refinement"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let case = case 5 1 (fun solver -> { solver with Steps = 50 })
                use source = new CancellationTokenSource()
                source.Cancel()

                let solved =
                    Decoding.solve
                        case.Settings
                        { Effort.Unhurried with
                            Cancellation = source.Token
                        }
                        case.Weights
                        case.Pyramid
                        None
                        case.Start

                Expect.equal solved.Reports[0].[0].Evaluations 1 "one application is always made"
        ]

/// Solves from an earlier image's state.
let private solveFrom previous effort (case: Case) =
    Decoding.solve case.Settings effort case.Weights case.Pyramid (Some previous) case.Start

/// The same queries, finite, but of sizes whose pixels are not.
let private overflowing (query: Query) =
    let size = torch.tensor [| 0.0; 0.0; 2000.0; 0.0 |]

    { query with
        Position = query.Position + size
    }

[<Tests>]
let warmTests =
    testList
        "Warm starts"
        [
            testPropertyWithConfig config "from its own equilibrium an image is done at once"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let case = case seed 1 (tolerant PicardScheme 1e-5)
                let cold = solve case

                let warm = solveFrom cold.Query Effort.Unhurried case
                Expect.isTrue warm.Warm "held"
                Expect.isFalse cold.Warm "the usual start"

                for report in warm.Reports[0] do
                    Expect.isLessThanOrEqual report.Evaluations 3 "applications"

                Expect.isLessThan (Small.difference cold.Query.Position warm.Query.Position) 1e-3 "the same place"

            testPropertyWithConfig config "one that runs away begins anew, and its cost is counted"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let case = case seed 1 (tolerant PicardScheme 1e-5)
                let cold = solve case
                let warm = solveFrom (overflowing cold.Query) Effort.Unhurried case
                Expect.isFalse warm.Warm "it did not hold"
                Expect.equal (numbers warm.Query.Position) (numbers cold.Query.Position) "the usual result"

                for warm, cold in Array.zip warm.Reports[0] cold.Reports[0] do
                    Expect.equal warm.Outcome Converged "outcome"
                    Expect.equal warm.Evaluations (cold.Evaluations + 1) "both attempts count"

            testPropertyWithConfig config "both attempts together keep to the steps"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                // boxes that move on and on never come to rest, wherever they begin
                let case = caseOf id seed 1 (tolerant PicardScheme 1e-9)
                let most = case.Settings.Solver.Steps + 1
                let cold = solve case

                for previous in [ cold.Query; overflowing cold.Query ] do
                    let warm = solveFrom previous Effort.Unhurried case

                    for report in warm.Reports[0] do
                        Expect.isLessThanOrEqual report.Evaluations most "applications to a query"

            testCase "one that the steps cut has not failed: what it reached is read out"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let case = case 7 1 (tolerant PicardScheme 1e-12)

                let short =
                    { case with
                        Settings =
                            { case.Settings with
                                Solver = { case.Settings.Solver with Steps = 1 }
                            }
                    }

                let warm = solveFrom (solve short).Query Effort.Unhurried short
                Expect.isTrue warm.Warm "it stands"

                for report in warm.Reports[0] do
                    Expect.equal report.Outcome StepLimit "outcome"
                    Expect.equal report.Evaluations 2 "applications"

            testCase "both attempts together keep to the time"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let case =
                    caseOf id 5 1 (fun solver ->
                        { tolerant PicardScheme 1e-9 solver with
                            BudgetMs = Some 12.0
                        })

                let cold = (solve case).Query
                let mutable now = 0.0

                let clock () =
                    now <- now + 1.0
                    TimeSpan.FromMilliseconds now

                let effort = { Effort.Unhurried with Clock = clock }

                for previous, held in [ cold, true; overflowing cold, false ] do
                    now <- 0.0
                    let warm = solveFrom previous effort case
                    Expect.equal warm.Warm held "one that was cut has not failed"
                    Expect.isLessThanOrEqual now 16.0 "time by the clock, which passes with each look"

                    for report in warm.Reports[0] do
                        Expect.equal report.Outcome StepLimit "outcome"
                        Expect.isGreaterThan report.Evaluations 4 "applications"

            testCase "after cancellation nothing begins anew"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let case = case 7 1 (tolerant PicardScheme 1e-5)
                let cold = solve case
                use source = new CancellationTokenSource()
                source.Cancel()

                let effort =
                    { Effort.Unhurried with
                        Cancellation = source.Token
                    }

                let warm = solveFrom (overflowing cold.Query) effort case

                for report in warm.Reports[0] do
                    Expect.equal report.Outcome NonFinite "outcome"
                    Expect.equal report.Evaluations 1 "applications"
        ]

[<Tests>]
let residualTests =
    testList
        "Residual of queries"
        [
            testPropertyWithConfig config "position and content count, whatever their scales"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator seed
                let content = Small.normal [ 1; 3; 8 ] generator
                let position = Small.normal [ 1; 3; 4 ] generator

                let residual scale shift stretch =
                    // boxes `scale` times larger, moved by `shift` of their size; contents `stretch` times longer
                    let state (moved: float) (longer: float) =
                        let logScale = torch.tensor [| 0.0; 0.0; Math.Log2 scale; 0.0 |]
                        let here = position + logScale
                        let size = here.narrow(-1, 2L, 1L).exp2()
                        let dx = torch.cat ([| size * scalar moved; torch.zeros_like size |], -1L)
                        let centre = here.narrow (-1, 0L, 2L) + dx
                        let here = torch.cat ([| centre; here.narrow (-1, 2L, 2L) |], -1L)
                        torch.cat ([| here; content * scalar longer |], -1L)

                    numbers (QueryState.measure (state 0.0 1.0) (state shift stretch)).Relative

                for scale in [ 0.01; 1.0; 1000.0 ] do
                    for value in residual scale 0.05 1.0 do
                        Expect.isLessThan (abs (value - 0.05)) 1e-9 "a twentieth of the box, at every size"

                    for value in residual scale 0.01 1.25 do
                        Expect.isLessThan (abs (value - 0.2)) 1e-9 "a fifth of the content, when that is more"

            testCase "numbers that float32 holds have finite residuals"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let state = torch.ones ([| 2L; 12L |], torch.float32)
                state.narrow(1L, 4L, 8L).mul_(1e38.ToScalar()) |> ignore
                let image = state * scalar 1.25
                image.narrow(1L, 0L, 4L).copy_(state.narrow (1L, 0L, 4L)) |> ignore

                for value in numbers (QueryState.measure state image).Relative do
                    Expect.isLessThan (abs (value - 0.2)) 1e-6 "a fifth of the content"

                Expect.isTrue ((QueryState.units state).isfinite().all().ToBoolean()) "units"

            testCase "NaN and infinity show"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let state = torch.ones ([| 3L; 12L |], torch.float64)
                let image = state.clone ()
                image.select(0L, 0L).select(0L, 5L).fill_(scalar nan) |> ignore
                image.select(0L, 1L).select(0L, 2L).fill_(scalar infinity) |> ignore
                let residuals = numbers (QueryState.measure state image).Relative
                Expect.isTrue (Double.IsNaN residuals[0] && Double.IsNaN residuals[1]) "not finite"
                Expect.equal residuals[2] 0.0 "at rest"

            testPropertyWithConfig
                { config with maxTest = 200 }
                "in one pass: what libtorch computes operation by operation"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator seed
                let random = Random seed
                let rows, width = random.Next(0, 9), 4 + random.Next(0, 70)

                let draw () =
                    let scale = 2.0 ** float (random.Next(-60, 60))
                    let rows = Small.normal [ rows; width ] generator * scalar 3.0
                    rows.narrow(1L, 4L, int64 width - 4L).mul_(scale.ToScalar()) |> ignore
                    rows.``to`` torch.float32

                let before = draw ()
                let after = if random.Next 4 = 0 then before.clone () else draw ()

                for tensor in [ before; after ] do
                    if rows > 0 && random.Next 3 = 0 then
                        let special = [| nan; infinity; -infinity; 0.0; 3e38; 200.0; -200.0 |]

                        tensor
                            .select(0L, random.NextInt64(int64 rows))
                            .select(0L, random.NextInt64(int64 width))
                            .fill_(scalar special[random.Next special.Length])
                        |> ignore

                let expected = numbers (QueryState.measurePlain before after).Relative
                let fast = RowResiduals.TryMeasure(before, after)
                Expect.isNotNull fast "float32 on the CPU"

                for a, b in Array.zip expected (numbers fast) do
                    Expect.isTrue (a.Equals b || abs (a - b) <= 1e-12 * abs a) $"{b} for {a}"

            testCase "in one pass only where the rows lie one after the other in float32"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let rows = torch.ones ([| 3L; 12L |], torch.float32)

                let refused a b =
                    Expect.isNull (RowResiduals.TryMeasure(a, b)) "left to libtorch"

                refused (rows.``to`` torch.float64) (rows.``to`` torch.float64)
                refused (torch.ones([| 12L; 3L |], torch.float32).t()) rows
                refused rows (torch.ones ([| 3L; 13L |], torch.float32))
                refused (torch.ones ([| 3L; 3L |], torch.float32)) (torch.ones ([| 3L; 3L |], torch.float32))
        ]

[<Tests>]
let gradientTests =
    let train unroll gradient seed =
        let settings = Small.settings DetectorKind.DeqDet

        let settings =
            { settings with
                Rag =
                    { settings.Rag with
                        Gradient = gradient
                        Unroll = unroll
                    }
            }

        use generator = Small.generator seed
        let weights, leaves = Small.decoder settings generator
        let weights = calm weights
        let pyramid = Small.pyramid settings 2 generator
        let targets = Small.targets [ 2; 3 ] (Random seed)
        let start = Small.start settings weights targets
        let draws = List.replicate settings.Solver.Steps Perturbation.none

        let log =
            Supervision.run settings (Family.plan settings) weights pyramid start draws targets

        let entries = [ for entry in log -> entry.Name, entry.Value.ToDouble() ]

        entries,
        Map
            [
                for KeyValue(name, leaf) in leaves -> name, (if isNull leaf.grad then [||] else numbers leaf.grad)
            ]

    testList
        "Gradients in training"
        [
            testPropertyWithConfig config "each kind trains: finite losses and gradients, the head learns"
            <| fun (seed: int) ->
                for gradient in [ RagGradient; JfbGradient; PhantomGradient; ImplicitGradient ] do
                    use _ = torch.NewDisposeScope()
                    let entries, gradients = train 2 gradient seed
                    Expect.all entries (fun (_, value) -> Double.IsFinite value) $"{gradient}: finite"

                    for KeyValue(name, values) in gradients do
                        Expect.all values Double.IsFinite $"{gradient}: gradient of {name}"

                    let learning =
                        gradients["roi_head.bbox_head.1.ffn.layers.0.0.weight"] |> Array.sumBy abs

                    Expect.isGreaterThan learning 0.0 $"{gradient}"

            testCase "jfb is rag with one application, and differs from two"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let name = "roi_head.bbox_head.1.ffn.layers.0.0.weight"
                let one, two = snd (train 2 JfbGradient 7), snd (train 2 RagGradient 7)
                let alike = snd (train 1 RagGradient 7)
                Expect.equal one[name] alike[name] "the same numbers"
                Expect.notEqual one[name] two[name] "other numbers"

            testCase "implicit: how the adjoint equation went is in the log, and is no loss"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let entries, _ = train 2 ImplicitGradient 3
                let names = List.map fst entries
                Expect.contains names "iter5_adjoint_converged" "share"
                Expect.contains names "iter5_adjoint_products" "cost"

                Expect.isFalse
                    (names
                     |> List.exists (fun name -> name.Contains "adjoint" && name.Contains "loss"))
                    "no loss"

                for name, value in entries do
                    if name.EndsWith "adjoint_converged" then
                        Expect.equal value 100.0 "a calm head's adjoint converges"
        ]
