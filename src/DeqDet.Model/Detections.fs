namespace DeqDet.Model

open TorchSharp
open DeqDet.Solver

/// Detections of one batch, best first: scores [B, n], labels [B, n], boxes [B, n, 4] in px of the padded input, query of each.
type Detections =
    {
        Scores: Tensor
        Labels: Tensor
        Boxes: Tensor
        Queries: Tensor
        /// By image and query, how the refinement went; empty for the models without equilibrium.
        Reports: Report[][]
        /// The state that was read out: where a similar image may begin.
        State: Query
        /// Whether it was reached from an earlier image's.
        Warm: bool
    }

module Detections =

    /// All tensors of it.
    let tensors (found: Detections) : Tensor seq =
        seq {
            found.Scores
            found.Labels
            found.Boxes
            found.Queries
            yield! Query.tensors found.State
        }

    /// The best `count` of all query x class pairs of one batch: logits [B, Q, K], boxes [B, Q, 4] -> scores [B, n], labels [B, n]
    /// (int64), boxes [B, n, 4] in px of the padded input, queries [B, n], best first. No suppression of duplicates: there are none.
    let readOut (count: int) (logits: Tensor) (boxes: Tensor) =
        let b, q, k = logits.size 0, logits.size 1, logits.size 2
        let n = int (min (int64 count) (q * k))

        let struct (scores, index) =
            logits.sigmoid().reshape(b, q * k).topk(n, -1, true, true)

        // whole numbers throughout: float32 would be wrong beyond 2^24 pairs
        use classes = k.ToScalar()
        let queries = index.div (classes, torch.RoundingMode.floor)
        let labels = index.remainder classes
        let found = boxes.gather (1L, queries.unsqueeze(-1L).expand(b, int64 n, 4L))
        struct (scores, labels, found, queries)

    /// The best query x class pairs of settled queries, as many as the settings want.
    let ofSettled (settings: QuerySettings) (settled: Settled) : Detections =
        let struct (scores, labels, boxes, queries) =
            readOut settings.Detections settled.Logits settled.Query.Box

        {
            Scores = scores
            Labels = labels
            Boxes = boxes
            Queries = queries
            Reports = settled.Reports
            State = settled.Query
            Warm = settled.Warm
        }
