namespace DeqDet.Model

open TorchSharp

/// One application of a head as the map of a fixed-point problem: a sample is an image, its parts are its queries. States [A, Q, 4 + C]
/// of the images that are left -> their images under the head. Settled queries remain keys and values of the attention, but
/// are not sampled, mixed or refined any more.
module internal RefinementMap =

    let private numbers (tensor: Tensor) : int64[] = tensor.cpu().data<int64>().ToArray()

    /// Refines the queries at some places of a state [A, Q, 4 + C] (None: all of them), and leaves the others as they are.
    let private some (head: HeadWeights) (pyramid: Pyramid) (state: Tensor) (index: Tensor) (places: Tensor option) =
        let queries = int (state.size 1)
        let rows = state.flatten (0L, 1L)

        let moving, taken =
            match places with
            | None -> rows, Array.init (int (rows.size 0)) id
            | Some places -> rows.index_select (0L, places), numbers places |> Array.map int

        let counts = Array.zeroCreate<int>(int (state.size 0))

        for place in taken do
            let image = place / queries
            counts[image] <- counts[image] + 1

        let refined =
            Refinement.applySome
                head
                pyramid
                (QueryState.unpack state)
                {
                    Query = moving.unsqueeze 0L |> QueryState.unpack
                    Images = numbers index |> Array.map int
                    Counts = counts
                    Numbers = taken |> Array.map (fun place -> place % queries)
                }
            |> QueryState.pack

        match places with
        | None -> refined.view_as state
        | Some places -> rows.clone().index_copy_(0L, places, refined.squeeze 0L).view_as state

    /// The map of a head over the pyramid of a batch, as DeqDet.Solver.PartMap.
    let ofHead (head: HeadWeights) (pyramid: Pyramid) (state: Tensor) (index: Tensor) (places: Tensor option) : Tensor =
        if places.IsNone && index.size 0 = pyramid.Levels.Head.size 0 then
            QueryState.unpack state |> Refinement.apply head pyramid |> QueryState.pack
        else
            some head pyramid state index places
