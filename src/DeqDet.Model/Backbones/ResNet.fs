namespace DeqDet.Model.Backbones

open TorchSharp
open DeqDet.Model

/// Batch normalisation: scale, shift and the stored statistics, all [C].
type BatchNorm =
    {
        Scale: Tensor
        Shift: Tensor
        Mean: Tensor
        Variance: Tensor
        /// Whether training uses the statistics of the batch (the stored ones follow in place).
        UsesBatch: bool
    }

module BatchNorm =

    let create channels usesBatch (source: WeightSource) : BatchNorm =
        {
            Scale = source |> WeightSource.parameter "weight" [ channels ] (Constant 1.0)
            Shift = source |> WeightSource.parameter "bias" [ channels ] (Constant 0.0)
            Mean = source |> WeightSource.buffer "running_mean" [ channels ] (Constant 0.0)
            Variance = source |> WeightSource.buffer "running_var" [ channels ] (Constant 1.0)
            UsesBatch = usesBatch
        }

    /// [B, C, H, W] -> the same shape; eps 1e-5, momentum .1. A single value per channel (one image, one pixel) has no variance: it is
    /// normalised by the stored statistics, which stay as they are. (PyTorch raises "Expected more than 1 value per channel"; the
    /// function underneath divides 0 by 0 and leaves NaN in the stored variance.)
    let apply (training: bool) (norm: BatchNorm) (x: Tensor) =
        let values = x.size 0 * x.size 2 * x.size 3

        torch.nn.functional.batch_norm (
            x,
            norm.Mean,
            norm.Variance,
            norm.Scale,
            norm.Shift,
            training = (training && norm.UsesBatch && values > 1L),
            momentum = 0.1,
            eps = 1e-5
        )

/// A convolution, its normalisation, stride and padding.
type Unit =
    {
        Convolution: Convolution
        Norm: BatchNorm
        Stride: int
        Padding: int
    }

/// A residual block: units with ReLU between, and a unit on the shortcut where the shape changes.
type Block =
    {
        Units: Unit list
        Shortcut: Unit option
    }

type ResNet =
    {
        Stem: Unit
        Stages: Block list list
        FrozenStages: int
    }

/// Residual networks (He et al. 2016) with torchvision's layout and names: the stride sits in the 3x3 convolution.
module ResNet =

    /// Channels of C2..C5, for a stem of so many.
    let channels (form: ResNetForm) (width: int) =
        let factor = if form.Bottleneck then 4 else 1
        [ for stage in 0..3 -> (width <<< stage) * factor ]

    let private unitAt usesBatch convolution norm inputs outputs size stride (source: WeightSource) : Unit =
        let kernel =
            source |> WeightSource.at convolution |> Convolution.create inputs outputs size

        {
            Convolution = kernel
            Norm = source |> WeightSource.at norm |> BatchNorm.create outputs usesBatch
            Stride = stride
            Padding = size / 2
        }

    /// Weights under torchvision's names (`conv1`, `layer1.0.conv1`, ...), frozen up to `FrozenStages`.
    let create (form: ResNetForm) (settings: BackboneSettings) (source: WeightSource) : ResNet =
        let from stage =
            if stage <= settings.FrozenStages then
                WeightSource.freeze source
            else
                source
        // a frozen stage keeps its statistics too
        let usesBatch stage =
            settings.Norm = Batch && stage > settings.FrozenStages

        let stem = unitAt (usesBatch 0) "conv1" "bn1" 3 settings.Width 7 2 (from 0)

        let block stage inputs width stride (source: WeightSource) =
            let unitAt = unitAt (usesBatch stage)
            let outputs = if form.Bottleneck then width * 4 else width

            let units =
                if form.Bottleneck then
                    let first = unitAt "conv1" "bn1" inputs width 1 1 source
                    let second = unitAt "conv2" "bn2" width width 3 stride source
                    [ first; second; unitAt "conv3" "bn3" width outputs 1 1 source ]
                else
                    let first = unitAt "conv1" "bn1" inputs width 3 stride source
                    [ first; unitAt "conv2" "bn2" width width 3 1 source ]

            {
                Units = units
                Shortcut =
                    if stride <> 1 || inputs <> outputs then
                        Some(unitAt "downsample.0" "downsample.1" inputs outputs 1 stride source)
                    else
                        None
            }

        let outputs = channels form settings.Width

        let stages =
            [
                for stage, depth in List.indexed form.Blocks ->
                    [
                        for index in 0 .. depth - 1 ->
                            let first = index = 0

                            let inputs =
                                if not first then outputs[stage]
                                elif stage = 0 then settings.Width
                                else outputs[stage - 1]

                            let stride = if first && stage > 0 then 2 else 1

                            from (stage + 1)
                            |> WeightSource.at $"layer{stage + 1}.{index}"
                            |> block (stage + 1) inputs (settings.Width <<< stage) stride
                    ]
            ]

        {
            Stem = stem
            Stages = stages
            FrozenStages = settings.FrozenStages
        }

    let private applyUnit training (u: Unit) x =
        Convolution.apply u.Stride u.Padding u.Convolution x
        |> BatchNorm.apply training u.Norm

    let private applyBlock training (block: Block) (x: Tensor) =
        scoped Seq.singleton (fun () ->
            let main =
                block.Units
                |> List.mapi (fun i u -> i, u)
                |> List.fold (fun x (i, u) -> applyUnit training u (if i = 0 then x else x.relu ())) x

            let shortcut =
                match block.Shortcut with
                | Some u -> applyUnit training u x
                | None -> x

            (main + shortcut).relu())

    /// Images [B, 3, H, W] -> C2..C5 at strides 4, 8, 16, 32.
    let apply (training: bool) (net: ResNet) (images: Tensor) : Tensor list =
        let stem () =
            scoped Seq.singleton (fun () ->
                let x = (applyUnit training net.Stem images).relu()
                torch.nn.functional.max_pool2d (x, 3L, stride = 2L, padding = 1L))

        let stage index (blocks: Block list) x =
            // nothing to differentiate in the frozen part: no graph is kept
            let frozen = index < net.FrozenStages
            use _ = torch.set_grad_enabled (torch.is_grad_enabled () && not frozen)
            List.fold (fun x block -> applyBlock training block x) x blocks

        net.Stages
        |> List.indexed
        |> List.scan (fun x (index, blocks) -> stage index blocks x) (stem ())
        |> List.tail
