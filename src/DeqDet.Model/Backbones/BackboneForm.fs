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

/// The architectures that backbones have, with their sizes.
type BackboneForm =
    | Residual of ResNetForm
    | Windowed of SwinForm

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
