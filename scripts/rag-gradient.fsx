// How near the refinement-aware gradient (RAG) of the paper is to the exact gradient of the equilibrium, layer by layer.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/rag-gradient.fsx [CHECKPOINT [DATA [IMAGES]]]
//
// "limit" is what RAG tends to with more and more unrolled applications: gradients through contents alone, positions detached as in
// training. "exact" is the derivative of the whole map, positions and overlaps included.
#load "lib/detector.fsx"

open System
open TorchSharp
open DeqDet.Solver
open DeqDet.Model

let experiment = Detector.experiment (List.ofArray fsi.CommandLineArgs |> List.tail)

let detector, settings = experiment.Detector, experiment.Detector.Settings
let weights = detector.Weights.Decoder
let head = weights.Heads[1]

let pyramid, first =
    use _ = torch.no_grad ()
    let pyramid = DeqDet.Model.Detector.pyramid None detector experiment.Batch.Images
    let start = DeqDet.Model.Detector.start detector experiment.Batch
    pyramid, Refinement.apply weights.Heads[0] pyramid start

/// States after so many steps of plain iteration, with the middle residual of their queries.
let after (steps: int) =
    let options =
        Equilibrium.options (SolverSettings.ofSteps (steps - 1)) Effort.Unhurried

    let query, solution = Equilibrium.iterate options head pyramid first

    let residuals =
        solution.Reports |> Array.map (fun r -> r.RelativeResidual) |> Array.sort

    query, residuals[residuals.Length / 2]

let contents (rows: torch.Tensor) =
    QueryState.unpack rows |> Refinement.apply head pyramid |> QueryState.pack

let everything (rows: torch.Tensor) =
    QueryState.unpack rows |> Refinement.applyExact head pyramid |> QueryState.pack

let parameters =
    [
        for spec, tensor in detector.Tensors do
            if spec.Name.StartsWith "roi_head.bbox_head.1." && tensor.requires_grad then
                spec.Name.Substring 21, tensor
    ]

let layers =
    [
        "attention", [ "attention"; "iof_tau" ]
        "sampling offsets", [ "sampling_n_mixing.sampling_offset" ]
        "mixing", [ "sampling_n_mixing.adaptive_mixing"; "sampling_n_mixing.norm" ]
        "feed-forward", [ "ffn" ]
        "boxes", [ "reg_fcs"; "fc_reg" ]
        "classes", [ "cls_fcs"; "fc_cls" ]
        "all", [ "" ]
    ]

/// Gradients of the loss by layer, as one long vector each, and how the adjoint went.
let gradient (query: Query) (way: Gradient) map =
    use scope = torch.NewDisposeScope()

    for _, tensor in parameters do
        tensor.grad <- null

    let attached = way.Attach map (QueryState.pack query)
    let state = QueryState.unpack attached.State
    let logits = Refinement.classify head state.Content

    let matching =
        Matching.run settings.Matching settings.Loss experiment.Targets logits state.Box

    let terms =
        Losses.compute settings.Loss experiment.Targets matching logits state.Box

    (Losses.total terms).backward()

    let note =
        match attached.Adjoint with
        | Solved reports ->
            let converged =
                reports |> Array.filter (fun r -> r.Outcome = Converged) |> Array.length

            $"adjoint solved for {converged} of {reports.Length} images"
        | Failed error -> $"adjoint failed: {error.Message}"
        | _ -> ""

    let vectors =
        [
            for name, prefixes in layers ->
                let parts =
                    [|
                        for parameter, tensor in parameters do
                            if prefixes |> List.exists parameter.StartsWith && not (isNull tensor.grad) then
                                tensor.grad.flatten().``to`` torch.float64
                    |]

                name, torch.cat(parts).DetachFromDisposeScope()
        ]

    vectors, note

let cosine (a: torch.Tensor) (b: torch.Tensor) =
    ((a * b).sum() / (a.norm () * b.norm ()).clamp_min(scalar 1e-300)).ToDouble()

let adjoint =
    { Gradient.adjointDefaults with
        Tolerance = Tolerance.relative 1e-4
        Steps = 200
    }

for steps in [ settings.Solver.Steps; 60 ] do
    let query, residual = after steps
    printfn "\nafter %d steps, median residual %.1e" steps residual
    let limit, limitNote = gradient query (Gradient.implicit adjoint) contents
    let exact, exactNote = gradient query (Gradient.implicit adjoint) everything
    printfn "  limit: %s; exact: %s" limitNote exactNote
    printf "  cosine with:      "

    for name, _ in layers do
        printf "%17s" name

    printfn ""

    let row name (vectors: (string * torch.Tensor) list) (reference: (string * torch.Tensor) list) =
        printf "  %-18s" name

        for (_, a), (_, b) in List.zip vectors reference do
            printf "%17.3f" (cosine a b)

        printfn ""

    for k in [ 1; 2; 3; 5; 10 ] do
        let unrolled, _ = gradient query (Gradient.unrolled k) contents
        row $"rag {k} / limit" unrolled limit

        if k <= 2 then
            row $"rag {k} / exact" unrolled exact

    let phantom, _ = gradient query (Gradient.phantom 5 0.5) contents
    row "phantom 5 / limit" phantom limit
    row "limit / exact" limit exact
