namespace DeqDet.Model.Backbones

open TorchSharp
open DeqDet.Model

/// Weights of one of the backbones.
type BackboneWeights =
    | ResNetWeights of ResNet
    | SwinWeights of Swin
    | MobileNetWeights of MobileNet

/// What all backbones have in common.
module Backbone =

    /// Channels of C2..C5.
    let channels (settings: BackboneSettings) =
        match BackboneForm.ofKind settings.Kind with
        | Residual form -> ResNet.channels form settings.Width
        | Windowed form -> Swin.channels form
        | Inverted form -> MobileNet.channels form settings.Width

    /// Weights under the official names.
    let create (settings: BackboneSettings) (source: WeightSource) : BackboneWeights =
        match BackboneForm.ofKind settings.Kind with
        | Residual form -> ResNetWeights(ResNet.create form settings source)
        | Windowed form -> SwinWeights(Swin.create form settings source)
        | Inverted form -> MobileNetWeights(MobileNet.create form settings source)

    /// Images [B, 3, H, W] -> C2..C5 at strides 4, 8, 16, 32.
    let apply (training: TrainingPass option) (weights: BackboneWeights) (images: Tensor) : Tensor list =
        match weights with
        | ResNetWeights net -> ResNet.apply (training |> Option.map _.Share) net images
        | MobileNetWeights net -> MobileNet.apply (training |> Option.map _.Share) net images
        | SwinWeights net ->
            match training with
            | Some pass when net.DropPath > 0.0 ->
                use factors = Swin.drawDropPath net pass.Share.Batch pass.Generator
                Swin.apply (Some(Share.narrow pass.Share 1 factors)) net images
            | _ -> Swin.apply None net images
