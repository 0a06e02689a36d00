namespace DeqDet.Model

open TorchSharp
open DeqDet.Solver

/// A number of the training log: `{stage}loss_cls`, `..loss_bbox`, `..loss_iou`, `..pos_acc`; with an implicit gradient also
/// `..adjoint_converged` (per cent of the images) and `..adjoint_products` (mean number of vector-Jacobian products). 0-dimensional, no
/// gradient.
type LossEntry = { Name: string; Value: Tensor }

/// Callbacks of the training of one batch, for tests: every state and every matching, in program order.
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

    /// Convergence and cost of an implicit gradient's adjoint equation, over the images of the batch; no entries for the other gradients.
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

    /// What all parts of one training step share.
    type private Step =
        {
            Observer: SupervisionObserver
            Settings: DetectorSettings
            Plan: Plan
            Weights: DecoderWeights
            /// Its levels are leaves.
            Pyramid: Pyramid
            Targets: Target list
        }

    let private apply (step: Step) (head: int) (query: Query) : Query =
        let refined = Refinement.apply step.Weights.Heads[head] step.Pyramid query
        step.Observer.Applied refined
        refined

    /// Matches a state with the boxes of its images: the entries of the log, and the loss to be differentiated.
    let private supervise (step: Step) (stage: SupervisedStage) (query: Query) : LossEntry list * Tensor =
        let settings = step.Settings
        let logits = Refinement.classify step.Weights.Heads[stage.Head] query.Content

        let matching =
            Matching.run settings.Matching settings.Loss step.Targets logits query.Box

        step.Observer.Matched matching
        let terms = Losses.compute settings.Loss step.Targets matching logits query.Box
        let w = scalar stage.Weight

        // the reference multiplies the accuracy too
        let weighted =
            {
                Classification = terms.Classification * w
                Box = terms.Box * w
                GIoU = terms.GIoU * w
                Accuracy = terms.Accuracy * w
            }

        entries stage weighted, Losses.total weighted

    let private sum (totals: Tensor list) : Tensor = List.reduce (fun a b -> a + b) totals

    /// A state of the gradient-free path, and the state after it where a supervised application has computed that already.
    type private OnPath = { Query: Query; Next: Query option }

    /// The chain from the initial queries on: where the path starts, the entries of the log, and the loss of all its states together.
    let private chain (step: Step) (start: Query) : OnPath * LossEntry list * Tensor =
        let follow query (stage: SupervisedStage) =
            let query = apply step stage.Head query
            (Query.detach query, supervise step stage query), query

        let states, supervised =
            step.Plan.Chain |> List.mapFold follow start |> fst |> List.unzip

        let next =
            match step.Plan.Chain, states with
            | _ :: second :: _, _ :: state :: _ when second.Head = 1 -> Some state
            | _ -> None

        { Query = states.Head; Next = next }, List.collect fst supervised, sum (List.map snd supervised)

    /// One step of the path; no gradients. Where the next state is already there and not to be perturbed, it is reused.
    let private path (step: Step) (draw: RapDraw) (at: OnPath) : Query =
        match at.Next with
        | Some next when Perturbation.isNone draw ->
            step.Observer.Applied next
            next
        | _ ->
            use _ = torch.no_grad ()
            apply step 1 (Perturbation.apply step.Settings.Rap draw at.Query)

    /// Refinement-aware gradient of a state on the path: the state with the result of its first application, the entries of
    /// the log, the loss, and how the gradient was attached.
    let private rag (step: Step) (stage: SupervisedStage) (query: Query) : OnPath * LossEntry list * Tensor * Attached =
        let mutable next = None

        let map rows =
            let refined = apply step stage.Head (QueryState.unpack rows)

            if next.IsNone then
                next <- Some(Query.detach refined)

            QueryState.pack refined

        // a supervised state comes out of an application, so its box is the decoded position
        let attached = step.Plan.Gradient.Attach map (QueryState.pack query)
        let log, total = supervise step stage (QueryState.unpack attached.State)
        { Query = query; Next = next }, log, total, attached

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
        // Feature maps are leaves of their own: everything below is back-propagated into them, and from them into the backbone once.
        let leaf (level: Tensor) =
            let leaf = level.detach().requires_grad_ level.requires_grad

            // Kernels add to a gradient that is there. (Adjoint equations take products without wanting the maps' share of each.)
            if level.requires_grad && settings.Rag.Gradient <> ImplicitGradient then
                leaf.grad <- torch.zeros_like leaf

            leaf

        let leaves = pyramid.Levels |> List.map leaf

        let step =
            {
                Observer = observer
                Settings = settings
                Plan = plan
                Weights = weights
                Pyramid = { pyramid with Levels = leaves }
                Targets = targets
            }

        let log, totals = ResizeArray(), ResizeArray()
        let attachments = ResizeArray()

        let differentiate (entries: LossEntry list) (total: Tensor) =
            log.AddRange entries

            if plan.Immediate then
                total.backward ()
            else
                totals.Add total

        let first, entries, total = chain step start
        differentiate entries total

        let walk (at: OnPath) (number: int, draw: RapDraw) : OnPath =
            let query = path step draw at

            match List.tryFind (fun (supervised, _) -> supervised = number) plan.Rag with
            | None -> { Query = query; Next = None }
            | Some(_, stage) ->
                let at, entries, total, attached = rag step stage query
                differentiate entries total
                attachments.Add(stage, attached)
                at

        List.zip [ 1 .. plan.Steps ] (List.take plan.Steps draws)
        |> List.fold walk first
        |> ignore

        if totals.Count > 0 then
            (sum (List.ofSeq totals)).backward()

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

        // adjoint equations are solved in the backward passes
        for stage, attached in attachments do
            log.AddRange(adjointEntries stage attached)

        List.ofSeq log

    /// The same without an observer.
    let run settings plan weights pyramid start draws targets =
        runObserved silent settings plan weights pyramid start draws targets
