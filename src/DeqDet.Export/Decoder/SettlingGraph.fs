namespace DeqDet.Export

open DeqDet.Checkpoints

/// What a solve knows of each query, all [B, Q, ...]: DeqDet.Solver's books.
type internal BooksValue =
    {
        /// State: position and content.
        Position: Value
        Content: Value
        /// The answer so far: the image with the smallest residual, or the one that converged; and that residual.
        BestPosition: Value
        BestContent: Value
        Best: Value
        /// The longest step seen that was no rounding error.
        Largest: Value
        /// Whether it is still computed.
        Moving: Value
        /// Evaluations of it.
        Steps: Value
    }

    member books.Values =
        [
            books.Position
            books.Content
            books.BestPosition
            books.BestContent
            books.Best
            books.Largest
            books.Moving
            books.Steps
        ]

    static member Of(values: Value list) =
        match values with
        | [ position; content; bestPosition; bestContent; best; largest; moving; steps ] ->
            {
                Position = position
                Content = content
                BestPosition = bestPosition
                BestContent = bestContent
                Best = best
                Largest = largest
                Moving = moving
                Steps = steps
            }
        | _ -> invalidArg (nameof values) "the books have eight values"

/// Some rows of all queries, at places that are found when the graph runs.
type internal RowsValue =
    {
        /// Rows of a tensor [B, Q, ...]: [B, k, ...].
        Take: Value -> Value
        /// A tensor [B, Q, ...] with other rows [B, k, ...].
        Put: Value -> Value -> Value
    }

/// When a query has settled, as operations: what DeqDet.Solver's Termination and Books do with plain numbers.
module internal SettlingGraph =

    // as in DeqDet.Solver: the growth of a residual at which a query has diverged; rounding that a residual may hide, units above which it is a step, and
    // the part of the longest step below which another one is shorter
    let private divergence = 1e4
    let private hidden = 4.0
    let private resolved = 16.0
    let private shorter = 0.8
    let private belowOne = 1.0f - 1.1920929e-7f

    /// The books before the first step; queries of images that are not whole do not move.
    let first (whole: Value) (start: QueryValue) (graph: Graph) : BooksValue =
        let like (number: Value) =
            let shape = Op.shape (Op.select -1 0L start.Position graph) graph
            Op.expand shape [ Op.Free; Op.size 1 start.Position ] number graph

        {
            Position = start.Position
            Content = start.Content
            BestPosition = start.Position
            BestContent = start.Content
            Best = like (Graph.real infinity graph)
            Largest = like (Graph.real 0.0 graph)
            Moving = Op.both (like (Graph.truth true graph)) whole graph
            Steps = like (Graph.integer 0L graph)
        }

    /// All rows.
    let everyRow: RowsValue = { Take = id; Put = fun _ rows -> rows }

    /// The rows of the queries that move, and of as many others as make the images equally long. `firsts` [B, 1]: number of each image's first row.
    let movingRows (firsts: Value) (moving: Value) (graph: Graph) : RowsValue =
        let queries = Op.size 1 moving
        let flags = Op.cast ElementType.Float32 moving graph
        let most = Op.largest (Op.sumLast flags graph) graph
        let count = Op.unsqueeze 0 (Op.cast ElementType.Int64 most graph) graph
        let _, places = Op.topK count Op.Free flags graph
        let index = Op.add places firsts graph
        let flatIndex = Op.reshape [ -1L ] index graph

        let flat (x: Value) =
            Op.reshape (-1L :: List.skip 2 x.Shape) x graph

        {
            Take = fun x -> Op.gather (flat x) index graph
            Put =
                fun x rows ->
                    let shape = -1L :: queries :: List.skip 2 x.Shape
                    Op.reshape shape (Op.scatter (flat x) flatIndex (flat rows) graph) graph
        }

    /// One evaluation's consequences: `image` is what the head made of the rows.
    let settle
        (tolerance: float)
        (damping: float)
        (start: QueryValue)
        (rows: RowsValue)
        (books: BooksValue)
        (image: QueryValue)
        (graph: Graph)
        : BooksValue =
        let (graph: Graph) = Graph.within "settle" graph
        let position, content = rows.Take books.Position, rows.Take books.Content

        let best, largest, moving =
            rows.Take books.Best, rows.Take books.Largest, rows.Take books.Moving

        let residual, finite =
            ResidualGraph.measure (position, content) (image.Position, image.Content) graph

        // one unit in the last place of all that has left its start
        let resolution =
            let nudged (x: Value) (begun: Value) =
                let less = Op.multiply x (Graph.reals [| belowOne |] [] graph) graph
                Op.choose (Op.equal x begun graph) x less graph

            let nudged =
                nudged position (rows.Take start.Position), nudged content (rows.Take start.Content)

            fst (ResidualGraph.measure (position, content) nudged graph)

        let isNot x = Op.negation x graph
        let both a b = Op.both a b graph
        let either a b = Op.either a b graph

        let unresolved = Op.times hidden resolution graph
        let long = Op.times shorter largest graph
        let unseen = Op.lessOrEqual largest (Graph.real 0.0 graph) graph
        let short = either unseen (Op.less (Op.add residual unresolved graph) long graph)

        let within =
            both finite (Op.lessOrEqual residual (Graph.real tolerance graph) graph)

        let converged = both within short
        // within the tolerance only because the state has grown: it goes on, or its digits do not suffice
        let grown = both within (isNot short)
        let outgrown = both grown (isNot (Op.less unresolved long graph))

        let far =
            both (both finite (isNot within)) (Op.greater residual (Op.times divergence best graph) graph)

        let better =
            both (both moving (both finite (isNot grown))) (either (Op.less residual best graph) within)

        let finished = either (either (isNot finite) converged) (either outgrown far)
        let going = both moving (isNot finished)

        let seen =
            both (both finite (isNot outgrown)) (Op.greater residual (Op.times resolved resolution graph) graph)

        let wide condition = Op.unsqueeze -1 condition graph
        let choose condition a b = Op.choose condition a b graph

        let bestPosition =
            choose (wide better) image.Position (rows.Take books.BestPosition)

        let bestContent = choose (wide better) image.Content (rows.Take books.BestContent)

        let stepped (from: Value) (until: Value) =
            if damping = 1.0 then
                until
            else
                Op.add from (Op.times damping (Op.subtract until from graph) graph) graph

        // what has finished rests at its answer
        let next from until answer =
            choose (wide going) (stepped from until) answer

        let more =
            Op.add (rows.Take books.Steps) (Op.cast ElementType.Int64 moving graph) graph

        {
            Position = rows.Put books.Position (next position image.Position bestPosition)
            Content = rows.Put books.Content (next content image.Content bestContent)
            BestPosition = rows.Put books.BestPosition bestPosition
            BestContent = rows.Put books.BestContent bestContent
            Best = rows.Put books.Best (choose better residual best)
            Largest = rows.Put books.Largest (choose seen (Op.maximum residual largest graph) largest)
            Moving = rows.Put books.Moving going
            Steps = rows.Put books.Steps more
        }
