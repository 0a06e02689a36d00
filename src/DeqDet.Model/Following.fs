namespace DeqDet.Model

open System
open TorchSharp

/// The queries of a batch in one state of a prediction, as plain numbers: query after query, image after image.
type FollowedState =
    {
        /// Corners xyxy in px of the padded input, four a query.
        Boxes: float32[]
        /// The surest class of each, and its score, 0 to 1.
        Labels: int[]
        Scores: float32[]
        /// How far the application that made the state took each query (`QueryState.measure`): of one that has settled its last
        /// one; NaN in the first state, which no state came before.
        Residuals: float[]
        /// Where the next head reads the pyramid (`Refinement.points`), three numbers a point; empty where none follows.
        Points: float32[]
        /// What each level of the pyramid counts there, the finest first: as many numbers a point as there are levels.
        LevelWeights: float32[]
    }

/// Follows the queries of one prediction of a detector: `Pass` belongs into its effort's observer.
[<Sealed>]
type QueryFollower(detector: Detector) =

    let heads = Array.ofList detector.Weights.Decoder.Heads
    let family = Family.ofSettings detector.Settings
    let states = ResizeArray<FollowedState>()

    /// Rows of all queries, [B * Q, 4 + C]; null before the first head.
    let mutable rows: Tensor = null
    let mutable images = 0L
    let mutable residuals: float[] = [||]
    let mutable passed = 0

    let floats (tensor: Tensor) =
        tensor.``to``(torch.float32).cpu().contiguous().data<float32>().ToArray()

    let doubles (tensor: Tensor) =
        tensor.``to``(torch.float64).cpu().contiguous().data<float>().ToArray()

    let replace (next: Tensor) =
        if not (isNull rows) then
            rows.Dispose()

        rows <- next.DetachFromDisposeScope()

    let seen (reader: HeadWeights) (next: HeadWeights option) (query: Query) : FollowedState =
        let struct (scores, labels) =
            (Refinement.classify reader query.Content).sigmoid().max -1L

        let points = next |> Option.map (fun head -> Refinement.points head query)

        {
            Boxes = floats query.Box
            Labels = labels.cpu().contiguous().data<int64>().ToArray() |> Array.map int
            Scores = floats scores
            Residuals = Array.copy residuals
            Points = points |> Option.map floats |> Option.defaultValue [||]
            LevelWeights =
                points
                |> Option.map (fun points ->
                    points.select (-1L, 2L) |> Sampling.levelWeights Detector.strides |> floats)
                |> Option.defaultValue [||]
        }

    /// The head whose classes a state after so many heads is read out with, and the one that is applied to it.
    let headsAt (number: int) =
        match family.Refining with
        | ByStages -> heads[number], Array.tryItem (number + 1) heads
        | ToEquilibrium -> heads[min number 1], Some heads[1]

    let add (query: Query) =
        let reader, next = headsAt passed
        states.Add(seen reader next query)
        passed <- passed + 1

    /// Looks at what the prediction has passed.
    member _.Pass(what: Passed) : unit =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()

        match what with
        | ThroughBackbone -> ()
        | ThroughHead query ->
            let packed = (QueryState.pack query).flatten(0L, 1L)

            residuals <-
                if isNull rows then
                    Array.create (int (packed.size 0)) nan
                else
                    doubles (QueryState.measure rows packed).Absolute

            images <- query.Content.size 0
            replace packed
            add query
        | ThroughApplication observation ->
            let moved =
                doubles (QueryState.measure observation.State observation.Image).Absolute

            let places = observation.Index.cpu().data<int64>().ToArray()
            Array.iter2 (fun (place: int64) residual -> residuals[int place] <- residual) places moved
            rows.index_copy_ (0L, observation.Index, observation.Image) |> ignore
            add (QueryState.unpack (rows.view (images, -1L, rows.size -1)))

    /// The states of the prediction, the first head's first. The last one is the state that was read out, which some schemes choose among those that
    /// they have seen.
    member _.States(found: Detections) : FollowedState[] =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()

        if found.Reports.Length > 0 && states.Count > 1 then
            residuals <- found.Reports |> Array.collect (Array.map _.RelativeResidual)
            let reader, next = headsAt (passed - 1)
            states[states.Count - 1] <- seen reader next found.State

        states.ToArray()

    interface IDisposable with

        /// Frees the state that was seen last.
        member _.Dispose() =
            if not (isNull rows) then
                rows.Dispose()
