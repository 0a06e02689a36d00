namespace DeqDet.Export

open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx

/// How a level is read.
type LevelSource =
    /// Maps of one group of channels of one image each, [B*G, C/G, H, W], by GridSample.
    | Maps of Value
    /// The same maps as rows of channels [B*G*H*W, C/G], by gathers; the row [B*G, 1, 1] at which each map begins, and the row length.
    | Rows of rows: Value * first: Value * wide: Value

/// A level of the pyramid as it is sampled.
type LevelValue =
    {
        Source: LevelSource
        /// Its width and height in cells, [2], and in px.
        Cells: Value
        Extent: Value
        Stride: int
    }

/// The pyramid of the batch, arranged once for all steps.
type PyramidValue =
    {
        Levels: LevelValue list
        Groups: int64
        /// C/G.
        Width: int64
    }

/// Adaptive 3D sampling as operations: DeqDet.Model.Sampling.
module internal SamplingGraph =

    let private arrangeLevel (groups: int64) (stride: int) (map: Value) (graph: Graph) =
        let width = Op.size 1 map / groups
        let maps = Op.reshape [ -1L; width; 0L; 0L ] map graph
        let high, wide = Op.sizeOf 2 map graph, Op.sizeOf 3 map graph
        let cells = Op.cast ElementType.Float32 (Op.concat 0 [ wide; high ] graph) graph

        let source =
            if graph.Form.Runtime <> TensorRt then
                Maps maps
            else
                let rows = Op.reshape [ -1L; width ] (Op.transpose [ 0; 2; 3; 1 ] maps graph) graph

                let count = Op.range (Op.sizeOf 0 maps graph) graph
                let first = Op.multiply count (Op.multiply high wide graph) graph
                Rows(rows, Op.reshape [ -1L; 1L; 1L ] first graph, wide)

        {
            Source = source
            Cells = cells
            Extent = Op.times (float stride) cells graph
            Stride = stride
        }

    /// The maps of the neck, [B, C, H, W] each, for groups of channels.
    let arrange (groups: int) (strides: int list) (levels: Value list) (graph: Graph) : PyramidValue =
        let (graph: Graph) = Graph.within "pyramid" graph

        {
            Levels = List.map2 (fun stride level -> arrangeLevel (int64 groups) stride level graph) strides levels
            Groups = int64 groups
            Width = Op.size 1 levels.Head / int64 groups
        }

    /// Offsets [B, Q, N*3] around positions [B, Q, 4] -> points in px [B, Q, N, 2] and levels [B, Q, N, 1].
    let points (offsets: Value) (position: Value) (graph: Graph) =
        let count = Op.size -1 offsets / 3L
        let offsets = Op.reshape [ 0L; 0L; count; 3L ] offsets graph
        let centre = Op.unsqueeze 2 (Op.narrow -1 0L 2L position graph) graph
        let extent = Op.unsqueeze 2 (BoxGraph.size position graph) graph
        let level = Op.unsqueeze 2 (Op.narrow -1 2L 1L position graph) graph
        let moved = Op.multiply (Op.narrow -1 0L 2L offsets graph) extent graph
        Op.add centre moved graph, Op.add level (Op.narrow -1 2L 1L offsets graph) graph

    /// Weight of each level for points at depths z [..., 1] -> [..., L].
    let levelWeights (strides: int list) (z: Value) (graph: Graph) =
        let levels =
            Graph.reals
                [| for stride in strides -> float32 (System.Math.Log2(float stride)) |]
                [ int64 strides.Length ]
                graph

        let distance = Op.subtract z levels graph
        Op.softmax (Op.times -0.5 (Op.multiply distance distance graph) graph) graph

    /// [B, Q, G*P, n] -> [B*G, Q, P, n]: the layout that GridSample wants.
    let private byGroup (groups: int64) (x: Value) (graph: Graph) =
        let count, numbers = Op.size 2 x / groups, Op.size 3 x
        let apart = Op.reshape [ 0L; 0L; groups; count; numbers ] x graph
        let turned = Op.transpose [ 0; 2; 1; 3; 4 ] apart graph
        // sizes that are not known keep their places, so that one at most has to be found
        Op.squeeze 1 (Op.reshape [ -1L; 1L; 0L; 0L; 0L ] turned graph) graph

    /// [B*G, a, b, c] -> [B, G, a, b, c].
    let private apart (groups: int64) (x: Value) (graph: Graph) =
        Op.reshape [ -1L; groups; 0L; 0L; 0L ] (Op.unsqueeze 1 x graph) graph

    /// What a level has at points [B*G, Q, P, 2] of -1 to 1, zeros outside: [B*G, C/G, Q, P].
    let private byGrid (maps: Value) (grid: Value) (graph: Graph) =
        let mode = if graph.Form.Operators >= 20 then "linear" else "bilinear"

        Graph.add
            "GridSample"
            [
                OnnxAttribute.Text("mode", mode)
                OnnxAttribute.Text("padding_mode", "zeros")
                OnnxAttribute.Integer("align_corners", 0L)
            ]
            maps.Type
            [ Op.size 0 grid; Op.size 1 maps; Op.size 1 grid; Op.size 2 grid ]
            [ maps; grid ]
            graph

    /// The same by its four neighbours, each a gather: [B*G, Q, P, C/G].
    let private byGathers (level: LevelValue) (rows: Value) (first: Value) (wide: Value) (grid: Value) (graph: Graph) =
        let ones = Op.plus 1.0 grid graph

        let place =
            Op.times 0.5 (Op.plus -1.0 (Op.multiply ones level.Cells graph) graph) graph

        let low = Op.floor place graph
        let share = Op.subtract place low graph
        let last = Op.plus -1.0 level.Cells graph
        let zero = Graph.real 0.0 graph

        let corner (right: int64, down: int64) =
            let step = Graph.reals [| float32 right; float32 down |] [ 2L ] graph
            let cell = Op.add low step graph
            let inside = Op.minimum (Op.maximum cell zero graph) last graph

            let weight =
                // 1 - share on the one side, share on the other; nothing outside
                let near = Op.subtract (Graph.reals [| 1.0f; 1.0f |] [ 2L ] graph) step graph
                let sign = Op.subtract step near graph
                let amount = Op.add near (Op.multiply sign share graph) graph
                let there = Op.cast ElementType.Float32 (Op.equal cell inside graph) graph
                let each = Op.multiply amount there graph
                Op.multiply (Op.narrow -1 0L 1L each graph) (Op.narrow -1 1L 1L each graph) graph

            let whole = Op.cast ElementType.Int64 inside graph
            let across, along = Op.select -1 0L whole graph, Op.select -1 1L whole graph
            let row = Op.add first (Op.add (Op.multiply along wide graph) across graph) graph
            Op.multiply (Op.gather rows row graph) weight graph

        [ 0L, 0L; 1L, 0L; 0L, 1L; 1L, 1L ]
        |> List.map corner
        |> List.reduce (fun a b -> Op.add a b graph)

    /// Reads the pyramid at points [B, Q, G*P, 2] and depths [B, Q, G*P, 1] -> [B, Q, G, P, C/G].
    let sample (pyramid: PyramidValue) (points: Value) (depths: Value) (graph: Graph) : Value =
        let groups = pyramid.Groups
        let xy = byGroup groups points graph
        let strides = [ for level in pyramid.Levels -> level.Stride ]
        let weights = byGroup groups (levelWeights strides depths graph) graph

        let read (number: int, level: LevelValue) =
            let scaled = Op.times 2.0 (Op.divide xy level.Extent graph) graph
            let grid = Op.plus -1.0 scaled graph
            let weight = Op.narrow -1 (int64 number) 1L weights graph

            match level.Source with
            | Maps maps ->
                let weight = Op.unsqueeze 1 (Op.squeeze -1 weight graph) graph
                Op.multiply (byGrid maps grid graph) weight graph
            | Rows(rows, first, wide) -> Op.multiply (byGathers level rows first wide grid graph) weight graph

        let sum =
            pyramid.Levels
            |> List.indexed
            |> List.map read
            |> List.reduce (fun a b -> Op.add a b graph)

        match pyramid.Levels.Head.Source with
        | Maps _ -> Op.transpose [ 0; 3; 1; 4; 2 ] (apart groups sum graph) graph
        | Rows _ -> Op.transpose [ 0; 2; 1; 3; 4 ] (apart groups sum graph) graph
