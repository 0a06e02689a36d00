/// One training step: every state on its way, the matchings, the losses, and all gradients.
module DeqDet.Verification.Training

open System
open TorchSharp
open DeqDet.Model

/// The perturbation that the file recorded for each step; none where it recorded nothing.
let private draws (steps: int) (file: GoldenFile) : RapDraw list =
    [
        for step in 1..steps do
            let noise kind =
                let name part = $"draw.step{step}.{kind}_{part}"

                match GoldenFile.tryFind (name "applied") file with
                | Some applied when (GoldenFile.integers applied)[0] <> 0L -> Some(GoldenFile.find (name "noise") file)
                | _ -> None

            {
                ContentNoise = noise "content"
                PositionNoise = noise "position"
            }
    ]

let private calls (plan: Plan) (weights: DecoderWeights) (file: GoldenFile) (applied: Query list) =
    let head i =
        plan.Chain
        |> List.tryItem i
        |> Option.map (fun stage -> stage.Head)
        |> Option.defaultValue 1

    let call i (query: Query) =
        [
            "position", query.Position
            "content", query.Content
            "cls", Refinement.classify weights.Heads[head i] query.Content
            "bbox", query.Box
        ]
        |> List.choose (fun (part, actual) ->
            let name = $"call%02d{i}.{part}"

            GoldenFile.tryFind name file
            |> Option.map (fun expected -> Check.ofScale Tolerances.trajectory file.Name name expected actual))

    let recorded = GoldenFile.count (fun i -> $"call%02d{i}.content") file

    if recorded > 0 && recorded <> applied.Length then
        [
            Check.known Count 0.0 file.Name "call" (float (abs (recorded - applied.Length)))
        ]
    else
        List.collect id (List.mapi call applied)

let private assignments (file: GoldenFile) (matched: int[] list) =
    let assignment i (boxOf: int[]) =
        let name = $"assign%02d{i}"
        let ours = torch.tensor [| for box in boxOf -> int64 (box + 1) |]
        Check.exact file.Name name (GoldenFile.find name file) ours

    List.mapi assignment matched

let private losses (file: GoldenFile) (log: LossEntry list) =
    let entries =
        [
            for entry in log do
                let name = $"loss_dict.{entry.Name}"
                Check.relative Tolerances.loss file.Name name (GoldenFile.find name file) entry.Value
        ]

    let total =
        log
        |> List.filter (fun entry -> entry.Name.Contains("loss", StringComparison.Ordinal))
        |> List.map (fun entry -> entry.Value)
        |> List.reduce (.+)

    Check.relative Tolerances.loss file.Name "total_loss" (GoldenFile.find "total_loss" file) total
    :: entries

/// Checks of a `*_train*` file. Its name says whether gradients are accumulated step by step (`noaccum`: they are not).
let check (set: DecoderSet) (file: GoldenFile) : Check list =
    use scope = torch.NewDisposeScope()
    let weights, leaves = DecoderSet.decoder set
    let pyramid = DecoderSet.pyramid set

    let plan =
        { Family.plan set.Settings with
            Immediate = not (file.Name.Contains("noaccum", StringComparison.Ordinal))
        }

    let applied, matched = ResizeArray(), ResizeArray()

    let observer =
        {
            Applied =
                fun query ->
                    let query = Query.detach query
                    applied.Add query

                    // kept beyond the call, up to the end of this function's scope
                    for tensor in Query.tensors query do
                        scope.Attach(tensor.DetachFromDisposeScope())
            Matched = matched.AddRange
        }

    let log =
        Supervision.runObserved
            observer
            set.Settings
            plan
            weights
            pyramid
            (DecoderSet.start set weights)
            (draws plan.Steps file)
            (DecoderSet.targetsOf set.Inputs)

    let gradient name (leaf: Tensor) =
        let actual =
            if isNull leaf.grad then
                torch.zeros_like leaf
            else
                leaf.grad

        Check.ofScale Tolerances.trainingGradient file.Name name (GoldenFile.find name file) actual

    use _ = torch.no_grad ()

    [
        yield! losses file log
        yield! calls plan weights file (List.ofSeq applied)
        yield! assignments file (List.ofSeq matched)
        for KeyValue(parameter, leaf) in leaves do
            if GoldenFile.has $"grad.{parameter}" file then
                gradient $"grad.{parameter}" leaf
            elif List.contains parameter set.NoGradient && not (isNull leaf.grad) then
                Check.known Absolute 0.0 file.Name $"no gradient: {parameter}" (numberOf (leaf.grad.abs().max()))
        for i, level in List.indexed pyramid.Levels do
            gradient $"grad_feat{i}" level
    ]
