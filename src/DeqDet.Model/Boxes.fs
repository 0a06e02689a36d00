namespace DeqDet.Model

open TorchSharp

/// Boxes are xyxy in pixels of the padded network input; a position is (cx, cy, z, r) with z = log2 sqrt(w h) and
/// r = log2(h / w). Both [..., 4].
module Boxes =

    let private half = 0.5

    /// Width and height [..., 2] of a position: w = 2^z 2^(-r/2), h = 2^z 2^(r/2).
    let size (position: Tensor) =
        let z = position.narrow (-1, 2L, 1L)
        let r = position.narrow (-1, 3L, 1L)
        let ratio = torch.cat ([| r * scalar -half; r * scalar half |], -1L)
        z.exp2 () * ratio.exp2 ()

    /// Position [..., 4] -> box [..., 4]. Neither clamped nor clipped.
    let decode (position: Tensor) =
        let centre = position.narrow (-1, 0L, 2L)
        let extent = size position * scalar half
        torch.cat ([| centre - extent; centre .+ extent |], -1L)

    /// Box [..., 4] -> position [..., 4]. |w| and |h|, so that inverted boxes have a position, and +1e-7 inside the logarithm
    /// (reference: adamixer_head.py, encode_xyzr).
    let encode (box: Tensor) =
        let low = box.narrow (-1, 0L, 2L)
        let high = box.narrow (-1, 2L, 2L)
        let logSize = ((high - low).abs() + scalar 1e-7).log2()
        let logW = logSize.narrow (-1, 0L, 1L)
        let logH = logSize.narrow (-1, 1L, 1L)
        torch.cat ([| (low .+ high) * scalar half; (logW .+ logH) * scalar half; logH - logW |], -1L)

    /// Position moved by a head's output d [..., 4]: xy + d_xy 2^z, (z, r) + d_zr.
    let move (position: Tensor) (delta: Tensor) =
        let scale = position.narrow(-1, 2L, 1L).exp2()
        let centre = position.narrow (-1, 0L, 2L) .+ delta.narrow (-1, 0L, 2L) * scale
        let shape = position.narrow (-1, 2L, 2L) .+ delta.narrow (-1, 2L, 2L)
        torch.cat ([| centre; shape |], -1L)

    /// Signed area [...]: negative where one side is inverted.
    let private area (box: Tensor) =
        let extent = box.narrow (-1, 2L, 2L) - box.narrow (-1, 0L, 2L)
        extent.select (-1, 0L) * extent.select (-1, 1L)

    let private intersection (a: Tensor) (b: Tensor) =
        let low = torch.maximum (a.narrow (-1, 0L, 2L), b.narrow (-1, 0L, 2L))
        let high = torch.minimum (a.narrow (-1, 2L, 2L), b.narrow (-1, 2L, 2L))
        let extent = (high - low).clamp_min(scalar 0.0)
        extent.select (-1, 0L) * extent.select (-1, 1L)

    /// Intersection over union of boxes of equal (or broadcastable) shape [..., 4] -> [...]; the union is at least eps px^2.
    let iou (eps: float) (a: Tensor) (b: Tensor) =
        let common = intersection a b
        common / (area a .+ area b - common).clamp_min(scalar eps)

    /// Generalised IoU (Rezatofighi et al. 2019), elementwise, in [-1, 1].
    let giou (eps: float) (a: Tensor) (b: Tensor) =
        let common = intersection a b
        let union = (area a .+ area b - common).clamp_min(scalar eps)
        let low = torch.minimum (a.narrow (-1, 0L, 2L), b.narrow (-1, 0L, 2L))
        let high = torch.maximum (a.narrow (-1, 2L, 2L), b.narrow (-1, 2L, 2L))
        let extent = (high - low).clamp_min(scalar 0.0)
        let hull = (extent.select (-1, 0L) * extent.select (-1, 1L)).clamp_min(scalar eps)
        common / union - (hull - union) / hull

    /// Intersection over the first box's own area, elementwise (eps 1e-6 as in the reference).
    let iof (a: Tensor) (b: Tensor) =
        intersection a b / (area a).clamp_min(scalar 1e-6)

    /// Each of a [..., N, 4] against each of b [..., M, 4]: [..., N, M].
    let pairwise (overlap: Tensor -> Tensor -> Tensor) (a: Tensor) (b: Tensor) =
        overlap (a.unsqueeze -2L) (b.unsqueeze -3L)
