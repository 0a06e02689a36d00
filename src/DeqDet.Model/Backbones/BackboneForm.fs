namespace DeqDet.Model.Backbones

open DeqDet.Model

/// How a residual network is built.
type ResNetForm =
    {
        /// Blocks of each of the four stages.
        Blocks: int list
        /// Whether a block narrows its channels to a quarter for the 3x3 convolution.
        Bottleneck: bool
    }

/// How a Swin Transformer is built.
type SwinForm =
    {
        /// Channels of the first stage; each further one has twice as many.
        Width: int
        /// Blocks of each of the four stages.
        Blocks: int list
        /// Attention heads of each stage.
        Heads: int list
    }

/// A group of inverted residual blocks of which the first may halve the map.
type InvertedGroup =
    {
        /// How many times as many channels a block has between its convolutions.
        Expansion: int
        Channels: int
        Blocks: int
        Stride: int
    }

/// How a network of inverted residual blocks is built.
type InvertedForm =
    {
        /// Channels of the first convolution.
        Stem: int
        /// The groups of each of the four stages.
        Stages: InvertedGroup list list
    }

/// The architectures that backbones have, with their sizes.
type BackboneForm =
    | Residual of ResNetForm
    | Windowed of SwinForm
    | Inverted of InvertedForm

module BackboneForm =

    let private residual bottleneck blocks =
        Residual
            {
                Blocks = blocks
                Bottleneck = bottleneck
            }

    let private windowed width depth =
        Windowed
            {
                Width = width
                Blocks = [ 2; 2; depth; 2 ]
                Heads = [ for stage in 0..3 -> width / 32 <<< stage ]
            }

    let private inverted stem stages =
        Inverted
            {
                Stem = stem
                Stages =
                    [
                        for stage in stages ->
                            [
                                for expansion, channels, blocks, stride in stage ->
                                    {
                                        Expansion = expansion
                                        Channels = channels
                                        Blocks = blocks
                                        Stride = stride
                                    }
                            ]
                    ]
            }

    /// The form of each kind of backbone, as its paper lists it.
    let ofKind (kind: BackboneKind) : BackboneForm =
        match kind with
        | ResNet18 -> residual false [ 2; 2; 2; 2 ]
        | ResNet34 -> residual false [ 3; 4; 6; 3 ]
        | ResNet50 -> residual true [ 3; 4; 6; 3 ]
        | ResNet101 -> residual true [ 3; 4; 23; 3 ]
        | SwinT -> windowed 96 6
        | SwinS -> windowed 96 18
        | SwinB -> windowed 128 18
        | MobileNetV2 ->
            inverted
                32
                [
                    [ 1, 16, 1, 1; 6, 24, 2, 2 ]
                    [ 6, 32, 3, 2 ]
                    [ 6, 64, 4, 2; 6, 96, 3, 1 ]
                    [ 6, 160, 3, 2; 6, 320, 1, 1 ]
                ]
