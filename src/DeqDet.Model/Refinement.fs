namespace DeqDet.Model

open TorchSharp
open DeqDet.Kernels

/// Weights of one head (AdaMixer stage).
type HeadWeights =
    {
        Attention: AttentionWeights
        AttentionNorm: Affine
        Offsets: Linear
        Mixing: MixingWeights
        MixingNorm: Affine
        Expand: Linear
        Contract: Linear
        FeedForwardNorm: Affine
        ClassHidden: Linear
        ClassNorm: Affine
        ClassOut: Linear
        BoxHidden: Linear
        BoxNorm: Affine
        BoxOut: Linear
        Groups: int
        /// What is added to the contents of all queries before they attend, as it is stored: the initial contents [Q, C]; None: nothing.
        Injected: Tensor option
        /// How it is applied.
        Computation: Computation
    }

/// Intermediate results of one application of a head, for tests and pictures.
type RefinementTrace =
    {
        Attended: Tensor
        AttendedNormed: Tensor
        Offsets: Tensor
        Points: Tensor
        Sampled: Tensor
        Mixed: Tensor
        MixedNormed: Tensor
        FeedForward: Tensor
    }

module Refinement =

    /// Initial bias of the sampling offsets: a regular grid over the box where the number of points is a square, else U(-.5, .5);
    /// one level finer than the box's own (dz = -1).
    let private offsetBias (head: HeadSettings) =
        let side = int (sqrt (float head.PointsIn))

        if side * side = head.PointsIn then
            let at i = (float i + 0.5) / float side - 0.5

            [|
                for _ in 1 .. head.Groups do
                    for p in 0 .. head.PointsIn - 1 do
                        // rows first: the reference writes the row coordinate into x
                        yield float32 (at (p / side))
                        yield float32 (at (p % side))
                        yield -1.0f
            |]
            |> Values
        else
            Offset(head.Groups * head.PointsIn)

    /// Weights of one head under the official names, in the official order.
    let create (classes: int) (head: HeadSettings) (source: WeightSource) : HeadWeights =
        let c = head.Channels

        let tau =
            source |> WeightSource.parameter "iof_tau" [ head.Heads ] (Uniform(0.0, 4.0))

        // -log((1 - p) / p) with p = 0.01: every class starts rare (focal loss, section 4.1)
        let rare = Constant -(log 99.0)

        let classOut =
            source
            |> WeightSource.at "fc_cls"
            |> Linear.createWith c classes XavierUniform rare

        let boxOut =
            source
            |> WeightSource.at "fc_reg"
            |> Linear.createWith c 4 (Constant 0.0) (Constant 0.0)

        let attention =
            source |> WeightSource.at "attention.attn" |> Attention.create head tau

        let attentionNorm = source |> WeightSource.at "attention_norm" |> Affine.create c

        let expand =
            source |> WeightSource.at "ffn.layers.0.0" |> Linear.create c head.FeedForward

        let contract =
            source |> WeightSource.at "ffn.layers.1" |> Linear.create head.FeedForward c

        let feedForwardNorm = source |> WeightSource.at "ffn_norm" |> Affine.create c
        let classHidden = source |> WeightSource.at "cls_fcs.0" |> Linear.create c c
        let classNorm = source |> WeightSource.at "cls_fcs.1" |> Affine.create c
        let boxHidden = source |> WeightSource.at "reg_fcs.0" |> Linear.create c c
        let boxNorm = source |> WeightSource.at "reg_fcs.1" |> Affine.create c
        let mixing = source |> WeightSource.at "sampling_n_mixing"

        {
            Attention = attention
            AttentionNorm = attentionNorm
            Offsets =
                mixing
                |> WeightSource.at "sampling_offset_generator.0"
                |> Linear.createWith c (3 * head.Groups * head.PointsIn) (Constant 0.0) (offsetBias head)
            MixingNorm = mixing |> WeightSource.at "norm" |> Affine.create c
            Mixing = mixing |> WeightSource.at "adaptive_mixing" |> Mixing.create head
            Expand = expand
            Contract = contract
            FeedForwardNorm = feedForwardNorm
            ClassHidden = classHidden
            ClassNorm = classNorm
            ClassOut = classOut
            BoxHidden = boxHidden
            BoxNorm = boxNorm
            BoxOut = boxOut
            Groups = head.Groups
            Injected = None
            Computation = source.Computation
        }

    let private branch hidden (norm: Affine) out (content: Tensor) =
        (Linear.apply hidden content |> Norm.layer norm).relu() |> Linear.apply out

    /// Class logits [B, Q, K] of refined contents [B, Q, C].
    let classify (weights: HeadWeights) (content: Tensor) =
        branch weights.ClassHidden weights.ClassNorm weights.ClassOut content

    /// Queries as they attend: with what is injected into their contents. `some` takes of contents [Q, C] those of the queries.
    let private injected (weights: HeadWeights) (some: Tensor -> Tensor) (query: Query) : Query =
        match weights.Injected with
        | None -> query
        | Some contents ->
            { query with
                Content = query.Content .+ some (Norm.plain 1 contents)
            }

    /// What queries [B, Q, .] gather from each other: contents [B, Q, C], before the layer norm.
    let private attend (weights: HeadWeights) (query: Query) : Tensor =
        query |> injected weights id |> Attention.apply weights.Attention

    /// Samples at points [B, Q, G*P, 3], and contents [B, Q, C] with what was read mixed in.
    let private sampleAndMix (weights: HeadWeights) (pyramid: Pyramid) (points: Tensor) (content: Tensor) =
        match Mixing.trySampled weights.Mixing weights.Groups pyramid points content with
        | Some(struct (mixed, sampled)) -> sampled, mixed
        | None ->
            let sampled = Sampling.sample weights.Computation weights.Groups pyramid points
            sampled, Mixing.apply weights.Mixing sampled content

    /// Where a head would read the pyramid for queries [B, Q, .]: points [B, Q, G*P, 3], x, y in px and level in log2 px
    /// (`Sampling.levelWeights` says what each level counts there). No gradients.
    let points (weights: HeadWeights) (query: Query) : Tensor =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()

        let offsets =
            attend weights query
            |> Norm.layer weights.AttentionNorm
            |> Linear.apply weights.Offsets

        (Sampling.points offsets query.Position).MoveToOuterDisposeScope()

    /// What follows the attention, each query on its own: queries that have attended -> refined queries. `sampleAndMix` reads the pyramid at
    /// points and mixes what it reads into contents.
    let private refine (weights: HeadWeights) sampleAndMix (position: Tensor) (attended: Tensor) =
        let attendedNormed = Norm.layer weights.AttentionNorm attended
        let offsets = Linear.apply weights.Offsets attendedNormed
        let points = Sampling.points offsets position
        let sampled, mixed = sampleAndMix points attendedNormed
        let mixedNormed = Norm.layer weights.MixingNorm mixed

        let feedForward =
            mixedNormed
            .+ Linear.applyReduced weights.Contract ((Linear.applyReduced weights.Expand mixedNormed).relu())

        let content = Norm.layer weights.FeedForwardNorm feedForward

        let position =
            branch weights.BoxHidden weights.BoxNorm weights.BoxOut content
            |> Boxes.move position

        {
            Position = position
            Content = content
            Box = Boxes.decode position
        },
        {
            Attended = attended
            AttendedNormed = attendedNormed
            Offsets = offsets
            Points = points
            Sampled = sampled
            Mixed = mixed
            MixedNormed = mixedNormed
            FeedForward = feedForward
        }

    /// One application of a head, differentiable in position and content as the reference differentiates it, with its
    /// intermediate results: position and box enter the attention without gradient.
    let applyAttached (weights: HeadWeights) (pyramid: Pyramid) (query: Query) : Query * RefinementTrace =
        { query with
            Position = query.Position.detach ()
            Box = query.Box.detach ()
        }
        |> attend weights
        |> refine weights (sampleAndMix weights pyramid) query.Position

    /// One application of a head, differentiable in all that it depends on: the true derivative of the map whose fixed point is
    /// sought. (Training never uses it; its gradients through the overlaps are large.)
    let applyExact (weights: HeadWeights) (pyramid: Pyramid) (query: Query) : Query =
        attend weights query
        |> refine weights (sampleAndMix weights pyramid) query.Position
        |> fst

    /// One application of a head, with its intermediate results. The position is detached at the entry: gradients reach
    /// earlier applications through the content alone (paper, section 3.3).
    let applyTraced (weights: HeadWeights) (pyramid: Pyramid) (query: Query) : Query * RefinementTrace =
        applyAttached
            weights
            pyramid
            { query with
                Position = query.Position.detach ()
            }

    /// One application of a head: pyramid and query [B, Q, .] -> query. Intermediate tensors are disposed of.
    let apply (weights: HeadWeights) (pyramid: Pyramid) (query: Query) : Query =
        scoped Query.tensors (fun () -> applyTraced weights pyramid query |> fst)

    /// One application to some queries alone, which attend to all queries [A, Q, .] of their images (themselves among them):
    /// -> [1, W, .]. What `apply` computes of them, up to rounding.
    let applySome (weights: HeadWeights) (pyramid: Pyramid) (all: Query) (some: QueryRows) : Query =
        let sampleAndMix points content =
            let sampled =
                Sampling.sampleRows weights.Computation weights.Groups pyramid some.Images some.Counts points

            sampled, Mixing.apply weights.Mixing sampled content

        scoped Query.tensors (fun () ->
            Attention.applySome
                weights.Attention
                (injected weights id all)
                { some with
                    Query = injected weights (QueryRows.ofAll some) some.Query
                }
            |> refine weights sampleAndMix some.Query.Position
            |> fst)
