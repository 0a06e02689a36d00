namespace DeqDet.Export

open TorchSharp
open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx
open DeqDet.Model
open DeqDet.Model.Backbones

/// Linear layers, convolutions and normalisations as operations. As in the model, a layer brings its weights into the type of what it is applied to.
module Layers =

    let private typeOf (kind: ElementType) : torch.ScalarType =
        match kind with
        | ElementType.Float16 -> torch.float16
        | _ -> torch.float32

    // the form of a weight in a type
    let private suffix (form: string) (kind: ElementType) =
        match form, kind with
        | "", ElementType.Float16 -> "half"
        | form, ElementType.Float16 -> $"{form}.half"
        | form, _ -> form

    /// A weight as it is, in a type.
    let private plain (kind: ElementType) (tensor: Tensor) (graph: Graph) =
        Graph.weight (suffix "" kind) (fun weight -> weight.``to`` (typeOf kind)) tensor graph

    /// Some rows of a matrix [out, in], as products want it: [in, rows]. `part` names them, empty for all.
    let private columns
        (part: string)
        (first: int64)
        (rows: int64)
        (kind: ElementType)
        (matrix: Tensor)
        (graph: Graph)
        =
        let form = if part = "" then "transposed" else $"{part}.transposed"

        Graph.weight
            (suffix form kind)
            (fun weight -> weight.narrow(0L, first, rows).t().``to``(typeOf kind))
            matrix
            graph

    /// x W^T, [..., in] -> [..., out].
    let unbiased (weight: Tensor) (x: Value) (graph: Graph) =
        Op.matmul x (columns "" 0L (weight.size 0) x.Type weight graph) graph

    /// Rows `first`, ..., of a linear layer, under a name of their own: [..., in] -> [..., rows].
    let linearPart (part: string) (first: int64) (rows: int64) (layer: Linear) (x: Value) (graph: Graph) =
        let product = Op.matmul x (columns part first rows x.Type layer.Weight graph) graph

        let bias =
            Graph.weight
                (suffix part x.Type)
                (fun bias -> bias.narrow(0L, first, rows).``to``(typeOf x.Type))
                layer.Bias
                graph

        Op.add product bias graph

    /// [..., in] -> [..., out].
    let linear (layer: Linear) (x: Value) (graph: Graph) =
        linearPart "" 0L (layer.Weight.size 0) layer x graph

    /// x W^T in whole numbers: the rows of W by a factor each, so that the largest number is 127; x by a factor and an offset that are found when the graph
    /// runs. What is lost is the rounding of both.
    let private byBytes (weight: Tensor) (x: Value) (graph: Graph) =
        let factors (weight: Tensor) =
            weight.abs().amax([| 1L |]).clamp_min(scalar 1e-12) / scalar 127.0

        let numbers =
            Graph.weight
                "bytes"
                (fun weight -> (weight / (factors weight).unsqueeze(-1L)).round().t().``to``(torch.int8))
                weight
                graph

        let scale = Graph.weight "scale" factors weight graph

        match
            Graph.addMany
                "DynamicQuantizeLinear"
                []
                [ ElementType.UInt8, x.Shape; ElementType.Float32, []; ElementType.UInt8, [] ]
                [ x.Name ]
                graph
        with
        | [ bytes; step; zero ] ->
            let shape = List.take (x.Shape.Length - 1) x.Shape @ [ weight.size 0 ]

            let product =
                Graph.add "MatMulInteger" [] ElementType.Int32 shape [ bytes; numbers; zero ] graph

            Op.multiply (Op.cast ElementType.Float32 product graph) (Op.multiply step scale graph) graph
        | _ -> invalidOp "DynamicQuantizeLinear has three results"

    /// A large layer, in the numbers that the form asks for: float32 [..., in] -> float32 [..., out].
    let large (layer: Linear) (x: Value) (graph: Graph) =
        match graph.Form.Weights with
        | Single -> linear layer x graph
        | Half ->
            let product = unbiased layer.Weight (Op.cast ElementType.Float16 x graph) graph
            Op.add (Op.cast ElementType.Float32 product graph) (plain ElementType.Float32 layer.Bias graph) graph
        | Bytes -> Op.add (byBytes layer.Weight x graph) (plain ElementType.Float32 layer.Bias graph) graph

    /// The same without a bias.
    let largeUnbiased (weight: Tensor) (x: Value) (graph: Graph) =
        match graph.Form.Weights with
        | Single -> unbiased weight x graph
        | Half -> Op.cast ElementType.Float32 (unbiased weight (Op.cast ElementType.Float16 x graph) graph) graph
        | Bytes -> byBytes weight x graph

    let private epsilon = 1e-5f

    /// Layer normalisation over the last axes, from `axis` on.
    let private layerNorm (axis: int64) (scale: Value) (bias: Value option) (x: Value) (graph: Graph) =
        Graph.add
            "LayerNormalization"
            [ OnnxAttribute.Integer("axis", axis); OnnxAttribute.Real("epsilon", epsilon) ]
            x.Type
            x.Shape
            (x :: scale :: Option.toList bias)
            graph

    /// Layer normalisation over the last axis, float32.
    let norm (affine: Affine) (x: Value) (graph: Graph) =
        let scale = plain ElementType.Float32 affine.Weight graph
        let bias = plain ElementType.Float32 affine.Bias graph
        layerNorm -1L scale (Some bias) x graph

    /// The same without scale and shift over the last two axes jointly, whose sizes are known.
    let plainNorm (x: Value) (graph: Graph) =
        let rows, columns = Op.size -2 x, Op.size -1 x
        // an input that the operation does not do without
        let ones = Array.create (int (rows * columns)) 1.0f
        layerNorm -2L (Graph.filled $"ones{rows}x{columns}" ones [ rows; columns ] graph) None x graph

    /// Group normalisation of [B, C, H, W], float32.
    let groupNorm (groups: int) (affine: Affine) (x: Value) (graph: Graph) =
        let channels = Op.size 1 x
        let all = Op.reshape [ 0L; int64 groups; -1L ] x graph

        let same (number: float32) =
            Graph.filled $"{number}x{groups}" (Array.create groups number) [ int64 groups ] graph

        let normalised =
            Graph.add
                "InstanceNormalization"
                [ OnnxAttribute.Real("epsilon", epsilon) ]
                x.Type
                all.Shape
                [ all; same 1.0f; same 0.0f ]
                graph

        let back = Op.reshapeAs (Op.shape x graph) x.Shape normalised graph

        let each (tensor: Tensor) =
            Graph.weight "channels" (fun weight -> weight.view (channels, 1L, 1L)) tensor graph

        Op.add (Op.multiply back (each affine.Weight) graph) (each affine.Bias) graph

    // sides after a convolution or pooling, where they are known
    let private slid (size: int64) (stride: int64) (around: int64) (side: int64) =
        if side < 0L then
            Op.Free
        else
            (side + 2L * around - size) / stride + 1L

    let private convolve (layer: Convolution) (kernel: Value) (bias: Value option) (x: Value) (graph: Graph) =
        let kernelSize = layer.Kernel.size 2
        let stride, around = int64 layer.Stride, int64 layer.Padding

        let side axis =
            slid kernelSize stride around (Op.size axis x)

        Graph.add
            "Conv"
            [
                OnnxAttribute.Integers("kernel_shape", [| kernelSize; kernelSize |])
                OnnxAttribute.Integers("strides", [| stride; stride |])
                OnnxAttribute.Integers("pads", Array.create 4 around)
                OnnxAttribute.Integer("group", int64 layer.Groups)
            ]
            x.Type
            [ Op.size 0 x; layer.Kernel.size 0; side 2; side 3 ]
            (x :: kernel :: Option.toList bias)
            graph

    /// [B, in, H, W] -> [B, out, H', W'].
    let convolution (layer: Convolution) (x: Value) (graph: Graph) =
        let bias = layer.Bias |> Option.map (fun bias -> plain x.Type bias graph)
        convolve layer (plain x.Type layer.Kernel graph) bias x graph

    /// A convolution with its batch normalisation by stored statistics, as one convolution: computed in float64, then rounded.
    let unit (u: Unit) (x: Value) (graph: Graph) =
        let norm = u.Norm
        let wide (tensor: Tensor) = tensor.``to`` torch.float64

        let factor () =
            wide norm.Scale / (wide norm.Variance + scalar 1e-5).sqrt()

        let kernel =
            Graph.weight
                (suffix "folded" x.Type)
                (fun kernel -> (wide kernel * (factor ()).view(-1L, 1L, 1L, 1L)).``to``(typeOf x.Type))
                u.Convolution.Kernel
                graph

        let bias =
            Graph.weight
                (suffix "folded" x.Type)
                (fun shift -> (wide shift - wide norm.Mean * factor ()).``to``(typeOf x.Type))
                norm.Shift
                graph

        convolve u.Convolution kernel (Some bias) x graph

    /// The largest of each 3 x 3, every second place.
    let maxPool (x: Value) (graph: Graph) =
        let side axis = slid 3L 2L 1L (Op.size axis x)

        Graph.add
            "MaxPool"
            [
                OnnxAttribute.Integers("kernel_shape", [| 3L; 3L |])
                OnnxAttribute.Integers("strides", [| 2L; 2L |])
                OnnxAttribute.Integers("pads", [| 1L; 1L; 1L; 1L |])
            ]
            x.Type
            [ Op.size 0 x; Op.size 1 x; side 2; side 3 ]
            [ x ]
            graph

    /// x Phi(x), by the error function, as the model computes it.
    let gelu (x: Value) (graph: Graph) =
        let spread =
            Op.plus 1.0 (Op.errorFunction (Op.times (1.0 / sqrt 2.0) x graph) graph) graph

        Op.multiply (Op.times 0.5 x graph) spread graph
