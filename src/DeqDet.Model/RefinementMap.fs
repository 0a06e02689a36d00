namespace DeqDet.Model

open System
open TorchSharp

/// One application of a head as the map of a fixed-point problem: a sample is an image, its parts are its queries. States [A, Q, 4 + C]
/// of the images that are left -> their images under the head. Settled queries remain keys and values of the attention, but
/// are not sampled, mixed or refined any more.
type internal RefinementMap(head: HeadWeights, pyramid: Pyramid) =

    // The pyramid of the images that are left, kept from step to step.
    let mutable left = pyramid.Levels.Head.size 0
    let mutable narrowed = pyramid

    let disposeNarrowed () =
        if not (obj.ReferenceEquals(narrowed, pyramid)) then
            for level in narrowed.Levels do
                level.Dispose()

    // Images leave and never return, so an equal number means the same images.
    let pyramidOf (index: Tensor) =
        if index.size 0 <> left then
            let levels =
                pyramid.Levels
                |> List.map (fun level -> level.index_select(0L, index).DetachFromDisposeScope())

            disposeNarrowed ()
            narrowed <- { pyramid with Levels = levels }
            left <- index.size 0

        narrowed

    /// Refines the queries at some places of a state [A, Q, 4 + C], and leaves the others as they are.
    let some (state: Tensor) (pyramid: Pyramid) (places: Tensor) =
        let images, queries = state.size 0, state.size 1
        let numbers = places.cpu().data<int64>().ToArray()
        let counts = Array.zeroCreate<int>(int images)

        for number in numbers do
            counts[int (number / queries)] <- counts[int (number / queries)] + 1

        let first = Array.scan (+) 0 counts
        let width = Array.max counts

        let onDevice (numbers: int64[]) =
            torch.tensor (numbers, device = state.device)

        // images with fewer moving queries repeat their first one: padding, which is dropped
        let asked =
            onDevice
                [|
                    for image in 0 .. counts.Length - 1 do
                        for k in 0 .. width - 1 -> numbers[first[image] + (if k < counts[image] then k else 0)]
                |]

        let kept =
            onDevice
                [|
                    for image in 0 .. counts.Length - 1 do
                        for k in 0 .. counts[image] - 1 -> int64 (image * width + k)
                |]

        let rows = state.flatten (0L, 1L)

        let moving =
            rows.index_select(0L, asked).view(images, int64 width, -1L) |> QueryState.unpack

        let refined =
            Refinement.applySome head pyramid (QueryState.unpack state) moving
            |> QueryState.pack

        rows.clone().index_copy_(0L, places, refined.flatten(0L, 1L).index_select(0L, kept)).view_as state

    /// The map, as DeqDet.Solver.PartMap.
    member _.Apply (state: Tensor) (index: Tensor) (places: Tensor option) : Tensor =
        let pyramid = pyramidOf index

        match places with
        | Some places -> some state pyramid places
        | None -> QueryState.unpack state |> Refinement.apply head pyramid |> QueryState.pack

    interface IDisposable with
        member _.Dispose() = disposeNarrowed ()
