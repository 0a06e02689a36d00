namespace DeqDet.Model

open TorchSharp
open DeqDet.Kernels
open DeqDet.Solver

/// A number of the training log: `{stage}loss_cls`, `..loss_bbox`, `..loss_iou`, `..pos_acc`; with an implicit gradient also
/// `..adjoint_converged` (per cent of the images) and `..adjoint_products` (mean number of vector-Jacobian products). 0-dimensional, no
/// gradient.
type LossEntry = { Name: string; Value: Tensor }

/// Callbacks of the training of one batch, for tests: every state and every matching, in program order. The tensors live only during the
/// call.
type SupervisionObserver =
    {
        Applied: Query -> unit
        Matched: int[] list -> unit
    }

/// Refinement-aware gradient (paper, section 3.3) and the interpreter of plans.
module Supervision =

    /// An observer of nothing.
    let silent = { Applied = ignore; Matched = ignore }

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

    /// A supervised state of the path and how its gradient was attached; none for the chain.
    type private Attachment = (SupervisedStage * Attached) option

    /// Convergence and cost of an implicit gradient's adjoint equation, over the images of the batch; no entries for the other gradients.
    let private adjointEntries (share: Share) (attachment: Attachment) : LossEntry list =
        match attachment with
        | None -> []
        | Some(stage, attached) ->
            let entry name (value: float) =
                {
                    Name = stage.Name + name
                    Value = torch.tensor (Share.ofMean share value, device = attached.State.device)
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

    /// What a part of the step leaves: states cut from the graph, entries of the log, the loss to be differentiated.
    type private Supervised<'state> =
        {
            State: 'state
            Log: LossEntry list
            Total: Tensor
            Attachment: Attachment
        }

    /// What all parts of one training step share.
    type private Step =
        {
            Observer: SupervisionObserver
            Share: Share
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

        let terms =
            Losses.ofShare step.Share settings.Loss step.Targets matching logits query.Box

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

    /// Back-propagates a loss, times the share's factor. Where all is frozen that it depends on, there is nothing to do.
    let private backward (share: Share) (loss: Tensor) : unit =
        if not loss.requires_grad then ()
        elif share.LossScale = 1.0 then loss.backward ()
        else (loss * scalar share.LossScale).backward()

    let private sum (totals: Tensor list) : Tensor = List.reduce (.+) totals

    /// A state of the gradient-free path, and the state after it where a supervised application has computed that already.
    type private OnPath = { Query: Query; Next: Query option }

    /// The chain from the initial queries on: where the path starts, the entries of the log, and the loss of all its states together.
    let private chain (step: Step) (start: Query) : Supervised<OnPath> =
        let follow query (stage: SupervisedStage) =
            let query = apply step stage.Head query
            (Query.detach query, supervise step stage query), query

        let states, supervised =
            step.Plan.Chain |> List.mapFold follow start |> fst |> List.unzip

        let next =
            match step.Plan.Chain, states with
            | _ :: second :: _, _ :: state :: _ when second.Head = 1 -> Some state
            | _ -> None

        {
            State = { Query = states.Head; Next = next }
            Log = List.collect fst supervised
            Total = sum (List.map snd supervised)
            Attachment = None
        }

    /// One step of the path; no gradients. Where the next state is already there and not to be perturbed, it is reused.
    let private path (step: Step) (draw: RapDraw) (at: OnPath) : Query =
        match at.Next with
        | Some next when Perturbation.isNone draw ->
            step.Observer.Applied next
            next
        | _ ->
            use _ = torch.no_grad ()
            apply step 1 (Perturbation.apply step.Settings.Rap draw at.Query)

    /// Penalties on a supervised step, given the state and its image; noise where the Jacobian is penalised.
    let private penalties (step: Step) (stage: SupervisedStage) (noise: Tensor option) (state: Tensor) (image: Tensor) =
        let loss = step.Settings.Loss

        // not observed: what the Jacobian's estimate applies the head to is no state of the path
        let map rows =
            QueryState.unpack rows
            |> Refinement.apply step.Weights.Heads[stage.Head] step.Pyramid
            |> QueryState.pack

        [
            match noise with
            | Some noise ->
                $"{stage.Name}loss_jacobian", Stability.jacobian step.Share map state image noise * scalar loss.Jacobian
            | None -> ()

            if loss.Residual > 0.0 then
                $"{stage.Name}loss_residual", Stability.residual step.Share state image * scalar loss.Residual
        ]

    /// Refinement-aware gradient of a state on the path; leaves the result of its first application.
    let private rag
        (step: Step)
        (stage: SupervisedStage)
        (noise: Tensor option)
        (query: Query)
        : Supervised<Query option> =
        let mutable first = None

        let map rows =
            let refined = apply step stage.Head (QueryState.unpack rows)
            let image = QueryState.pack refined

            if first.IsNone then
                first <- Some(Query.detach refined, image)

            image

        // a supervised state comes out of an application, so its box is the decoded position
        let state = QueryState.pack query
        let attached = step.Plan.Gradient.Attach map state
        let log, total = supervise step stage (QueryState.unpack attached.State)

        let penalties =
            match first with
            | Some(_, image) -> penalties step stage noise state image
            | None -> []

        {
            State = Option.map fst first
            Log =
                log
                @ [ for name, value in penalties -> { Name = name; Value = value.detach () } ]
            Total = sum (total :: List.map snd penalties)
            Attachment = Some(stage, attached)
        }

    /// The maps of a pyramid as leaves of their own: a training step is back-propagated into them, and from them into the backbone once.
    let leaves (computation: Computation) (pyramid: Pyramid) : Pyramid =
        let leaf (level: Tensor) =
            let leaf = level.detach().requires_grad_ level.requires_grad

            // kernels add to a gradient that is there
            if level.requires_grad && computation.Gradients then
                leaf.grad <- torch.zeros_like leaf

            leaf

        { pyramid with
            Levels = List.map leaf pyramid.Levels
        }

    /// Runs a plan over a share of a batch: initial queries and pyramid (both may carry gradients), one RAP draw per step of the path, noise for
    /// each supervised step of it (`Stability.probes`) where the Jacobian is penalised, else none.
    /// Gradients are left in the `grad` of the leaves: of the weights and of whatever the pyramid and queries came from. Returns the
    /// log entries in the reference's order; their sum over names containing "loss" is what was differentiated.
    let runShare
        (observer: SupervisionObserver)
        (share: Share)
        (settings: DetectorSettings)
        (plan: Plan)
        (weights: DecoderWeights)
        (pyramid: Pyramid)
        (start: Query)
        (draws: RapDraw list)
        (probes: Tensor list)
        (targets: Target list)
        : LossEntry list =
        let leaves = leaves weights.Heads.Head.Computation pyramid

        let step =
            {
                Observer = observer
                Share = share
                Settings = settings
                Plan = plan
                Weights = weights
                Pyramid = leaves
                Targets = targets
            }

        let log, adjoints, totals = ResizeArray(), ResizeArray(), ResizeArray()

        // Of an immediate backward pass nothing stays but numbers and the detached states that `tensors` names: its graph is freed before the
        // next one is made.
        let differentiate (tensors: 'state -> Tensor seq) (supervised: unit -> Supervised<'state>) : 'state =
            let run () =
                let result = supervised ()

                if plan.Immediate then
                    backward share result.Total
                    result.State, result.Log, adjointEntries share result.Attachment
                else
                    totals.Add(result.Total, result.Attachment)
                    result.State, result.Log, []

            let kept (state, entries, adjoint) =
                seq {
                    yield! tensors state

                    for entry: LossEntry in entries @ adjoint do
                        entry.Value
                }

            let state, entries, adjoint = if plan.Immediate then scoped kept run else run ()

            log.AddRange entries
            adjoints.AddRange adjoint
            state

        let nextTensors (next: Query option) =
            next |> Option.map Query.tensors |> Option.defaultValue Seq.empty

        let first =
            (fun () -> chain step start)
            |> differentiate (fun at -> Seq.append (Query.tensors at.Query) (nextTensors at.Next))

        let walk (at: OnPath) (number: int, draw: RapDraw) : OnPath =
            let query = path step draw at

            {
                Query = query
                Next =
                    plan.Rag
                    |> List.tryFindIndex (fun (supervised, _) -> supervised = number)
                    |> Option.bind (fun index ->
                        let stage, noise = snd plan.Rag[index], List.tryItem index probes
                        differentiate nextTensors (fun () -> rag step stage noise query))
            }

        List.zip [ 1 .. plan.Steps ] (List.take plan.Steps draws)
        |> List.fold walk first
        |> ignore

        if totals.Count > 0 then
            sum [ for total, _ in totals -> total ] |> backward share

        share.DecoderDone()

        // one pass through neck and backbone for all levels together
        let reached =
            [|
                for level, leaf in List.zip pyramid.Levels leaves.Levels do
                    let gradient = leaf.grad

                    if level.requires_grad && not (isNull gradient) then
                        level, gradient
            |]

        if reached.Length > 0 then
            torch.autograd.backward (Array.map fst reached, Array.map snd reached)

        // adjoint equations are solved in the backward passes
        for _, attachment in totals do
            adjoints.AddRange(adjointEntries share attachment)

        log.AddRange adjoints
        List.ofSeq log

    /// The same of a whole batch.
    let runObserved observer settings plan weights pyramid (start: Query) draws (targets: Target list) =
        let boxes = [ for target in targets -> int (target.Labels.size 0) ]
        let share = Share.whole (int (start.Content.size 1)) boxes
        runShare observer share settings plan weights pyramid start draws [] targets

    /// The same without an observer.
    let run settings plan weights pyramid start draws targets =
        runObserved silent settings plan weights pyramid start draws targets
