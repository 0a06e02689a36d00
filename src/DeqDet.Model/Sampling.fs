namespace DeqDet.Model

open TorchSharp
open DeqDet.Kernels

/// Feature maps of one batch, finest first: each [B, C, H/stride, W/stride], with their strides in px.
type Pyramid =
    {
        Levels: Tensor list
        Strides: int list
    }

/// Adaptive 3D sampling (AdaMixer, section 3.2): points in image plane and scale, read from the pyramid.
module Sampling =

    /// Variance of the level weights: softmax of -(level - log2 stride)^2 / 2 (reference: sampling_3d_operator.py, tau = 2).
    let private spread = 2.0

    /// Offsets [B, Q, N*3] (dx, dy, dz per point) around positions [B, Q, 4] -> points [B, Q, N, 3]: x, y in px, level in log2 px.
    let points (offsets: Tensor) (position: Tensor) =
        let b, q = position.size 0, position.size 1
        let offsets = offsets.view (b, q, -1L, 3L)
        let centre = position.narrow(-1, 0L, 2L).unsqueeze 2L
        let extent = (Boxes.size position).unsqueeze 2L
        let level = position.narrow(-1, 2L, 1L).unsqueeze 2L
        let xy = centre .+ offsets.narrow (-1, 0L, 2L) * extent
        let z = level .+ offsets.narrow (-1, 2L, 1L)
        torch.cat ([| xy; z |], -1L)

    /// Weight of each level for points at depths z [...] -> [..., L]; they sum to one.
    let levelWeights (strides: int list) (z: Tensor) =
        let levels = constants z [| for s in strides -> System.Math.Log2(float s) |]

        let distance = z.unsqueeze -1L - levels
        (distance * distance * scalar (-1.0 / spread)).softmax -1L

    /// `sample`, operation by operation: what the kernels are measured by, and the way for all that they cannot do.
    let samplePlain (groups: int) (pyramid: Pyramid) (points: Tensor) =
        let b, q = points.size 0, points.size 1
        let g = int64 groups
        let p = points.size 2 / g
        let channels = pyramid.Levels.Head.size 1 / g

        // [B, Q, G*P, n] -> [B*G, Q, P, n]: the layout grid_sample wants
        let byGroup (x: Tensor) =
            x.view(b, q, g, p, x.size -1).permute(0L, 2L, 1L, 3L, 4L).reshape(b * g, q, p, x.size -1)

        let xy = byGroup (points.narrow (-1, 0L, 2L))

        let weights =
            byGroup(levelWeights pyramid.Strides (points.select (-1, 2L))).unbind -1

        let read index (level: Tensor) =
            let stride = float pyramid.Strides[index]
            let h, w = level.size 2, level.size 3

            let size = constants xy [| float w * stride; float h * stride |]

            let grid = xy / size * scalar 2.0 - scalar 1.0

            torch.nn.functional.grid_sample (
                level.reshape (b * g, channels, h, w),
                grid,
                torch.GridSampleMode.Bilinear,
                torch.GridSamplePaddingMode.Zeros,
                align_corners = false
            )
            * weights[index].unsqueeze 1L

        pyramid.Levels
        |> List.mapi read
        |> List.reduce (.+)
        |> fun sampled -> sampled.view(b, g, channels, q, p).permute(0L, 3L, 1L, 4L, 2L)

    /// Reads the pyramid at points [B, Q, G*P, 3]: bilinear in each level (zeros outside), levels mixed by their weights, group g
    /// reading the g-th contiguous slice of channels. -> [B, Q, G, P, C/G].
    let sample (computation: Computation) (groups: int) (pyramid: Pyramid) (points: Tensor) =
        match SamplingKernels.TrySample(computation, pyramid.Levels, pyramid.Strides, groups, points) with
        | null -> samplePlain groups pyramid points
        | sampled -> sampled

    /// `sampleRows`, operation by operation.
    let sampleRowsPlain (groups: int) (pyramid: Pyramid) (images: int[]) (counts: int[]) (points: Tensor) =
        let all = Array.zeroCreate<int>(int (pyramid.Levels.Head.size 0))
        Array.iter2 (fun image count -> all[image] <- count) images counts
        let layout = RowLayout.ofCounts points.device all

        points
        |> RowLayout.spread layout
        |> samplePlain groups pyramid
        |> RowLayout.collect layout

    /// The same for rows of points [1, W, G*P, 3], of which so many in turn belong to each of some images of the pyramid (by number,
    /// ascending): -> [1, W, G, P, C/G].
    let sampleRows
        (computation: Computation)
        (groups: int)
        (pyramid: Pyramid)
        (images: int[])
        (counts: int[])
        (points: Tensor)
        =
        use ofRows =
            torch.tensor (
                Array.map2 (fun (image: int) count -> Array.create count (int64 image)) images counts
                |> Array.concat,
                dtype = torch.int64
            )

        match
            SamplingKernels.TrySample(computation, pyramid.Levels, pyramid.Strides, groups, points.squeeze 0L, ofRows)
        with
        | null -> sampleRowsPlain groups pyramid images counts points
        | sampled -> sampled.unsqueeze 0L

    /// The same pyramid in the layout that a computation reads fastest: for the kernels a pixel's channels lie beside each other.
    let arrange (computation: Computation) (pyramid: Pyramid) : Pyramid =
        if computation.IsFast then
            { pyramid with
                Levels = pyramid.Levels |> List.map SamplingKernels.ChannelsLast
            }
        else
            pyramid
