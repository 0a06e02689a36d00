/// ONNX files made by hand: bytes of protobuf messages, and a ResNet as CNTK writes it.
module DeqDet.Tests.OnnxBytes

open System
open System.Text

let rec private varint (value: uint64) : byte list =
    if value < 128UL then
        [ byte value ]
    else
        (byte value ||| 128uy) :: varint (value >>> 7)

let private key (field: int) (wire: int) =
    varint (uint64 field <<< 3 ||| uint64 wire)

/// A field that is a whole number.
let number (field: int) (value: int64) : byte[] =
    Array.ofList (key field 0 @ varint (uint64 value))

/// A field that has a length: a message, packed numbers.
let bytes (field: int) (content: byte[]) : byte[] =
    Array.append (Array.ofList (key field 2 @ varint (uint64 content.Length))) content

/// A field that is a text.
let text (field: int) (content: string) : byte[] =
    bytes field (Encoding.UTF8.GetBytes content)

/// A field that is a float.
let real (field: int) (value: float32) : byte[] =
    Array.append (Array.ofList (key field 5)) (BitConverter.GetBytes value)

/// A TensorProto: its numbers are a field of it.
let tensor (name: string) (kind: int64) (shape: int64 list) (numbers: byte[]) : byte[] =
    Array.concat
        [
            for size in shape do
                number 1 size
            number 2 kind
            numbers
            text 8 name
        ]

/// Little-endian bytes of floats.
let floats (values: float32[]) : byte[] =
    values |> Array.collect BitConverter.GetBytes

/// A NodeProto with attributes of whole numbers.
let node (operator: string) (inputs: string list) (output: string) (attributes: byte[] list) : byte[] =
    Array.concat
        [
            for input in inputs do
                text 1 input
            text 2 output
            text 4 operator
            for attribute in attributes do
                bytes 5 attribute
        ]

/// An attribute of whole numbers, not packed, as older writers leave them.
let integers (name: string) (values: int64 list) : byte[] =
    Array.concat
        [
            text 1 name
            for value in values do
                number 8 value
        ]

/// A ModelProto; its graph comes last.
let model (producer: string) (nodes: byte[] list) (initialisers: byte[] list) : byte[] =
    Array.concat
        [
            number 1 3L
            text 2 producer
            bytes
                7
                (Array.concat
                    [
                        for node in nodes do
                            bytes 1 node
                        text 2 "graph"
                        for tensor in initialisers do
                            bytes 5 tensor
                    ])
        ]

/// How a ResNet of basic blocks is written.
type ResNetForm =
    {
        Producer: string
        Width: int64
        Depths: int list
        Epsilon: float32
        /// Stride of the first convolution of a stage's first block, and of the second one.
        Strides: int64 * int64
        Groups: int64
        /// Whether it begins with a convolution and its normalisation, ReLU and pooling.
        HasPooling: bool
    }

/// As CNTK wrote the one of ImageNet: a block more in the last stage than resnet18 has.
let cntk: ResNetForm =
    {
        Producer = "CNTK"
        Width = 8L
        Depths = [ 2; 2; 2; 3 ]
        Epsilon = 1e-5f
        Strides = 2L, 1L
        Groups = 1L
        HasPooling = true
    }

/// The bytes, and the tensors that were written under the names that torchvision has for them, with shapes.
let resNet (form: ResNetForm) (seed: int) : byte[] * (string * int64 list * float32[]) list =
    let random = Random seed
    let nodes = Collections.Generic.List<byte[]>()
    let initialisers = Collections.Generic.List<byte[]>()
    let written = Collections.Generic.List<string * int64 list * float32[]>()
    let mutable parameters = 0

    let write own (shape: int64 list) (value: unit -> float32) =
        parameters <- parameters + 1
        let name = $"Parameter{parameters}"
        let values = Array.init (int (List.fold (*) 1L shape)) (fun _ -> value ())
        // in both forms that there are
        let numbers = bytes (if parameters % 2 = 0 then 9 else 4) (floats values)
        initialisers.Add(tensor name 1L shape numbers)
        written.Add(own, shape, values)
        name

    let make operator inputs attributes =
        let output = $"{operator}{nodes.Count}"
        nodes.Add(node operator inputs output attributes)
        output

    let symmetric scale () =
        (random.NextSingle() * 2.0f - 1.0f) * scale

    let unit convolution norm inputs outputs size stride from =
        let scale = 1.0f / sqrt (float32 (inputs * size * size))

        let kernel =
            write $"{convolution}.weight" [ outputs; inputs; size; size ] (symmetric scale)

        let convolved =
            make "Conv" [ from; kernel ] [ integers "strides" [ stride; stride ]; integers "group" [ form.Groups ] ]

        let vector name value =
            write $"{norm}.{name}" [ outputs ] value

        let inputs =
            [
                convolved
                vector "weight" (fun () -> 0.5f + random.NextSingle())
                vector "bias" (symmetric 0.5f)
                vector "running_mean" (symmetric 0.5f)
                vector "running_var" (fun () -> 0.5f + random.NextSingle())
            ]

        make "BatchNormalization" inputs [ Array.append (text 1 "epsilon") (real 2 form.Epsilon) ]

    let relu from = make "Relu" [ from ] []

    let mutable x = relu (unit "conv1" "bn1" 3L form.Width 7L 2L "image")

    if form.HasPooling then
        x <- make "MaxPool" [ x ] []

    let mutable channels = form.Width

    for stage, depth in List.indexed form.Depths do
        for index in 0 .. depth - 1 do
            let name = $"layer{stage + 1}.{index}"
            let outputs = form.Width <<< stage
            let first, second = if stage > 0 && index = 0 then form.Strides else 1L, 1L
            let from = x

            let shortcut =
                if outputs <> channels then
                    unit $"{name}.downsample.0" $"{name}.downsample.1" channels outputs 1L (first * second) from
                else
                    from

            let inner = relu (unit $"{name}.conv1" $"{name}.bn1" channels outputs 3L first from)
            let main = unit $"{name}.conv2" $"{name}.bn2" outputs outputs 3L second inner
            x <- relu (make "Add" [ main; shortcut ] [])
            channels <- outputs

    model form.Producer (List.ofSeq nodes) (List.ofSeq initialisers), List.ofSeq written
