namespace DeqDet.Model

/// The state that a head refines: what the queries are (content) and where they look (position, box).
type Query =
    {
        /// (cx, cy, z, r): [B, Q, 4].
        Position: Tensor
        /// [B, Q, C].
        Content: Tensor
        /// xyxy in px, [B, Q, 4]: decoded from the position, except at the start and after a perturbation.
        Box: Tensor
    }

module Query =

    /// The same numbers, cut from the graph.
    let detach (query: Query) =
        {
            Position = query.Position.detach ()
            Content = query.Content.detach ()
            Box = query.Box.detach ()
        }

    let tensors (query: Query) : Tensor seq =
        seq {
            query.Position
            query.Content
            query.Box
        }

    /// Applies a function to each of the three.
    let map (f: Tensor -> Tensor) (query: Query) : Query =
        {
            Position = f query.Position
            Content = f query.Content
            Box = f query.Box
        }
