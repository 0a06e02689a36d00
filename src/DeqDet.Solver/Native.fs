namespace DeqDet.Solver

open System
open System.Collections.Generic
open TorchSharp

/// The one place that knows what the native library does badly: calls that end the process instead of raising are
/// checked here first, and an exception is never let out of a callback that native code makes.
module internal Native =

    /// One row a sample: [B, ...] -> [B, d] (a state of shape [B] has d = 1).
    let rows (tensor: torch.Tensor) : torch.Tensor =
        let sizes = tensor.shape
        tensor.reshape (sizes[0], Array.fold (*) 1L sizes[1..])

    /// Rows in at least 32 bits: squares of half precision numbers leave its range.
    let wide (tensor: torch.Tensor) : torch.Tensor =
        let rows = rows tensor

        if rows.element_size () < 4L then
            rows.to_type torch.float32
        else
            rows

    /// An operation with a number. TorchSharp hands the number's native copy on without holding its owner, which may be collected
    /// meanwhile: the operation then raises, or computes with whatever lies there.
    let withNumber (operation: Scalar -> torch.Tensor) (number: float) : torch.Tensor =
        use scalar = number.ToScalar()
        operation scalar

    /// a + b, for which TorchSharp makes a Scalar of 1 that it does not hold.
    let plus (a: torch.Tensor) (b: torch.Tensor) : torch.Tensor =
        use one = (1).ToScalar()
        a.add (b, one)

    /// The whole numbers below a count, int64 [count], for which TorchSharp makes three.
    let below (count: int64) (device: torch.Device) : torch.Tensor =
        use first = (0L).ToScalar()
        use last = count.ToScalar()
        use step = (1L).ToScalar()
        torch.arange (first, last, step, torch.int64, device)

    /// tensor * number.
    let times (number: float) (tensor: torch.Tensor) : torch.Tensor =
        number |> withNumber (fun number -> tensor.mul number)

    /// Powers of two near the largest component along some axes, which stay as axes of length 1. Numbers divided by them are of the
    /// order of 1, so that their squares neither overflow nor vanish, and lose no digit by it. 1 where there is nothing to divide (zeros)
    /// or nothing to save (infinity, NaN).
    let powersOfTwo (axes: int64[]) (tensor: torch.Tensor) : torch.Tensor =
        if tensor.numel () = 0L then
            torch.ones (1L, dtype = tensor.dtype, device = tensor.device)
        else
            let peak = tensor.abs().amax(ReadOnlySpan axes, true)
            let struct (mantissa, _) = peak.frexp ()
            let powers = peak / times 2.0 mantissa
            torch.where (powers.isfinite (), powers, torch.ones_like powers)

    /// Euclidean norm of each sample, [B, ...] -> float64 [B], right over the whole range of its type: 32 bits square only up to
    /// 1e19, 64 bits up to 1e154.
    let lengths (tensor: torch.Tensor) : torch.Tensor =
        let rows = (rows tensor).to_type torch.float64

        let powers = powersOfTwo [| 1L |] rows
        (rows / powers).norm(1, true, 2.0f).mul_(powers).squeeze 1

    /// [A] -> [A, 1, ..., 1], to be broadcast over the samples of `like`.
    let overSamples (like: torch.Tensor) (values: torch.Tensor) : torch.Tensor =
        values.reshape (Array.init (int (like.dim ())) (fun axis -> if axis = 0 then -1L else 1L))

    /// Puts tensors behind each other along an axis.
    let join (axis: int64) (tensors: torch.Tensor list) : torch.Tensor =
        torch.cat ((List.toArray tensors: torch.Tensor[]), axis)

    /// Moves the tensors from the innermost dispose scope to the one around it.
    let keep (tensors: torch.Tensor list) : unit =
        for tensor in tensors do
            tensor.MoveToOuterDisposeScope() |> ignore

    /// True where the two have the same sizes.
    let sameShape (a: torch.Tensor) (b: torch.Tensor) : bool = a.shape.AsSpan().SequenceEqual(b.shape)

    /// cotangent^T (d output / d input), of the shape of `input`; zeros where `output` does not depend on `input`.
    /// The graph stays. (torch.autograd.grad ends the process where there is no graph or the shapes disagree.)
    let vectorJacobian (output: torch.Tensor) (input: torch.Tensor) (cotangent: torch.Tensor) : torch.Tensor =
        if not (sameShape output cotangent) then
            invalidArg (nameof cotangent) "the cotangent must have the shape of the output"
        elif not output.requires_grad || not input.requires_grad then
            torch.zeros_like input
        else
            let gradient =
                torch.autograd.grad([| output |], [| input |], [| cotangent |], true, false, true).[0]

            if isNull gradient || gradient.IsInvalid then
                torch.zeros_like input
            else
                gradient
