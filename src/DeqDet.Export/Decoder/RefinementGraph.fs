namespace DeqDet.Export

open DeqDet.Model

/// One application of a head as operations: DeqDet.Model.Refinement.
module internal RefinementGraph =

    let private branch hidden norm out (content: Value) (graph: Graph) =
        let x = Op.relu (Layers.norm norm (Layers.linear hidden content graph) graph) graph
        Layers.linear out x graph

    /// Class logits [B, Q, K] of refined contents [B, Q, C].
    let classify (weights: HeadWeights) (content: Value) (graph: Graph) : Value =
        branch weights.ClassHidden weights.ClassNorm weights.ClassOut content (Graph.within "classify" graph)

    /// Queries as they attend: with what is injected into their contents.
    let private injected (weights: HeadWeights) (all: QueryValue) (some: QueryValue) take (graph: Graph) =
        match weights.Injected with
        | None -> all, some
        | Some contents ->
            let contents = Graph.weight "normalised" (Norm.plain 1) contents graph

            let injected =
                { all with
                    QueryValue.Content = Op.add all.Content contents graph
                }

            injected,
            if obj.ReferenceEquals(all, some) then
                injected
            else
                { some with
                    QueryValue.Content = take injected.Content
                }

    /// Some queries of the images, which attend to all of them -> the same queries refined. `take` gives of a tensor for all queries [B, Q, ...]
    /// the rows of the wanted ones.
    let apply
        (weights: HeadWeights)
        (pyramid: PyramidValue)
        (all: QueryValue)
        (some: QueryValue)
        (take: Value -> Value)
        (graph: Graph)
        : QueryValue =
        let attended =
            let (graph: Graph) = Graph.within "attention" graph
            let all, some = injected weights all some take graph

            AttentionGraph.apply weights.Attention all some graph
            |> fun attended -> Layers.norm weights.AttentionNorm attended graph

        let sampled =
            let (graph: Graph) = Graph.within "sampling" graph
            let offsets = Layers.linear weights.Offsets attended graph
            let points, depths = SamplingGraph.points offsets some.Position graph
            SamplingGraph.sample pyramid points depths graph

        let mixed =
            MixingGraph.apply weights.Mixing sampled attended (Graph.within "mixing" graph)
            |> fun mixed -> Layers.norm weights.MixingNorm mixed graph

        let content =
            let (graph: Graph) = Graph.within "feed_forward" graph
            let hidden = Op.relu (Layers.large weights.Expand mixed graph) graph
            let sum = Op.add mixed (Layers.large weights.Contract hidden graph) graph
            Layers.norm weights.FeedForwardNorm sum graph

        let (graph: Graph) = Graph.within "box" graph
        let delta = branch weights.BoxHidden weights.BoxNorm weights.BoxOut content graph
        let position = BoxGraph.move some.Position delta graph

        {
            Position = position
            Content = content
            Box = BoxGraph.decode position graph
        }
