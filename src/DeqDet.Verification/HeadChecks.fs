/// Initial queries, and one application of each head to them with its intermediates and gradients.
module DeqDet.Verification.HeadChecks

open TorchSharp
open DeqDet.Model

/// The initial state, where a file has it.
let initial (file: GoldenFile) (sizes: Tensor) (start: Query) : Check list =
    let check name (actual: Tensor) =
        GoldenFile.tryFind name file
        |> Option.map (fun expected -> Check.ofScale Tolerances.forward file.Name name expected actual)

    // one row per image, or repeated for every query
    let sizes =
        match GoldenFile.tryFind "init.imgs_whwh" file with
        | Some expected -> sizes.expand_as expected
        | None -> sizes

    List.choose
        id
        [
            check "init.imgs_whwh" sizes
            check "init.content" start.Content
            check "init.bbox" start.Box
            check "init.position" start.Position
        ]

let private one (set: DecoderSet) (file: GoldenFile) h =
    let name part = $"head{h}.{part}"
    let find part = GoldenFile.find (name part) file

    let check part actual =
        Check.ofScale Tolerances.forward file.Name (name part) (find part) actual

    let gradient part (leaf: Tensor) =
        let actual =
            if isNull leaf.grad then
                torch.zeros_like leaf
            else
                leaf.grad

        Check.ofScale Tolerances.headGradient file.Name (name part) (find part) actual

    let decoder, leaves = DecoderSet.decoder set
    let pyramid = DecoderSet.pyramid set
    let start = Query.detach (DecoderSet.start set decoder)

    let start =
        { start with
            Position = start.Position.clone().requires_grad_ true
            Content = start.Content.clone().requires_grad_ true
        }

    let head = List.item h decoder.Heads
    let query, trace = Refinement.applyAttached head pyramid start
    let logits = Refinement.classify head query.Content

    let outputs =
        [
            "position", query.Position
            "content", query.Content
            "cls", logits
            "bbox", query.Box
        ]

    (outputs
     |> List.map (fun (part, output) -> (output * find $"cotangent_{part}").sum())
     |> List.reduce (.+))
        .backward()

    // the reference's attention works on [Q, B, C]
    let byQuery (x: Tensor) = x.transpose (0L, 1L)

    let parameters =
        let prefix = name "grad_param."

        [
            for full in file.Tensors.Keys do
                if full.StartsWith(prefix, System.StringComparison.Ordinal) then
                    full.Substring prefix.Length
        ]

    [
        check "attention_LND" (byQuery trace.Attended)
        check "attention_norm_LND" (byQuery trace.AttendedNormed)
        check "offset" trace.Offsets
        check "sampled" trace.Sampled
        check "mixing" trace.Mixed
        check "sampling_norm" trace.MixedNormed
        check "ffn" trace.FeedForward
        check "ffn_norm" query.Content
        for part, output in outputs do
            check $"out_{part}" output
        gradient "grad_position" start.Position
        gradient "grad_content" start.Content
        for i, level in List.indexed pyramid.Levels do
            gradient $"grad_feat{i}" level
        for parameter in parameters do
            gradient $"grad_param.{parameter}" leaves[$"roi_head.bbox_head.{h}.{parameter}"]
    ]

/// Checks of a `*_head` file.
let check (set: DecoderSet) (file: GoldenFile) : Check list =
    let decoder, _ = DecoderSet.decoder set
    let heads = GoldenFile.count (fun h -> $"head{h}.out_content") file

    initial file (DecoderSet.sizes set) (DecoderSet.start set decoder)
    @ List.collect (one set file) [ 0 .. heads - 1 ]
