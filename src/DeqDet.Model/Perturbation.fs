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

    /// Draws for every step of a path of contents [B, Q, C]. One decision for the whole batch, content before position; the
    /// uniform numbers are drawn even where a probability is 0. Drawn on the CPU, so that a seed means the same on every device.
    let draw (rap: RapSettings) (steps: int) (content: Tensor) (generator: torch.Generator) : RapDraw list =
        let b, q, c = content.size 0, content.size 1, content.size 2

        let strike probability (width: int64) =
            use uniform = torch.rand ([| 1L |], generator = generator)

            if uniform.item<float32>() < float32 probability then
                Some(torch.randn([| b; q; width |], generator = generator).``to`` content.device)
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
                    Content = query.Content * scalar (1.0 - a) + norm * noise * scalar a
                }

        match draw.PositionNoise with
        | None -> query
        | Some noise ->
            let box = query.Box + noise * scalar rap.PositionIntensity

            { query with
                Box = box
                Position = Boxes.encode box
            }
