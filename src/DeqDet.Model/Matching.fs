namespace DeqDet.Model

open System
open TorchSharp

/// The boxes of one image to be found: xyxy px [N, 4] float32, labels [N] int64; N may be 0. `Size` is the valid (w, h) in px.
type Target =
    {
        Boxes: Tensor
        Labels: Tensor
        Size: struct (float * float)
    }

module Target =

    /// The same image without boxes.
    let none (target: Target) : Target =
        { target with
            Boxes = target.Boxes.narrow (0L, 0L, 0L)
            Labels = target.Labels.narrow (0L, 0L, 0L)
        }

/// Hungarian matching of queries and boxes.
module Matching =

    /// Minimum-cost assignment of rows to columns of a [rows, columns] matrix with rows <= columns: the column of each row.
    /// Shortest augmenting paths with potentials (Jonker and Volgenant 1987), O(rows^2 columns).
    let private assignRows (rows: int) (columns: int) (cost: int -> int -> float) : int[] =
        let u = Array.zeroCreate<float>(rows + 1)
        let v = Array.zeroCreate<float>(columns + 1)
        // rowOf[j]: row matched to column j; columns and rows count from 1, 0 is the virtual start
        let rowOf = Array.zeroCreate<int>(columns + 1)
        let way = Array.zeroCreate<int>(columns + 1)

        for row in 1..rows do
            rowOf[0] <- row
            let shortest = Array.create (columns + 1) Double.PositiveInfinity
            let visited = Array.zeroCreate<bool>(columns + 1)
            let mutable column = 0

            while rowOf[column] <> 0 do
                visited[column] <- true
                let current = rowOf[column]
                let mutable delta = Double.PositiveInfinity
                let mutable next = 0

                for j in 1..columns do
                    if not visited[j] then
                        let reduced = cost (current - 1) (j - 1) - u[current] - v[j]

                        if reduced < shortest[j] then
                            shortest[j] <- reduced
                            way[j] <- column

                        if shortest[j] < delta then
                            delta <- shortest[j]
                            next <- j

                for j in 0..columns do
                    if visited[j] then
                        u[rowOf[j]] <- u[rowOf[j]] + delta
                        v[j] <- v[j] - delta
                    else
                        shortest[j] <- shortest[j] - delta

                column <- next

            while column <> 0 do
                let previous = way[column]
                rowOf[column] <- rowOf[previous]
                column <- previous

        let columnOf = Array.create rows -1

        for j in 1..columns do
            if rowOf[j] <> 0 then
                columnOf[rowOf[j] - 1] <- j - 1

        columnOf

    /// Minimum-cost assignment for a row-major cost matrix [queries, boxes]: for each query the box it is matched to, or -1.
    /// min(queries, boxes) pairs are made. Costs that are not finite count as very bad.
    let assign (queries: int) (boxes: int) (cost: ReadOnlyMemory<float32>) : int[] =
        let at q b =
            let value = float cost.Span[q * boxes + b]
            if Double.IsFinite value then value else 1e9

        if boxes = 0 then
            Array.create queries -1
        elif boxes <= queries then
            let queryOf = assignRows boxes queries (fun b q -> at q b)
            let result = Array.create queries -1
            queryOf |> Array.iteri (fun b q -> result[q] <- b)
            result
        else
            assignRows queries boxes at

    /// Focal classification cost of logits [B, Q, K] for labels [B, N]: [B, Q, N] (eps 1e-12, alpha .25, gamma 2), unweighted.
    let focalCost (alpha: float) (gamma: float) (logits: Tensor) (labels: Tensor) =
        let eps = scalar 1e-12
        let p = logits.sigmoid ()
        let rest = scalar 1.0 - p

        let negative = ((rest + eps).log() * scalar -(1.0 - alpha)) * p.pow (scalar gamma)

        let positive = ((p + eps).log() * scalar -alpha) * rest.pow (scalar gamma)

        (positive - negative).gather(-1L, labels.unsqueeze(1L).expand(logits.size 0, logits.size 1, labels.size 1))

    /// L1 distance of boxes [B, Q, 4] and [B, N, 4], both divided by the valid size [B, 1, 4]: [B, Q, N], unweighted.
    let l1Cost (size: Tensor) (boxes: Tensor) (targets: Tensor) =
        ((boxes / size).unsqueeze 2L - (targets / size).unsqueeze 1L).abs().sum(-1L)

    /// 1 - GIoU up to its constant: -GIoU of boxes [B, Q, 4] and [B, N, 4] in px: [B, Q, N] (eps 1e-6), unweighted.
    let giouCost (boxes: Tensor) (targets: Tensor) =
        (Boxes.pairwise (Boxes.giou 1e-6) boxes targets).neg()

    /// Valid sizes as [B, 1, 4] (w, h, w, h).
    let sizes (targets: Target list) (like: Tensor) =
        let values =
            [|
                for target in targets do
                    let struct (w, h) = target.Size
                    w
                    h
                    w
                    h
            |]

        (constants like values).view(int64 targets.Length, 1L, 4L)

    /// Boxes [B, Nmax, 4] and labels [B, Nmax] of a batch, the missing ones zero.
    let private padded (targets: Target list) (like: Tensor) =
        let most = targets |> List.map (fun t -> t.Labels.size 0) |> List.max
        let b = int64 targets.Length

        let boxes =
            torch.zeros ([| b; most; 4L |], dtype = like.dtype, device = like.device)

        let labels = torch.zeros ([| b; most |], dtype = torch.int64, device = like.device)

        targets
        |> List.iteri (fun i target ->
            let n = target.Labels.size 0

            if n > 0L then
                boxes.select(0, int64 i).narrow(0, 0L, n).copy_ target.Boxes |> ignore
                labels.select(0, int64 i).narrow(0, 0L, n).copy_ target.Labels |> ignore)

        boxes, labels

    /// Matching cost [B, Q, Nmax] of predictions (logits [B, Q, K], boxes [B, Q, 4]) against the targets of each image; columns
    /// beyond an image's own boxes mean nothing.
    let cost (weights: TermWeights) (loss: LossSettings) (targets: Target list) (logits: Tensor) (boxes: Tensor) =
        use _ = torch.no_grad ()
        let targetBoxes, labels = padded targets boxes
        let size = sizes targets boxes

        focalCost loss.FocalAlpha loss.FocalGamma logits labels * scalar weights.Focal
        .+ l1Cost size boxes targetBoxes * scalar weights.L1
        .+ giouCost boxes targetBoxes * scalar weights.GIoU

    /// For each image and query the index of its box, or -1 for background. As many pairs as min(queries, boxes).
    let run
        (weights: TermWeights)
        (loss: LossSettings)
        (targets: Target list)
        (logits: Tensor)
        (boxes: Tensor)
        : int[] list =
        use scope = torch.NewDisposeScope()
        let queries = int (boxes.size 1)
        let most = targets |> List.map (fun t -> int (t.Labels.size 0)) |> List.max

        if most = 0 then
            [ for _ in targets -> Array.create queries -1 ]
        else
            let cost =
                (cost weights loss targets (logits.detach ()) (boxes.detach ())).``to``(torch.float32).cpu()

            let all = cost.data<float32>().ToArray()

            targets
            |> List.mapi (fun i target ->
                let n = int (target.Labels.size 0)
                // cut the padding columns away
                let own =
                    Array.init (queries * n) (fun k -> all[(i * queries + k / n) * most + k % n])

                assign queries n (ReadOnlyMemory own))
