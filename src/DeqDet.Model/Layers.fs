namespace DeqDet.Model

open TorchSharp
open DeqDet.Kernels

/// Weights are float32, and each layer casts its own to the type of what it is applied to; through that cast their gradients come back to float32. So
/// the type of the images decides in which numbers a backbone computes, and nothing but this file knows about it.
module private Cast =

    /// A weight in the type of an activation.
    let like (x: Tensor) (weight: Tensor) : Tensor =
        if weight.dtype = x.dtype then
            weight
        else
            weight.``to`` x.dtype

/// What training in a precision begins with.
module Activations =

    /// Images [B, 3, H, W] as the layers of a training take them in: in the type of the computation's precision, and with the channels last where that is
    /// not float32, as reduced convolutions are fastest so.
    let ofImages (computation: Computation) (images: Tensor) : Tensor =
        match Computation.TypeOf computation.Precision with
        | torch.ScalarType.Float32 -> images
        | reduced ->
            scoped Seq.singleton (fun () ->
                images.``to``(reduced).permute(0L, 2L, 3L, 1L).contiguous().permute(0L, 3L, 1L, 2L))

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

    /// [..., in] -> [..., out], by libtorch, in the input's type.
    let applyPlain (layer: Linear) (x: Tensor) =
        torch.nn.functional.linear (x, Cast.like x layer.Weight, Cast.like x layer.Bias)

    /// The same without a bias, weight [out, in].
    let applyUnbiased (packing: PackedLinear) (weight: Tensor) (x: Tensor) =
        // the kernel wants a bias
        use zeros = torch.zeros (weight.size 0, dtype = x.dtype, device = x.device)

        match packing.TryApply(x, weight, zeros) with
        | null -> torch.nn.functional.linear (x, Cast.like x weight)
        | y -> y

    /// [..., in] -> [..., out].
    let apply (layer: Linear) (x: Tensor) =
        match layer.Packing.TryApply(x, layer.Weight, layer.Bias) with
        | null -> applyPlain layer x
        | y -> y

    /// The same for the large layers, in the precision of the computation: [..., out] in its type, of x in float32 or in that type. A prediction
    /// that cannot have it is computed in float32.
    let applyReduced (layer: Linear) (x: Tensor) =
        match layer.Packing.TryApplyReduced(x, layer.Weight, layer.Bias) with
        | null ->
            let computation = layer.Packing.Computation

            if computation.Gradients && computation.Precision <> Precision.Fp32 then
                applyPlain layer (x.``to`` (Computation.TypeOf computation.Precision))
            else
                apply layer (x.``to`` layer.Weight.dtype)
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

    /// Layer normalisation over the last dimension, eps 1e-5, in the input's type; computed in the weights'.
    let layer (affine: Affine) (x: Tensor) =
        // for the CPU libtorch has one form of it that reads two types
        if x.dtype = affine.Weight.dtype || x.device_type = DeviceType.CPU then
            torch.nn.functional.layer_norm (x, [| x.size -1 |], affine.Weight, affine.Bias, 1e-5)
        else
            torch.nn.functional
                .layer_norm(x.``to`` affine.Weight.dtype, [| x.size -1 |], affine.Weight, affine.Bias, 1e-5)
                .``to``
                x.dtype

    /// The same without scale and shift, over the last `dimensions` dimensions jointly.
    let plain (dimensions: int) (x: Tensor) =
        let shape = x.shape
        torch.nn.functional.layer_norm (x, shape[shape.Length - dimensions ..], eps = 1e-5)

    /// Group normalisation of [B, C, H, W] in `groups` groups of channels, eps 1e-5.
    let group (groups: int) (affine: Affine) (x: Tensor) =
        torch.nn.functional.group_norm (x, int64 groups, affine.Weight, affine.Bias, 1e-5)

/// Convolution kernel [out, in / groups, kh, kw] with optional bias [out], and how it moves over its input.
type Convolution =
    {
        Kernel: Tensor
        Bias: Tensor option
        Stride: int
        Padding: int
        /// Parts of the channels that are convolved apart.
        Groups: int
        Packing: PackedConvolution
    }

module Convolution =

    /// Convolution without bias in groups of channels, He-initialised by fan-out.
    let createGrouped groups inputs outputs size stride padding (source: WeightSource) : Convolution =
        {
            Kernel =
                source
                |> WeightSource.parameter "weight" [ outputs; inputs / groups; size; size ] KaimingNormal
            Bias = None
            Stride = stride
            Padding = padding
            Groups = groups
            Packing = WeightSource.convolutionPacking groups stride padding source
        }

    /// Convolution without bias, He-initialised by fan-out (ResNet), padded by half its size.
    let create inputs outputs size stride (source: WeightSource) : Convolution =
        createGrouped 1 inputs outputs size stride (size / 2) source

    /// Convolution with bias, Xavier-initialised, bias zero (neck), padded by half its size.
    let createBiased inputs outputs size (source: WeightSource) : Convolution =
        {
            Kernel =
                source
                |> WeightSource.parameter "weight" [ outputs; inputs; size; size ] XavierUniform
            Bias = Some(source |> WeightSource.parameter "bias" [ outputs ] (Constant 0.0))
            Stride = 1
            Padding = size / 2
            Groups = 1
            Packing = WeightSource.convolutionPacking 1 1 (size / 2) source
        }

    /// [B, in, H, W] -> [B, out, H', W'], by libtorch, in the input's type.
    let applyPlain (layer: Convolution) (x: Tensor) =
        torch.nn.functional.conv2d (
            x,
            Cast.like x layer.Kernel,
            layer.Bias |> Option.map (Cast.like x) |> Option.toObj,
            strides = [| int64 layer.Stride; int64 layer.Stride |],
            padding = [| int64 layer.Padding; int64 layer.Padding |],
            groups = int64 layer.Groups
        )

    /// ReLU, where asked for, of the convolution. Where it is computed fast, in the precision's type, channels last.
    let apply (rectify: bool) (layer: Convolution) (x: Tensor) =
        match layer.Packing.TryApply(x, layer.Kernel, Option.toObj layer.Bias, null, rectify) with
        | null ->
            let y = applyPlain layer x
            if rectify then y.relu_ () else y
        | y -> y
