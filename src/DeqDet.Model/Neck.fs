namespace DeqDet.Model

open TorchSharp

/// One convolution per level to the decoder's width, then one group normalisation whose weights all levels share.
type NeckWeights =
    {
        Convolutions: Convolution list
        Norm: Affine
        Form: NeckForm
    }

module Neck =

    /// Groups of the shared normalisation.
    let groups = 32

    /// Weights for backbone channels, finest level first, under the official names.
    let create (form: NeckForm) (inputs: int list) (channels: int) (source: WeightSource) : NeckWeights =
        {
            Convolutions =
                [
                    for i, c in List.indexed inputs ->
                        source
                        |> WeightSource.at $"{form.Name}.{i}.conv"
                        |> Convolution.createBiased c channels form.Kernel
                ]
            Norm = source |> WeightSource.at "gn_out" |> Affine.create channels
            Form = form
        }

    /// Backbone maps, finest first -> maps of the decoder's width in float32; channels last where they are computed fast.
    let apply (weights: NeckWeights) (features: Tensor list) : Tensor list =
        List.map2
            (fun convolution (x: Tensor) ->
                scoped Seq.singleton (fun () ->
                    let y = Convolution.apply weights.Form.Rectify convolution x
                    Norm.group groups weights.Norm (y.``to`` weights.Norm.Weight.dtype)))
            weights.Convolutions
            features
