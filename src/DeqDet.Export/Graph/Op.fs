namespace DeqDet.Export

open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx

/// The operations that the model's layers are made of, with the shapes of their results as far as these are known. What does not fit is a mistake of the
/// caller's: InvalidOperationException, before anything is written.
module Op =

    /// A size that is known only when the graph runs.
    [<Literal>]
    let Free = -1L

    let private mistake (text: string) : 'a = invalidOp text

    let private axisOf (axis: int) (x: Value) =
        let at = if axis < 0 then x.Shape.Length + axis else axis

        if at < 0 || at >= x.Shape.Length then
            mistake $"{x.Name} %A{x.Shape} has no axis {axis}"

        at

    /// The size of an axis.
    let size (axis: int) (x: Value) : int64 = x.Shape[axisOf axis x]

    let private unify (a: Value) (b: Value) m n =
        match m, n with
        | m, n when m = n -> m
        | 1L, n -> n
        | m, 1L -> m
        | Free, n -> n
        | m, Free -> m
        | _ -> mistake $"{a.Name} %A{a.Shape} and {b.Name} %A{b.Shape} do not go together"

    let private broadcast (a: Value) (b: Value) (first: int64 list) (second: int64 list) =
        let rank = max first.Length second.Length

        let padded (shape: int64 list) =
            List.replicate (rank - shape.Length) 1L @ shape

        List.map2 (unify a b) (padded first) (padded second)

    let private sameType (a: Value) (b: Value) =
        if a.Type <> b.Type then
            mistake $"{a.Name} is {a.Type}, {b.Name} is {b.Type}"

    let private two operator kind (a: Value) (b: Value) (graph: Graph) =
        sameType a b
        Graph.add operator [] kind (broadcast a b a.Shape b.Shape) [ a; b ] graph

    let private one operator (x: Value) (graph: Graph) =
        Graph.add operator [] x.Type x.Shape [ x ] graph

    let add a b (graph: Graph) = two "Add" a.Type a b graph
    let subtract a b (graph: Graph) = two "Sub" a.Type a b graph
    let multiply a b (graph: Graph) = two "Mul" a.Type a b graph
    let divide a b (graph: Graph) = two "Div" a.Type a b graph
    let maximum a b (graph: Graph) = two "Max" a.Type a b graph
    let minimum a b (graph: Graph) = two "Min" a.Type a b graph
    let power a b (graph: Graph) = two "Pow" a.Type a b graph
    let remainder a b (graph: Graph) = two "Mod" a.Type a b graph
    let less a b (graph: Graph) = two "Less" ElementType.Bool a b graph

    let lessOrEqual a b (graph: Graph) =
        two "LessOrEqual" ElementType.Bool a b graph

    let greater a b (graph: Graph) =
        two "Greater" ElementType.Bool a b graph

    let equal a b (graph: Graph) = two "Equal" ElementType.Bool a b graph
    let both a b (graph: Graph) = two "And" ElementType.Bool a b graph
    let either a b (graph: Graph) = two "Or" ElementType.Bool a b graph
    let negation x (graph: Graph) = one "Not" x graph
    let relu x (graph: Graph) = one "Relu" x graph
    let absolute x (graph: Graph) = one "Abs" x graph
    let logarithm x (graph: Graph) = one "Log" x graph
    let sine x (graph: Graph) = one "Sin" x graph
    let cosine x (graph: Graph) = one "Cos" x graph
    let root x (graph: Graph) = one "Sqrt" x graph
    let floor x (graph: Graph) = one "Floor" x graph
    let sigmoid x (graph: Graph) = one "Sigmoid" x graph
    let errorFunction x (graph: Graph) = one "Erf" x graph

    /// x times a number.
    let times (number: float) x (graph: Graph) =
        multiply x (Graph.real number graph) graph

    /// x and a number.
    let plus (number: float) x (graph: Graph) = add x (Graph.real number graph) graph

    /// The larger one of x and a number.
    let atLeast (number: float) x (graph: Graph) =
        maximum x (Graph.real number graph) graph

    /// 2 to the power of x.
    let exp2 x (graph: Graph) = power (Graph.real 2.0 graph) x graph

    /// Logarithm to the base 2.
    let log2 x (graph: Graph) =
        times (1.0 / log 2.0) (logarithm x graph) graph

    /// Where the condition holds a, else b.
    let choose (condition: Value) (a: Value) (b: Value) (graph: Graph) =
        sameType a b
        let shape = broadcast condition a condition.Shape (broadcast a b a.Shape b.Shape)
        Graph.add "Where" [] a.Type shape [ condition; a; b ] graph

    /// In another type.
    let cast (kind: ElementType) (x: Value) (graph: Graph) =
        if x.Type = kind then
            x
        else
            Graph.add "Cast" [ OnnxAttribute.Integer("to", OnnxWriter.TypeCode kind) ] kind x.Shape [ x ] graph

    /// Matrix product over the last two axes; the axes before go together.
    let matmul (a: Value) (b: Value) (graph: Graph) =
        sameType a b
        let m, k, l, n = size -2 a, size -1 a, size -2 b, size -1 b

        if k >= 0L && l >= 0L && k <> l then
            mistake $"{a.Name} %A{a.Shape} cannot be multiplied with {b.Name} %A{b.Shape}"

        let outer (shape: int64 list) = List.take (shape.Length - 2) shape
        let shape = broadcast a b (outer a.Shape) (outer b.Shape) @ [ m; n ]
        Graph.add "MatMul" [] a.Type shape [ a; b ] graph

    /// Axes in another order.
    let transpose (order: int list) (x: Value) (graph: Graph) =
        let attribute =
            OnnxAttribute.Integers("perm", [| for axis in order -> int64 axis |])

        Graph.add "Transpose" [ attribute ] x.Type [ for axis in order -> size axis x ] [ x ] graph

    /// The same numbers in another shape: 0 keeps the size of that axis, -1 is whatever is left (of one axis at most).
    let reshape (shape: int64 list) (x: Value) (graph: Graph) =
        let kept =
            shape |> List.mapi (fun axis one -> if one = 0L then size axis x else one)

        let known = List.forall (fun one -> one >= 0L)
        let product = List.fold (*) 1L

        let result =
            if List.contains -1L shape && known x.Shape && known (List.filter ((<>) -1L) kept) then
                let others = product (List.filter ((<>) -1L) kept)
                [ for one in kept -> if one = -1L then product x.Shape / others else one ]
            else
                kept

        if known x.Shape && known result && product x.Shape <> product result then
            mistake $"{x.Name} %A{x.Shape} cannot have the shape %A{shape}"

        Graph.add "Reshape" [] x.Type result [ x; Graph.integers shape graph ] graph

    /// The same numbers in a shape that is computed, of which so much is known.
    let reshapeAs (shape: Value) (known: int64 list) (x: Value) (graph: Graph) =
        Graph.add "Reshape" [] x.Type known [ x; shape ] graph

    /// With an axis of size 1 more.
    let unsqueeze (axis: int) (x: Value) (graph: Graph) =
        let at = if axis < 0 then x.Shape.Length + 1 + axis else axis
        let shape = List.insertAt at 1L x.Shape
        Graph.add "Unsqueeze" [] x.Type shape [ x; Graph.integers [ int64 at ] graph ] graph

    /// Without an axis of size 1.
    let squeeze (axis: int) (x: Value) (graph: Graph) =
        let at = axisOf axis x
        Graph.add "Squeeze" [] x.Type (List.removeAt at x.Shape) [ x; Graph.integers [ int64 at ] graph ] graph

    /// One after the other along an axis.
    let concat (axis: int) (parts: Value list) (graph: Graph) =
        let first = parts.Head
        let at = axisOf axis first
        let sizes = [ for part in parts -> part.Shape[at] ]
        let together = if List.contains Free sizes then Free else List.sum sizes

        for part in parts.Tail do
            sameType first part

        Graph.add
            "Concat"
            [ OnnxAttribute.Integer("axis", int64 at) ]
            first.Type
            (List.updateAt at together first.Shape)
            parts
            graph

    /// Parts of an axis, of these sizes.
    let split (axis: int) (sizes: int64 list) (x: Value) (graph: Graph) =
        let at = axisOf axis x

        if x.Shape[at] >= 0L && x.Shape[at] <> List.sum sizes then
            mistake $"{x.Name} %A{x.Shape} cannot be split into %A{sizes}"

        let results = [ for one in sizes -> x.Type, List.updateAt at one x.Shape ]
        let inputs = [ x.Name; (Graph.integers sizes graph).Name ]
        Graph.addMany "Split" [ OnnxAttribute.Integer("axis", int64 at) ] results inputs graph

    /// A part of an axis.
    let narrow (axis: int) (start: int64) (length: int64) (x: Value) (graph: Graph) =
        let at = axisOf axis x
        let one number = Graph.integers [ number ] graph
        let bounds = [ one start; one (start + length); one (int64 at) ]
        Graph.add "Slice" [] x.Type (List.updateAt at length x.Shape) (x :: bounds) graph

    /// One place of an axis, which is gone then.
    let select (axis: int) (place: int64) (x: Value) (graph: Graph) =
        squeeze axis (narrow axis place 1L x graph) graph

    /// Rows along the first axis, by number.
    let gather (rows: Value) (index: Value) (graph: Graph) =
        Graph.add
            "Gather"
            [ OnnxAttribute.Integer("axis", 0L) ]
            rows.Type
            (index.Shape @ rows.Shape.Tail)
            [ rows; index ]
            graph

    /// For each row of a batch [B, N, ...] the places [B, n] of its own: [B, n, ...].
    let gatherEach (x: Value) (places: Value) (graph: Graph) =
        let index = unsqueeze -1 places graph
        let shape = places.Shape @ List.skip 2 x.Shape
        Graph.add "GatherND" [ OnnxAttribute.Integer("batch_dims", 1L) ] x.Type shape [ x; index ] graph

    /// Rows [N, ...] of which those with the numbers [n] are others [n, ...].
    let scatter (rows: Value) (index: Value) (others: Value) (graph: Graph) =
        Graph.add "ScatterND" [] rows.Type rows.Shape [ rows; unsqueeze -1 index graph; others ] graph

    let softmax (x: Value) (graph: Graph) =
        Graph.add "Softmax" [ OnnxAttribute.Integer("axis", -1L) ] x.Type x.Shape [ x ] graph

    /// Sum over the last axis, which stays with size 1.
    let sumLast (x: Value) (graph: Graph) =
        let shape = List.updateAt (x.Shape.Length - 1) 1L x.Shape
        Graph.add "ReduceSum" [] x.Type shape [ x; Graph.integers [ -1L ] graph ] graph

    /// The largest over the last axis, which stays with size 1.
    let largestLast (x: Value) (graph: Graph) =
        let shape = List.updateAt (x.Shape.Length - 1) 1L x.Shape

        if graph.Form.Operators >= 18 then
            Graph.add "ReduceMax" [] x.Type shape [ x; Graph.integers [ -1L ] graph ] graph
        else
            Graph.add "ReduceMax" [ OnnxAttribute.Integers("axes", [| -1L |]) ] x.Type shape [ x ] graph

    /// Euclidean length over the last axis, which is gone then; finite wherever the numbers are, though their squares may not be.
    let length (x: Value) (graph: Graph) =
        let scale = atLeast 1e-30 (largestLast (absolute x graph) graph) graph
        let scaled = divide x scale graph
        squeeze -1 (multiply scale (root (sumLast (multiply scaled scaled graph) graph) graph) graph) graph

    /// The largest of all numbers, without axes.
    let largest (x: Value) (graph: Graph) =
        Graph.add "ReduceMax" [ OnnxAttribute.Integer("keepdims", 0L) ] x.Type [] [ x ] graph

    /// The sizes of a tensor, as a tensor.
    let shape (x: Value) (graph: Graph) =
        Graph.add "Shape" [] ElementType.Int64 [ int64 x.Shape.Length ] [ x ] graph

    /// The size of an axis, [1].
    let sizeOf (axis: int) (x: Value) (graph: Graph) =
        narrow 0 (int64 (axisOf axis x)) 1L (shape x graph) graph

    /// 0, 1, ..., n - 1 for a number [1].
    let range (count: Value) (graph: Graph) =
        let count = squeeze 0 count graph
        let inputs = [ Graph.integer 0L graph; count; Graph.integer 1L graph ]
        Graph.add "Range" [] ElementType.Int64 [ Free ] inputs graph

    /// Repeated along axes of size 1 up to a shape that is computed, of which so much is known.
    let expand (shape: Value) (known: int64 list) (x: Value) (graph: Graph) =
        Graph.add "Expand" [] x.Type known [ x; shape ] graph

    /// The largest of the last axis, so many [1], with their places; best first.
    let topK (count: Value) (known: int64) (x: Value) (graph: Graph) =
        let shape = List.updateAt (x.Shape.Length - 1) known x.Shape

        match
            Graph.addMany
                "TopK"
                [ OnnxAttribute.Integer("axis", -1L) ]
                [ x.Type, shape; ElementType.Int64, shape ]
                [ x.Name; count.Name ]
                graph
        with
        | [ values; places ] -> values, places
        | _ -> mistake "TopK has two results"

    /// Zeros around the last axes: so many before, so many after, for each axis, in a tensor.
    let pad (around: Value) (known: int64 list) (x: Value) (graph: Graph) =
        Graph.add "Pad" [] x.Type known [ x; around ] graph
