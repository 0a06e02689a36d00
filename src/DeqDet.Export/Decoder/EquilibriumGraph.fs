namespace DeqDet.Export

open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx
open DeqDet.Model

/// How the refinement head is applied again and again.
type Iteration =
    /// So many times, each written out: for runtimes without loops.
    | Unrolled of applications: int
    /// So many times at most, in a loop. With a tolerance each query stops when its residual is within it, and the loop with the last one.
    | Looped of applications: int * tolerance: float option

/// The map that is iterated.
type MapValue =
    {
        /// All queries of the images, those of them that are wanted, and what takes their rows of a tensor for all -> the images of the
        /// wanted ones.
        Apply: QueryValue -> QueryValue -> (Value -> Value) -> Graph -> QueryValue
        /// What a state would be read out as.
        Look: QueryValue -> Graph -> PathValue
    }

/// What the iteration has come to.
type SettledValue =
    {
        Query: QueryValue
        /// How far the last application still moved each query, [B, Q].
        Residuals: Value
        /// Applications to each query, int64 [B, Q].
        Steps: Value
        /// With `Target.Web`: the states before the first application and after each one, with an axis for them in front.
        Path: PathValue option
    }

module internal EquilibriumGraph =

    let private withBox (position: Value) (content: Value) (graph: Graph) : QueryValue =
        {
            Position = position
            Content = content
            Box = BoxGraph.decode position graph
        }

    /// z + t (f(z) - z).
    let private relaxed (damping: float) (from: QueryValue) (until: QueryValue) (graph: Graph) : QueryValue =
        if damping = 1.0 then
            until
        else
            let between (a: Value) (b: Value) =
                Op.add a (Op.times damping (Op.subtract b a graph) graph) graph

            withBox (between from.Position until.Position) (between from.Content until.Content) graph

    let private application (map: MapValue) damping (query: QueryValue) (graph: Graph) =
        let image = map.Apply query query id graph

        let residual, _ =
            ResidualGraph.measure (query.Position, query.Content) (image.Position, image.Content) graph

        relaxed damping query image graph, residual

    /// As many steps for every query [B, Q].
    let private everySteps (count: int) (query: QueryValue) (graph: Graph) =
        let shape = Op.shape (Op.select -1 0L query.Position graph) graph
        Op.expand shape [ Op.size 0 query.Position; Op.size 1 query.Position ] (Graph.integer (int64 count) graph) graph

    let private wantsPath (graph: Graph) = graph.Form.Runtime = Web

    let private unrolled applications damping (map: MapValue) (start: QueryValue) (graph: Graph) : SettledValue =
        let mutable query = start
        let mutable residual = None
        let path = ResizeArray()

        let keep () =
            if wantsPath graph then
                path.Add(PathGraph.alone (map.Look query graph) graph)

        keep ()

        for number in 1..applications do
            let next, moved = application map damping query (Graph.within $"step{number}" graph)

            query <- next
            residual <- Some moved
            keep ()

        {
            Query = query
            Residuals = Option.get residual
            Steps = everySteps applications query graph
            Path =
                if path.Count = 0 then
                    None
                else
                    Some(PathGraph.join (List.ofSeq path) graph)
        }

    /// A loop over these values, which begins where the condition holds: `step` makes the next ones in the graph of the body, says whether it goes on, and what of each turn is collected.
    let private loop
        (applications: int)
        (condition: Value)
        (begun: Value list)
        (step: Graph -> Value list -> Value * Value list * Value list)
        (graph: Graph)
        : Value list * Value list =
        let body = Graph.body "loop" graph
        let number = Graph.input "number" ElementType.Int64 [] body
        let goesOn = Graph.input "goes_on" ElementType.Bool [] body

        let carried =
            [ for value in begun -> Graph.input "carried" value.Type value.Shape body ]

        let further, next, collected = step body carried
        // every output has a name of its own, also where it is an input passed on
        let passed =
            [
                for value in further :: next @ collected ->
                    Graph.add "Identity" [] value.Type value.Shape [ value ] body
            ]

        let closed = Graph.close "step" (number :: goesOn :: carried) passed body

        let results =
            [
                for value in begun -> value.Type, value.Shape
                for value in collected -> value.Type, Op.Free :: value.Shape
            ]

        let inputs =
            (Graph.integer (int64 applications) graph).Name
            :: condition.Name
            :: [ for value in begun -> value.Name ]

        Graph.addMany "Loop" [ OnnxAttribute.Graph("body", closed) ] results inputs graph
        |> List.splitAt begun.Length

    let private collect (map: MapValue) (query: QueryValue) (graph: Graph) =
        if wantsPath graph then
            (map.Look query graph).Values
        else
            []

    /// The collected path, with the start before it.
    let private path (map: MapValue) (start: QueryValue) (collected: Value list) (graph: Graph) =
        if collected.IsEmpty then
            None
        else
            let before = PathGraph.alone (map.Look start graph) graph
            Some(PathGraph.join [ before; PathValue.Of collected ] graph)

    let private everyTime applications damping (map: MapValue) (start: QueryValue) (graph: Graph) : SettledValue =
        let step body (carried: Value list) =
            let query = withBox carried[0] carried[1] body
            let next, residual = application map damping query body
            Graph.truth true body, [ next.Position; next.Content; residual ], collect map next body

        // the first turn overwrites it
        let none = Op.select -1 0L start.Position graph

        match loop applications (Graph.truth true graph) [ start.Position; start.Content; none ] step graph with
        | [ position; content; residual ], collected ->
            let query = withBox position content graph

            {
                Query = query
                Residuals = residual
                Steps = everySteps applications query graph
                Path = path map start collected graph
            }
        | _ -> invalidOp "the loop carries three values"

    /// Whether a condition holds anywhere.
    let private anyOf (condition: Value) (graph: Graph) =
        let most = Op.largest (Op.cast ElementType.Float32 condition graph) graph
        Op.greater most (Graph.real 0.0 graph) graph

    let private untilSettled applications tolerance damping (map: MapValue) (begun: QueryValue) (graph: Graph) =
        // an image with a number that is not finite stays as it is, and zeros stand for it meanwhile
        let whole = ResidualGraph.wholeImages begun graph
        let wide = Op.unsqueeze -1 whole graph
        let zero = Graph.real 0.0 graph

        let start =
            withBox (Op.choose wide begun.Position zero graph) (Op.choose wide begun.Content zero graph) graph

        let queries = Op.size 1 start.Position

        // sizes that depend on numbers are not for every runtime: there all queries are computed every time
        let firsts =
            if graph.Form.Runtime = TensorRt then
                None
            else
                let images = Op.range (Op.sizeOf 0 start.Position graph) graph
                let rows = Op.multiply images (Graph.integer queries graph) graph
                Some(Op.unsqueeze -1 rows graph)

        let step body (carried: Value list) =
            let books = BooksValue.Of carried
            let all = withBox books.Position books.Content body

            let rows, some =
                match firsts with
                | None -> SettlingGraph.everyRow, all
                | Some firsts ->
                    let rows = SettlingGraph.movingRows firsts books.Moving body
                    rows, withBox (rows.Take books.Position) (rows.Take books.Content) body

            let image = map.Apply all some rows.Take body
            let next = SettlingGraph.settle tolerance damping start rows books image body
            let further = anyOf next.Moving body
            let state = withBox next.Position next.Content body
            further, next.Values, collect map state body

        let books, collected =
            loop applications (anyOf whole graph) (SettlingGraph.first whole start graph).Values step graph

        let books = BooksValue.Of books
        let found = Op.less books.Best (Graph.real infinity graph) graph

        {
            Query =
                withBox
                    (Op.choose wide books.BestPosition begun.Position graph)
                    (Op.choose wide books.BestContent begun.Content graph)
                    graph
            Residuals = Op.choose found books.Best (Graph.real nan graph) graph
            Steps = books.Steps
            Path = path map start collected graph
        }

    /// Iterates a map from queries on.
    let iterate (iteration: Iteration) damping (map: MapValue) (start: QueryValue) (graph: Graph) : SettledValue =
        match iteration with
        | Unrolled applications -> unrolled applications damping map start graph
        | Looped(applications, None) -> everyTime applications damping map start graph
        | Looped(applications, Some tolerance) -> untilSettled applications tolerance damping map start graph
