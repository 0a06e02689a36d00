namespace DeqDet.Model

open TorchSharp

/// The random draws of one step of the path: standard normal noise, None where content or position is not perturbed.
type RapDraw =
    {
        /// [B, Q, C].
        ContentNoise: Tensor option
        /// [B, Q, 4].
        PositionNoise: Tensor option
    }

/// Refinement-aware perturbation (paper, section 3.4): the path is perturbed so that the head learns to return to it.
module Perturbation =

    /// No perturbation.
    let none =
        {
            ContentNoise = None
            PositionNoise = None
        }

    /// True where the step is not perturbed.
    let isNone (draw: RapDraw) =
        draw.ContentNoise.IsNone && draw.PositionNoise.IsNone

    /// Draws for every step of a path of a share's contents [B, Q, C]. One decision for the whole batch, content before position, and noise
    /// for all its images, of which the share's are kept; the uniform numbers are drawn even where a probability is 0. Drawn on the CPU,
    /// so that a seed means the same on every device.
    let drawShare
        (share: Share)
        (rap: RapSettings)
        (steps: int)
        (content: Tensor)
        (generator: torch.Generator)
        : RapDraw list =
        let q, c = content.size 1, content.size 2

        let strike probability (width: int64) =
            use uniform = torch.rand ([| 1L |], generator = generator)

            if uniform.item<float32>() < float32 probability then
                let noise = torch.randn ([| share.Batch; q; width |], generator = generator)
                Some(Share.narrow share 0 noise |> onDevice content.device)
            else
                None

        [
            for _ in 1..steps do
                // in this order: the reference decides on content first
                let contentNoise = strike rap.ContentProbability c
                let positionNoise = strike rap.PositionProbability 4L

                {
                    ContentNoise = contentNoise
                    PositionNoise = positionNoise
                }
        ]

    /// The same for a whole batch.
    let draw (rap: RapSettings) (steps: int) (content: Tensor) (generator: torch.Generator) : RapDraw list =
        let whole = Share.whole 0 (List.replicate (int (content.size 0)) 0)
        drawShare whole rap steps content generator

    /// The perturbed query: content <- (1 - a) content + a ||content|| n; box <- box + s n, position <- encode(box). The box may come
    /// out inverted and stays so for the next application's overlap bias.
    let apply (rap: RapSettings) (draw: RapDraw) (query: Query) : Query =
        let query =
            match draw.ContentNoise with
            | None -> query
            | Some noise ->
                let a = rap.ContentIntensity
                let norm = query.Content.norm (-1, keepdim = true, p = 2.0f)

                { query with
                    Content = query.Content * scalar (1.0 - a) .+ norm * noise * scalar a
                }

        match draw.PositionNoise with
        | None -> query
        | Some noise ->
            let box = query.Box .+ noise * scalar rap.PositionIntensity

            { query with
                Box = box
                Position = Boxes.encode box
            }
