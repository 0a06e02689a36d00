namespace DeqDet.Detection

open System
open TorchSharp
open DeqDet.Model
open DeqDet.Model.Backbones

/// One tensor of an official state dict.
type OfficialTensor =
    {
        Spec: Spec
        /// Whether no forward pass reads it: the official code, which loads strictly, wants it all the same.
        Dead: bool
    }

/// The official state dicts: a detector's own tensors, which have the official names, with those between that nothing reads.
module OfficialTensors =

    let private dead name (shape: int64 list) integer initialiser : OfficialTensor =
        {
            Spec =
                {
                    Name = name
                    Shape = Array.ofList shape
                    Role = Buffer
                    Trainable = false
                    Initialiser = initialiser
                    Integer = integer
                }
            Dead = true
        }

    let private parameter name shape initialiser =
        let tensor = dead name shape false initialiser

        { tensor with
            Spec =
                { tensor.Spec with
                    Role = Parameter
                    Trainable = true
                }
        }

    /// The dynamic convolution of Sparse R-CNN (64 hidden channels, 7x7 points) that comes with the class the reference derives its
    /// head from: of a head with c channels.
    let private dynamicConvolution (prefix: string) (c: int64) : OfficialTensor list =
        let inner = prefix + "instance_interactive_conv."
        let hidden = c / 4L

        let norm name size =
            [
                parameter $"{name}.weight" [ size ] (Constant 1.0)
                parameter $"{name}.bias" [ size ] (Constant 0.0)
            ]

        let linear name outputs inputs =
            let bound = 1.0 / sqrt (float inputs)

            [
                parameter $"{name}.weight" [ outputs; inputs ] XavierUniform
                parameter $"{name}.bias" [ outputs ] (Uniform(-bound, bound))
            ]

        [
            yield! linear $"{inner}dynamic_layer" (2L * c * hidden) c
            yield! norm $"{inner}norm_in" hidden
            yield! norm $"{inner}norm_out" c
            yield! linear $"{inner}fc_layer" c (49L * c)
            yield! norm $"{inner}fc_norm" c
            yield! norm $"{prefix}instance_interactive_conv_norm" c
        ]

    /// The rows of Swin's bias table by pair of cells: the same in every block.
    let private placeIndex =
        lazy
            (use index = WindowAttention.placeIndex torch.CPU
             Values [| for row in index.data<int64>() -> float32 row |])

    /// The dead tensors that follow one of the detector's own.
    let private after (kind: DetectorKind) (spec: Spec) : OfficialTensor list =
        let prefix (last: string) =
            spec.Name.Substring(0, spec.Name.Length - last.Length)

        let endsWith (last: string) =
            spec.Name.EndsWith("." + last, StringComparison.Ordinal)

        if endsWith "running_var" then
            [ dead (prefix "running_var" + "num_batches_tracked") [] true (Constant 0.0) ]
        elif endsWith "relative_position_bias_table" then
            let name = prefix "relative_position_bias_table" + "relative_position_index"
            let cells = int64 (WindowAttention.window * WindowAttention.window)
            [ dead name [ cells; cells ] true placeIndex.Value ]
        elif endsWith "attention_norm.bias" && kind <> AdaMixer then
            dynamicConvolution (prefix "attention_norm.bias") spec.Shape[0]
        else
            []

    /// Everything in the official state dict of a detector, in its order.
    let ofDetector (settings: DetectorSettings) : OfficialTensor list =
        [
            for spec in Detector.specs settings do
                { Spec = spec; Dead = false }
                yield! after settings.Kind spec
        ]
