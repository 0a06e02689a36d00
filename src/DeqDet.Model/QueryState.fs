namespace DeqDet.Model

open TorchSharp
open DeqDet.Kernels
open DeqDet.Solver

/// Queries as the states of a fixed-point problem: a row (position, content) of 4 + C numbers for each query. The box is no part of
/// it: after any application of a head it is the decoded position.
module QueryState =

    /// Numbers of a position.
    let private four = 4L

    /// Queries [B, Q, .] -> rows [B, Q, 4 + C].
    let pack (query: Query) : Tensor =
        torch.cat ([| query.Position; query.Content |], -1L)

    /// Rows [..., 4 + C] -> queries [..., .], whose boxes are decoded from their positions.
    let unpack (rows: Tensor) : Query =
        let position = rows.narrow(-1, 0L, four).contiguous()

        {
            Position = position
            Content = rows.narrow(-1, four, rows.size -1 - four).contiguous()
            Box = Boxes.decode position
        }

    let private position (rows: Tensor) = rows.narrow (-1, 0L, four)

    let private content (rows: Tensor) =
        rows.narrow (-1, four, rows.size -1 - four)

    /// float64: the squares of numbers that float32 holds may be beyond it, and a finite state must have finite residuals.
    let private wide (rows: Tensor) = rows.``to`` torch.float64

    let private length (rows: Tensor) = rows.norm (-1, false, 2.0f)

    /// By how much positions differ, [..., 4 + C] -> float64 [...]: the centre in sizes of the image's box (2^z), the logarithms of size and
    /// ratio as they are. 0.01 is one hundredth of a box, whatever the box's size.
    let shift (before: Tensor) (after: Tensor) : Tensor =
        let before, after = wide (position before), wide (position after)
        let moved = after - before
        let scale = after.narrow(-1, 2L, 1L).exp2()

        torch.cat ([| moved.narrow (-1, 0L, 2L) / scale; moved.narrow (-1, 2L, 2L) |], -1L)
        |> length

    /// By how much contents differ, relative to the later one's length, [..., 4 + C] -> float64 [...].
    let change (before: Tensor) (after: Tensor) : Tensor =
        let before, after = wide (content before), wide (content after)

        length (after - before) / (length after).clamp_min(scalar 1e-12)

    let private both (residual: Tensor) : Measured =
        {
            Absolute = residual
            Relative = residual
        }

    /// `measure`, operation by operation in libtorch.
    let measurePlain: Measure =
        fun before after ->
            let residual = torch.maximum (shift before after, change before after)
            let finite = torch.isfinite(after).all(-1L, false)
            residual.masked_fill (finite.logical_not (), scalar nan) |> both

    /// The residual of a query: the larger one of the shift of its position and the change of its content, so that a tolerance T
    /// means "the box moves by less than T of its size AND the content by less than T of its length". Both are free of units, so
    /// the absolute and the relative residual are the same number. NaN where a number is not finite.
    let measure: Measure =
        fun before after ->
            match RowResiduals.TryMeasure(before, after) with
            | null -> measurePlain before after
            | residual -> both residual

    /// Units in which the components of rows [..., 4 + C] can be compared: the size of the box for its centre, 1 for logarithms, the
    /// content's length for its components.
    let units (rows: Tensor) : Tensor =
        let size = (position rows).narrow(-1, 2L, 1L).exp2()
        let one = torch.ones_like size

        let features =
            (length (wide (content rows)))
                .clamp_min(scalar 1e-12)
                .to_type(rows.dtype)
                .unsqueeze(-1)
                .expand_as(content rows)

        torch.cat ([| size; size; one; one; features |], -1L)
