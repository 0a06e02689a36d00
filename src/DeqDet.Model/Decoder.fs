namespace DeqDet.Model

open TorchSharp

/// Learned contents [Q, C] and fixed boxes [Q, 4] (cx, cy, w, h as fractions of the image) that every image starts from.
type InitialWeights = { Boxes: Tensor; Contents: Tensor }

/// The decoder's weights: how queries begin, and the heads that refine them (DEQDet: init head, refinement head).
type DecoderWeights =
    {
        Initial: InitialWeights
        Heads: HeadWeights list
    }

/// The decoder as data: its weights, the queries it begins with, the heads that it applies to them.
module Decoder =

    /// Weights of the decoder under the official names.
    let create (settings: DetectorSettings) (source: WeightSource) : DecoderWeights =
        let family = Family.ofSettings settings
        let q, c = settings.Queries.Count, settings.Head.Channels
        let rpn = source |> WeightSource.at "rpn_head"
        // the whole image: cx = cy = .5, w = h = 1
        let whole =
            Values
                [|
                    for _ in 1..q do
                        0.5f
                        0.5f
                        1.0f
                        1.0f
                |]

        let boxes =
            (if family.Initial.TrainableBoxes then
                 rpn
             else
                 WeightSource.freeze rpn)
            |> WeightSource.parameter "init_proposal_bboxes.weight" [ q; 4 ] whole

        let contents =
            rpn
            |> WeightSource.parameter $"{family.Initial.Contents}.weight" [ q; c ] (Normal 1.0)

        {
            Initial = { Boxes = boxes; Contents = contents }
            Heads =
                [
                    for h in 0 .. family.Heads settings.Head - 1 ->
                        { (source
                           |> WeightSource.at $"roi_head.bbox_head.{h}"
                           |> Refinement.create settings.Classes settings.Head) with
                            Injected = if settings.Queries.Inject then Some contents else None
                        }
                ]
        }

    /// Queries at the start: for valid image sizes [B, 1, 4] (w, h, w, h in px) the same contents, layer-normalised without scale,
    /// and boxes over the whole valid image.
    let initial (form: InitialForm) (weights: InitialWeights) (sizes: Tensor) : Query =
        let b = sizes.size 0
        let q, c = weights.Contents.size 0, weights.Contents.size 1
        let content = (Norm.plain 1 weights.Contents).unsqueeze(0L).expand(b, q, c)
        let struct (position, box) = form.Place(weights.Boxes.detach().unsqueeze 0L * sizes)

        {
            Position = position
            Content = content
            Box = box
        }

    /// Heads in the order in which prediction applies them.
    let schedule (settings: DetectorSettings) (weights: DecoderWeights) : HeadWeights list =
        [
            for head in (Family.ofSettings settings).Schedule settings -> weights.Heads[head]
        ]

    /// Every state of the prediction's path, the initial one first; no gradients. The caller disposes of them.
    let path (settings: DetectorSettings) (weights: DecoderWeights) (pyramid: Pyramid) (start: Query) : Query seq =
        seq {
            let mutable query = start
            yield query

            for head in schedule settings weights do
                let next =
                    use _ = torch.no_grad ()
                    Refinement.apply head pyramid query

                query <- next
                yield query
        }
