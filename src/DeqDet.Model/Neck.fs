namespace DeqDet.Model

open TorchSharp

/// One convolution per level to the decoder's width, then one group normalisation whose weights all levels share.
type NeckWeights =
    {
        Convolutions: Convolution list
        Norm: Affine
        /// DEQDet and FFNDet: 3x3 and ReLU. AdaMixer: 1x1 without activation.
        Kernel: int
        Rectify: bool
    }

module Neck =

    /// Groups of the shared normalisation.
    let groups = 32

    /// Weights for backbone channels, finest level first, under the official names (`convs` or `lateral_convs`).
    let create (kind: DetectorKind) (inputs: int list) (channels: int) (source: WeightSource) : NeckWeights =
        let name, kernel = if kind = AdaMixer then "lateral_convs", 1 else "convs", 3

        {
            Convolutions =
                [
                    for i, c in List.indexed inputs ->
                        source
                        |> WeightSource.at $"{name}.{i}.conv"
                        |> Convolution.createBiased c channels kernel
                ]
            Norm = source |> WeightSource.at "gn_out" |> Affine.create channels
            Kernel = kernel
            Rectify = (kind <> AdaMixer)
        }

    /// Backbone maps, finest first -> maps of the decoder's width.
    let apply (weights: NeckWeights) (features: Tensor list) : Tensor list =
        List.map2
            (fun convolution (x: Tensor) ->
                let y = Convolution.apply 1 (weights.Kernel / 2) convolution x
                let y = if weights.Rectify then y.relu () else y
                Norm.group groups weights.Norm y)
            weights.Convolutions
            features
