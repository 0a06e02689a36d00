namespace DeqDet.Model

open TorchSharp
open DeqDet.Solver

/// A number of the training log: `{stage}loss_cls`, `..loss_bbox`, `..loss_iou`, `..pos_acc`; with an implicit gradient also
/// `..adjoint_converged` (per cent of the images) and `..adjoint_products` (mean number of vector-Jacobian products). 0-dimensional, no
/// gradient.
type LossEntry = { Name: string; Value: Tensor }

/// What the training of one batch did on its way, for tests; `Applied` sees every state in program order.
type SupervisionObserver =
    {
        Applied: Query -> unit
        Matched: int[] list -> unit
    }

/// Refinement-aware gradient (paper, section 3.3) and the interpreter of plans.
module Supervision =

    let private silent = { Applied = ignore; Matched = ignore }

    let private entries (stage: SupervisedStage) (terms: LossTerms) =
        [
            "loss_cls", terms.Classification
            "pos_acc", terms.Accuracy
            "loss_bbox", terms.Box
            "loss_iou", terms.GIoU
        ]
        |> List.map (fun (name, value) ->
            {
                Name = stage.Name + name
                Value = value.detach ()
            })

    /// How the adjoint equation of an implicit gradient went, over the images of the batch; nothing for the other gradients.
    let private adjointEntries (stage: SupervisedStage) (attached: Attached) =
        let entry name (value: float) =
            {
                Name = stage.Name + name
                Value = torch.tensor (value, device = attached.State.device)
            }

        match attached.Adjoint with
        | NotNeeded
        | Pending -> []
        | Failed _ -> [ entry "adjoint_converged" 0.0 ]
        | Solved reports ->
            let share (report: Report) =
                if report.Outcome = Converged then 100.0 else 0.0

            [
                entry "adjoint_converged" (Array.averageBy share reports)
                entry "adjoint_products" (reports |> Array.averageBy (fun report -> float report.Evaluations))
            ]

    /// Runs a plan over one batch: initial queries and pyramid (both may carry gradients), one RAP draw per step of the path.
    /// Gradients are left in the `grad` of the leaves: of the weights and of whatever the pyramid and queries came from. Returns the
    /// log entries in the reference's order; their sum over names containing "loss" is what was differentiated.
    let runObserved
        (observer: SupervisionObserver)
        (settings: DetectorSettings)
        (plan: Plan)
        (weights: DecoderWeights)
        (pyramid: Pyramid)
        (start: Query)
        (draws: RapDraw list)
        (targets: Target list)
        : LossEntry list =
        let supervise (stage: SupervisedStage) (query: Query) =
            let logits = Refinement.classify weights.Heads[stage.Head] query.Content
            let matching = Matching.run settings.Matching settings.Loss targets logits query.Box
            observer.Matched matching
            let terms = Losses.compute settings.Loss targets matching logits query.Box
            let w = scalar stage.Weight

            // the reference multiplies the accuracy too
            {
                Classification = terms.Classification * w
                Box = terms.Box * w
                GIoU = terms.GIoU * w
                Accuracy = terms.Accuracy * w
            }

        let apply head pyramid query =
            let result = Refinement.apply weights.Heads[head] pyramid query
            observer.Applied result
            result

        // Feature maps are a leaf of their own: everything below is back-propagated into it, and from it into the backbone once.
        let leaves =
            pyramid.Levels
            |> List.map (fun level -> level.detach().requires_grad_ level.requires_grad)

        let leaf = { pyramid with Levels = leaves }

        let chain, chainTotal, logged =
            let mutable query = start
            let states = ResizeArray()
            let log = ResizeArray()

            let totals =
                [
                    for stage in plan.Chain do
                        query <- apply stage.Head leaf query
                        states.Add(Query.detach query)
                        let terms = supervise stage query
                        log.AddRange(entries stage terms)
                        Losses.total terms
                ]

            List.ofSeq states, List.reduce (fun (a: Tensor) b -> a + b) totals, log

        let pending = ResizeArray()

        let differentiate (total: Tensor) =
            if plan.Immediate then
                total.backward ()
            else
                pending.Add total

        differentiate chainTotal

        let adjoints = ResizeArray()

        // The second state of the chain, and the first further state after a supervised step, are what the path computes next
        // unless it is shaken: computed once, used twice.
        let mutable ahead =
            match plan.Chain, chain with
            | _ :: second :: _, _ :: state :: _ when second.Head = 1 -> Some state
            | _ -> None

        let mutable query = chain.Head

        for step in 1 .. plan.Steps do
            let draw = draws[step - 1]

            query <-
                match ahead with
                | Some state when Perturbation.isNone draw ->
                    observer.Applied state
                    state
                | _ ->
                    use _ = torch.no_grad ()
                    apply 1 leaf (Perturbation.apply settings.Rap draw query)

            ahead <- None

            match List.tryFind (fun (at, _) -> at = step) plan.Rag with
            | None -> ()
            | Some(_, stage) ->
                let mutable first = None

                let map rows =
                    let refined = apply stage.Head leaf (QueryState.unpack rows)

                    if first.IsNone then
                        first <- Some(Query.detach refined)

                    QueryState.pack refined

                // a supervised state comes out of an application, so its box is the decoded position
                let attached = plan.Gradient.Attach map (QueryState.pack query)
                let terms = supervise stage (QueryState.unpack attached.State)
                logged.AddRange(entries stage terms)
                differentiate (Losses.total terms)
                adjoints.Add(stage, attached)
                ahead <- first

        if pending.Count > 0 then
            (Seq.reduce (fun (a: Tensor) b -> a + b) pending).backward()

        // one pass through neck and backbone for all levels together
        let reached =
            [|
                for level, leaf in List.zip pyramid.Levels leaves do
                    let gradient = leaf.grad

                    if level.requires_grad && not (isNull gradient) then
                        level, gradient
            |]

        if reached.Length > 0 then
            torch.autograd.backward (Array.map fst reached, Array.map snd reached)

        for stage, attached in adjoints do
            logged.AddRange(adjointEntries stage attached)

        List.ofSeq logged

    /// The same without an observer.
    let run settings plan weights pyramid start draws targets =
        runObserved silent settings plan weights pyramid start draws targets
