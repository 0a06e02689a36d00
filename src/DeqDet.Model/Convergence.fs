namespace DeqDet.Model

open System.Threading
open TorchSharp
open DeqDet.Solver

/// How the queries of one image move while a head is iterated: numbers by application (the first one first) and query. Each says how
/// far the application took the query; NaN where a number was not finite.
type ResidualPath =
    {
        /// Name of the method that chose the states.
        Scheme: string
        /// The residual that tolerances are about (`QueryState.measure`).
        Residual: float[][]
        /// Its part for positions (`QueryState.shift`), in sizes of the box.
        Shift: float[][]
        /// Its part for contents (`QueryState.change`), in lengths of the content.
        Change: float[][]
    }

/// Images with all that the refinement head of a DEQDet takes as input.
type Refinable =
    {
        Pyramid: Pyramid
        /// Queries after the init head, [B, Q, .].
        First: Query
    }

/// Analysis of the iteration of a DEQDet's refinement head: far beyond the depth of training, under any scheme, and of its Jacobian.
module Convergence =

    let private refinementHead (detector: Detector) : HeadWeights =
        match Family.ofSettings detector.Settings, detector.Weights.Decoder.Heads with
        | { Refining = ToEquilibrium }, [ _; head ] -> head
        | family, _ -> invalidArg (nameof detector) $"{family.Title} has no refinement head that is iterated"

    /// Images up to the point at which the iteration begins; no gradients. Raises ArgumentException "detector" for models without
    /// equilibrium, as the functions below do.
    let prepare (detector: Detector) (batch: ImageBatch) : Refinable =
        refinementHead detector |> ignore
        use _ = torch.no_grad ()

        scoped (fun ready -> Seq.append ready.Pyramid.Levels (Query.tensors ready.First)) (fun () ->
            let pyramid = Detector.pyramid None detector batch.Images

            {
                Pyramid = pyramid
                First =
                    Detector.start detector batch
                    |> Refinement.apply detector.Weights.Decoder.Heads[0] pyramid
            })

    /// The schemes that can be compared, by name: plain iteration, then Anderson's and Broyden's methods with the detector's memory.
    let schemes (detector: Detector) : (string * Scheme) list =
        let solver =
            { SolverSettings.ofSteps detector.Settings.Solver.Steps with
                Memory = detector.Settings.Solver.Memory
            }

        [
            for kind in [ PicardScheme; AndersonScheme; BroydenScheme ] ->
                let scheme = Equilibrium.scheme { solver with Scheme = kind }
                scheme.Name, scheme
        ]

    /// Applies the refinement head so many times, at states that a scheme chooses, no query stopping before the others. Gives the
    /// paths, image by image, and the state after the last step.
    let follow
        (name: string, scheme: Scheme)
        (applications: int)
        (cancellation: CancellationToken)
        (detector: Detector)
        (ready: Refinable)
        : ResidualPath[] * Query =
        let images = int (ready.First.Content.size 0)
        let rows = ResizeArray()

        let observe (seen: Observation) =
            cancellation.ThrowIfCancellationRequested()
            let measured = (QueryState.measure seen.State seen.Image).Absolute

            let numbers =
                torch.stack
                    [|
                        for tensor in
                            [
                                measured
                                QueryState.shift seen.State seen.Image
                                QueryState.change seen.State seen.Image
                            ] -> tensor.``to`` torch.float64
                    |]

            rows.Add(numbers.cpu().data<float>().ToArray())

        let options =
            { Solve.defaults with
                Scheme = scheme
                Tolerance =
                    { Tolerance.never with
                        Measure = QueryState.measure
                    }
                Steps = applications
                Answer = Last
                Observer = Some observe
            }

        let query, _ =
            Equilibrium.iterate options (refinementHead detector) ready.Pyramid ready.First

        let queries = int (ready.First.Content.size 1)

        let part number image =
            [|
                for row in rows ->
                    let first = (number * images + image) * queries
                    row[first .. first + queries - 1]
            |]

        [|
            for image in 0 .. images - 1 ->
                {
                    Scheme = name
                    Residual = part 0 image
                    Shift = part 1 image
                    Change = part 2 image
                }
        |],
        query

    /// Spectral radius of the refinement head's true Jacobian at a state [B, Q, .], image by image: of the map of all queries of an
    /// image at once, their attention to each other included. At a fixed point: the factor by which the slowest small
    /// disturbance grows or shrinks with each application.
    let spectrum (options: SpectralOptions) (detector: Detector) (ready: Refinable) (query: Query) : SpectralReport[] =
        let head = refinementHead detector

        use _ = torch.NewDisposeScope()
        let point = QueryState.pack query
        // Eigenvalues do not depend on units, but the rounding errors of products do: pixels are large numbers.
        let units = QueryState.units point

        let map (state: Tensor) =
            (state * units
             |> QueryState.unpack
             |> Refinement.applyExact head ready.Pyramid
             |> QueryState.pack)
            / units

        Spectral.radius options map (point / units)

    let private readOut (detector: Detector) (query: Query) (reports: Report[][]) : Detections =
        Detections.ofSettled
            detector.Settings.Queries
            {
                // of its own, so that the path may free its states
                Query = query |> Query.map (fun tensor -> tensor.alias ())
                Logits = Refinement.classify (refinementHead detector) query.Content
                Reports = reports
                Warm = false
            }

    /// The best class score of each query of a state, by image and query, 0 to 1.
    let scores (detector: Detector) (query: Query) : float[][] =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let logits = Refinement.classify (refinementHead detector) query.Content

        (logits.sigmoid().amax [| -1L |]).``to``(torch.float64).cpu().data<float>().ToArray()
        |> Array.chunkBySize (int (query.Content.size 1))

    /// Detections after each of so many plain applications of the refinement head (ascending, from 1); no gradients.
    let readOuts (depths: int list) (detector: Detector) (ready: Refinable) : Detections list =
        let head = refinementHead detector
        use _ = torch.no_grad ()

        scoped (Seq.collect Detections.tensors) (fun () ->
            let mutable query = ready.First
            let mutable depth = 0

            [
                for wanted in depths ->
                    while depth < wanted do
                        let next = Refinement.apply head ready.Pyramid query

                        if depth > 0 then
                            Query.tensors query |> Seq.iter (fun tensor -> tensor.Dispose())

                        query <- next
                        depth <- depth + 1

                    readOut detector query [||]
            ])

    /// Detections of plain iteration in which each query stops at a residual of `tolerance`, after so many applications at most.
    let readOutWithin (tolerance: float) (applications: int) (detector: Detector) (ready: Refinable) : Detections =
        use _ = torch.no_grad ()

        scoped Detections.tensors (fun () ->
            let solver =
                { SolverSettings.ofSteps (applications - 1) with
                    Tolerance = Some tolerance
                }

            let query, solution =
                Equilibrium.iterate
                    (Equilibrium.options solver Effort.Unhurried)
                    (refinementHead detector)
                    ready.Pyramid
                    ready.First

            solution.Reports
            |> Array.chunkBySize (int (ready.First.Content.size 1))
            |> readOut detector query)
