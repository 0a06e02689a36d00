namespace DeqDet.Export

open DeqDet.Checkpoints
open DeqDet.Model
open DeqDet.Model.Backbones

/// Swin Transformers as operations.
module internal SwinGraph =

    let private window = int64 WindowAttention.window
    let private cells = window * window

    let private one number (graph: Graph) = Graph.integers [ number ] graph

    /// How many cells are missing to a multiple of `unit`, [1].
    let private missing (unit: int64) (side: Value) (graph: Graph) =
        let over = Op.remainder side (one unit graph) graph
        Op.remainder (Op.subtract (one unit graph) over graph) (one unit graph) graph

    /// [B, H, W, C] with zeros below and to the right up to multiples of `unit`.
    let private padTo unit (x: Value) (graph: Graph) =
        let none = one 0L graph

        let missing axis =
            missing unit (Op.sizeOf axis x graph) graph

        let around =
            Op.concat 0 [ none; none; none; none; none; missing 1; missing 2; none ] graph

        Op.pad around [ Op.size 0 x; Op.Free; Op.Free; Op.size 3 x ] x graph

    /// The first `length` [1] of an axis.
    let private take axis (length: Value) (x: Value) (graph: Graph) =
        Graph.add
            "Slice"
            []
            x.Type
            (List.updateAt axis Op.Free x.Shape)
            [ x; one 0L graph; length; one (int64 axis) graph ]
            graph

    /// An axis from `start` on to its end.
    let private from axis (start: int64) (x: Value) (graph: Graph) =
        Graph.add
            "Slice"
            []
            x.Type
            (List.updateAt axis Op.Free x.Shape)
            [ x; one start graph; one System.Int64.MaxValue graph; one (int64 axis) graph ]
            graph

    /// The last `count` of an axis.
    let private last axis (count: int64) (x: Value) (graph: Graph) = from axis -count x graph

    /// Everything but the last `count` of an axis.
    let private butLast axis (count: int64) (x: Value) (graph: Graph) = take axis (one -count graph) x graph

    /// Cells move by so many places along both sides, and come in again at the other end: to the left and up where `by` is negative.
    let private roll (by: int64) (x: Value) (graph: Graph) =
        let along axis x =
            if by < 0L then
                Op.concat axis [ from axis -by x graph; take axis (one -by graph) x graph ] graph
            else
                Op.concat axis [ last axis by x graph; butLast axis by x graph ] graph

        along 2 (along 1 x)

    /// [B, H, W, C] -> windows [B*n, 49, C]; H and W [1] are multiples of 7.
    let private split (high: Value) (wide: Value) (x: Value) (graph: Graph) =
        let channels = Op.size 3 x
        let windows side = Op.divide side (one window graph) graph
        let side = one window graph

        let shape =
            Op.concat 0 [ one -1L graph; windows high; side; windows wide; side; one channels graph ] graph

        let apart =
            Op.reshapeAs shape [ Op.Free; Op.Free; window; Op.Free; window; channels ] x graph

        Op.reshape [ -1L; cells; channels ] (Op.transpose [ 0; 1; 3; 2; 4; 5 ] apart graph) graph

    /// The inverse of `split`.
    let private join (high: Value) (wide: Value) (x: Value) (graph: Graph) =
        let channels = Op.size 2 x
        let count side = Op.divide side (one window graph) graph
        let side = one window graph

        let shape =
            Op.concat 0 [ one -1L graph; count high; count wide; side; side; one channels graph ] graph

        let apart =
            Op.reshapeAs shape [ Op.Free; Op.Free; Op.Free; window; window; channels ] x graph

        let turned = Op.transpose [ 0; 1; 3; 2; 4; 5 ] apart graph
        let whole = Op.concat 0 [ one -1L graph; high; wide; one channels graph ] graph
        Op.reshapeAs whole [ Op.Free; Op.Free; Op.Free; channels ] turned graph

    /// Mask [n, 1, 49, 49] of shifted windows over a padded map of these sides [1]: -100 between cells that were not neighbours before the shift.
    let private shiftMask (high: Value) (wide: Value) (graph: Graph) =
        // 0, 1 or 2 by the borders at 7 and at 3 before the end
        let region (side: Value) =
            let places = Op.range side graph

            let beyond (before: int64) =
                let border = Op.subtract side (one before graph) graph
                let inside = Op.less places border graph
                Op.cast ElementType.Float32 (Op.negation inside graph) graph

            Op.add (beyond window) (beyond (window / 2L)) graph

        let rows = Op.unsqueeze -1 (Op.times 3.0 (region high) graph) graph
        let regions = Op.add rows (region wide) graph
        let map = Op.unsqueeze -1 (Op.unsqueeze 0 regions graph) graph
        let windows = Op.squeeze -1 (split high wide map graph) graph

        let same =
            Op.equal (Op.unsqueeze 1 windows graph) (Op.unsqueeze 2 windows graph) graph

        let apart = Op.cast ElementType.Float32 (Op.negation same graph) graph
        Op.unsqueeze 1 (Op.times -100.0 apart graph) graph

    let private attention (weights: WindowAttention) (mask: Value option) (windows: Value) (graph: Graph) =
        let channels, heads = Op.size 2 windows, int64 weights.Heads
        let width = channels / heads

        let parts =
            Layers.large weights.InProjection windows graph
            |> fun qkv -> Op.reshape [ 0L; cells; 3L; heads; width ] qkv graph
            |> fun qkv -> Op.transpose [ 2; 0; 3; 1; 4 ] qkv graph

        let part number = Op.select 0 number parts graph
        let query = Op.times (1.0 / sqrt (float width)) (part 0L) graph

        let bias =
            Graph.weight
                "by_place"
                (fun table ->
                    table
                        .index_select(0L, WindowAttention.placeIndex table.device)
                        .view(cells, cells, heads)
                        .permute(2L, 0L, 1L))
                weights.PlaceBias
                graph

        let scores =
            Op.add (Op.matmul query (Op.transpose [ 0; 1; 3; 2 ] (part 1L) graph) graph) bias graph

        let scores =
            match mask with
            | None -> scores
            | Some mask ->
                // windows of an image beside each other: [B, n, heads, 49, 49]
                let count = Op.sizeOf 0 mask graph
                let sizes = Graph.integers [ heads; cells; cells ] graph
                let shape = Op.concat 0 [ one -1L graph; count; sizes ] graph
                let known = [ Op.Free; Op.Free; heads; cells; cells ]
                let masked = Op.add (Op.reshapeAs shape known scores graph) mask graph
                Op.reshape [ -1L; heads; cells; cells ] masked graph

        let mixed = Op.matmul (Op.softmax scores graph) (part 2L) graph

        let joined =
            Op.reshape [ 0L; 0L; channels ] (Op.transpose [ 0; 2; 1; 3 ] mixed graph) graph

        Layers.large weights.OutProjection joined graph

    let private applyBlock (block: SwinBlock) (mask: Value) (x: Value) (graph: Graph) =
        let half = window / 2L
        let h, w = Op.sizeOf 1 x graph, Op.sizeOf 2 x graph
        let padded = padTo window (Layers.norm block.AttentionNorm x graph) graph
        let high, wide = Op.sizeOf 1 padded graph, Op.sizeOf 2 padded graph
        let padded = if block.Shifted then roll -half padded graph else padded
        let windows = split high wide padded graph

        let attended =
            attention block.Attention (if block.Shifted then Some mask else None) windows graph

        let together = join high wide attended graph
        let together = if block.Shifted then roll half together graph else together
        let x = Op.add x (take 2 w (take 1 h together graph) graph) graph

        let hidden =
            Layers.gelu (Layers.large block.Expand (Layers.norm block.FeedForwardNorm x graph) graph) graph

        Op.add x (Layers.large block.Contract hidden graph) graph

    /// [B, H, W, C] -> [B, H/2, W/2, 2C], sides rounded up.
    let private applyMerge (weights: SwinMerge) (x: Value) (graph: Graph) =
        let channels = Op.size 3 x
        let x = padTo 2L x graph
        let two = one 2L graph

        let half axis =
            Op.divide (Op.sizeOf axis x graph) two graph

        let shape =
            Op.concat 0 [ one -1L graph; half 1; two; half 2; two; one channels graph ] graph

        let apart =
            Op.reshapeAs shape [ Op.Free; Op.Free; 2L; Op.Free; 2L; channels ] x graph

        let turned = Op.transpose [ 0; 1; 3; 5; 2; 4 ] apart graph

        let flat =
            Op.concat 0 [ one -1L graph; half 1; half 2; one (4L * channels) graph ] graph

        let together =
            Op.reshapeAs flat [ Op.Free; Op.Free; Op.Free; 4L * channels ] turned graph

        Layers.largeUnbiased weights.Reduction (Layers.norm weights.Norm together graph) graph

    /// Images [B, 3, H, W] -> C2..C5.
    let apply (net: Swin) (images: Value) (graph: Graph) : Value list =
        let patch = int64 net.Patches.Stride

        let start =
            let (graph: Graph) = Graph.within "patch_embed" graph
            let none = one 0L graph

            let missing axis =
                missing patch (Op.sizeOf axis images graph) graph

            let around =
                Op.concat 0 [ none; none; none; none; none; none; missing 2; missing 3 ] graph

            let padded = Op.pad around images.Shape images graph
            let patches = Layers.convolution net.Patches padded graph
            Layers.norm net.PatchNorm (Op.transpose [ 0; 2; 3; 1 ] patches graph) graph

        let stage (x: Value, outputs: Value list) (number: int, weights: SwinStage) =
            let (graph: Graph) = Graph.within $"stage{number + 1}" graph

            let round axis =
                let side = Op.sizeOf axis x graph
                Op.add side (missing window side graph) graph

            let mask = shiftMask (round 1) (round 2) (Graph.within "mask" graph)

            let x =
                weights.Blocks
                |> List.indexed
                |> List.fold (fun x (index, block) -> applyBlock block mask x (Graph.within $"block{index}" graph)) x

            let output =
                Op.transpose [ 0; 3; 1; 2 ] (Layers.norm weights.OutputNorm x graph) graph

            let next =
                match weights.Merge with
                | Some merge -> applyMerge merge x (Graph.within "merge" graph)
                | None -> x

            next, outputs @ [ output ]

        net.Stages |> List.indexed |> List.fold stage (start, []) |> snd
