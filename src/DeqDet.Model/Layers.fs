namespace DeqDet.Model

open TorchSharp
open DeqDet.Kernels

/// y = x W^T + b. Weight [out, in], bias [out].
type Linear =
    {
        Weight: Tensor
        Bias: Tensor
        Packing: PackedLinear
    }

module Linear =

    /// Linear layer with Xavier weights and PyTorch's default bias U(-1/sqrt(in), 1/sqrt(in)).
    let create (inputs: int) (outputs: int) (source: WeightSource) : Linear =
        let bound = 1.0 / sqrt (float inputs)

        {
            Weight = source |> WeightSource.parameter "weight" [ outputs; inputs ] XavierUniform
            Bias = source |> WeightSource.parameter "bias" [ outputs ] (Uniform(-bound, bound))
            Packing = WeightSource.packing source
        }

    /// Linear layer with given initialisers.
    let createWith inputs outputs weight bias (source: WeightSource) : Linear =
        {
            Weight = source |> WeightSource.parameter "weight" [ outputs; inputs ] weight
            Bias = source |> WeightSource.parameter "bias" [ outputs ] bias
            Packing = WeightSource.packing source
        }

    /// [..., in] -> [..., out], by libtorch.
    let applyPlain (layer: Linear) (x: Tensor) =
        torch.nn.functional.linear (x, layer.Weight, layer.Bias)

    /// [..., in] -> [..., out].
    let apply (layer: Linear) (x: Tensor) =
        match layer.Packing.TryApply(x, layer.Weight, layer.Bias) with
        | null -> applyPlain layer x
        | y -> y

    /// The same for the large layers, in the precision of the computation: bfloat16 [..., out] of x in float32 or bfloat16 where it is bfloat16, else
    /// float32.
    let applyReduced (layer: Linear) (x: Tensor) =
        match layer.Packing.TryApplyReduced(x, layer.Weight, layer.Bias) with
        | null -> apply layer (x.``to`` layer.Weight.dtype)
        | y -> y

/// Scale and shift of a normalisation, both [C].
type Affine = { Weight: Tensor; Bias: Tensor }

module Affine =
    let create (channels: int) (source: WeightSource) : Affine =
        {
            Weight = source |> WeightSource.parameter "weight" [ channels ] (Constant 1.0)
            Bias = source |> WeightSource.parameter "bias" [ channels ] (Constant 0.0)
        }

module Norm =

    /// Layer normalisation over the last dimension, eps 1e-5.
    let layer (affine: Affine) (x: Tensor) =
        torch.nn.functional.layer_norm (x, [| x.size -1 |], affine.Weight, affine.Bias, 1e-5)

    /// The same without scale and shift, over the last `dimensions` dimensions jointly.
    let plain (dimensions: int) (x: Tensor) =
        let shape = x.shape
        torch.nn.functional.layer_norm (x, shape[shape.Length - dimensions ..], eps = 1e-5)

    /// Group normalisation of [B, C, H, W] in `groups` groups of channels, eps 1e-5.
    let group (groups: int) (affine: Affine) (x: Tensor) =
        torch.nn.functional.group_norm (x, int64 groups, affine.Weight, affine.Bias, 1e-5)

/// Convolution kernel [out, in, kh, kw] with optional bias [out], and how it moves over its input.
type Convolution =
    {
        Kernel: Tensor
        Bias: Tensor option
        Stride: int
        Padding: int
        Packing: PackedConvolution
    }

module Convolution =

    /// Convolution without bias, He-initialised by fan-out (ResNet), padded by half its size.
    let create inputs outputs size stride (source: WeightSource) : Convolution =
        {
            Kernel =
                source
                |> WeightSource.parameter "weight" [ outputs; inputs; size; size ] KaimingNormal
            Bias = None
            Stride = stride
            Padding = size / 2
            Packing = WeightSource.convolutionPacking stride (size / 2) source
        }

    /// Convolution with bias, Xavier-initialised, bias zero (neck), padded by half its size.
    let createBiased inputs outputs size (source: WeightSource) : Convolution =
        {
            Kernel =
                source
                |> WeightSource.parameter "weight" [ outputs; inputs; size; size ] XavierUniform
            Bias = Some(source |> WeightSource.parameter "bias" [ outputs ] (Constant 0.0))
            Stride = 1
            Padding = size / 2
            Packing = WeightSource.convolutionPacking 1 (size / 2) source
        }

    /// [B, in, H, W] -> [B, out, H', W'], by libtorch, in the kernel's type.
    let applyPlain (layer: Convolution) (x: Tensor) =
        torch.nn.functional.conv2d (
            x.``to`` layer.Kernel.dtype,
            layer.Kernel,
            Option.toObj layer.Bias,
            strides = [| int64 layer.Stride; int64 layer.Stride |],
            padding = [| int64 layer.Padding; int64 layer.Padding |]
        )

    /// ReLU, where asked for, of the convolution. Where it is computed fast, in the precision's type, channels last.
    let apply (rectify: bool) (layer: Convolution) (x: Tensor) =
        match layer.Packing.TryApply(x, layer.Kernel, Option.toObj layer.Bias, null, rectify) with
        | null ->
            let y = applyPlain layer x
            if rectify then y.relu_ () else y
        | y -> y
