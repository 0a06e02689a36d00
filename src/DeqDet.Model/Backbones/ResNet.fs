namespace DeqDet.Model.Backbones

open TorchSharp
open DeqDet.Kernels
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

    let private epsilon = 1e-5

    let create channels usesBatch (source: WeightSource) : BatchNorm =
        {
            Scale = source |> WeightSource.parameter "weight" [ channels ] (Constant 1.0)
            Shift = source |> WeightSource.parameter "bias" [ channels ] (Constant 0.0)
            Mean = source |> WeightSource.buffer "running_mean" [ channels ] (Constant 0.0)
            Variance = source |> WeightSource.buffer "running_var" [ channels ] (Constant 1.0)
            UsesBatch = usesBatch
        }

    let private momentum = 0.1

    let private normalise (norm: BatchNorm) (training: bool) (x: Tensor) =
        torch.nn.functional.batch_norm (
            x,
            norm.Mean,
            norm.Variance,
            norm.Scale,
            norm.Shift,
            training = training,
            momentum = momentum,
            eps = epsilon
        )

    /// The stored statistics a step nearer to those of a batch; the variance that is stored is the unbiased one.
    let private follow (norm: BatchNorm) (statistics: SharedStatistics) =
        use _ = torch.no_grad ()
        let unbiased = statistics.Values / (statistics.Values - 1.0)

        for stored, found in
            [
                norm.Mean, statistics.Mean
                norm.Variance, statistics.Variance * scalar unbiased
            ] do
            stored.copy_ (stored * scalar (1.0 - momentum) .+ found * scalar momentum)
            |> ignore

    /// By the statistics of the images of all processes together.
    let private together (exchange: Exchange) (counts: bool) (norm: BatchNorm) (x: Tensor) =
        let statistics = SharedStatistics.ofMaps exchange counts x

        if statistics.Values > 1.0 then
            follow norm statistics

            let by =
                { norm with
                    Mean = statistics.Mean
                    Variance = statistics.Variance
                }

            normalise by false (SharedStatistics.follow exchange counts epsilon statistics x)
        else
            normalise norm false x

    /// Whether training takes the statistics of the batch: one whose scale is frozen keeps its own.
    let private followsBatch (norm: BatchNorm) =
        norm.UsesBatch && norm.Scale.requires_grad

    /// [B, C, H, W] -> the same shape; eps 1e-5, momentum .1. A single value per channel (one image, one pixel) has no variance: it is
    /// normalised by the stored statistics, which stay as they are. (PyTorch raises "Expected more than 1 value per channel"; the
    /// function underneath divides 0 by 0 and leaves NaN in the stored variance.)
    let apply (training: Share option) (norm: BatchNorm) (x: Tensor) =
        match training with
        | Some {
                   Exchange = Some exchange
                   Counts = counts
               } when followsBatch norm -> together exchange counts norm x
        | _ ->
            let values = x.size 0 * x.size 2 * x.size 3
            normalise norm (training.IsSome && followsBatch norm && values > 1L) x

    /// The same outside training, as a convolution before it takes it in.
    let stored (norm: BatchNorm) : StoredNorm =
        StoredNorm(norm.Scale, norm.Shift, norm.Mean, norm.Variance, epsilon)

/// A convolution and its normalisation.
type Unit =
    {
        Convolution: Convolution
        Norm: BatchNorm
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
            source
            |> WeightSource.at convolution
            |> Convolution.create inputs outputs size stride

        {
            Convolution = kernel
            Norm = source |> WeightSource.at norm |> BatchNorm.create outputs usesBatch
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

    let private plainUnit training (u: Unit) (x: Tensor) =
        scoped Seq.singleton (fun () -> Convolution.applyPlain u.Convolution x |> BatchNorm.apply training u.Norm)

    /// norm(conv(x)), with ReLU where asked for.
    let private applyUnit training rectify (u: Unit) (x: Tensor) : Tensor =
        let c = u.Convolution

        match
            if Option.isSome training then
                null
            else
                c.Packing.TryApply(x, c.Kernel, null, BatchNorm.stored u.Norm, rectify)
        with
        | null ->
            let y = plainUnit training u x
            if rectify then y.relu_ () else y
        | y -> y

    /// ReLU(norm(conv(x)) + sum). Computed fast, the result takes the place of `sum`.
    let private applyLast training (u: Unit) (sum: Tensor) (x: Tensor) : Tensor =
        let c = u.Convolution

        match
            if Option.isSome training then
                null
            else
                c.Packing.TryAdd(sum, x, c.Kernel, null, BatchNorm.stored u.Norm)
        with
        | null -> (addTo (plainUnit training u x) sum).relu_()
        | y -> y

    /// Without a shortcut unit `x` may be written over.
    let private applyBlock training (block: Block) (x: Tensor) =
        scoped Seq.singleton (fun () ->
            let units, last = List.splitAt (block.Units.Length - 1) block.Units
            let main = units |> List.map (applyUnit training true) |> inTurn <| x

            let sum =
                match block.Shortcut with
                | Some u -> applyUnit training false u x
                | None -> x

            applyLast training last.Head sum main)

    /// Images [B, 3, H, W] -> C2..C5 at strides 4, 8, 16, 32; computed fast, channels last and in the precision's type.
    let apply (training: Share option) (net: ResNet) (images: Tensor) : Tensor list =
        let gradients = torch.is_grad_enabled ()
        // nothing to differentiate in the frozen part: no graph is kept
        let frozen stage = stage <= net.FrozenStages

        let stem () =
            use _ = torch.set_grad_enabled (gradients && not (frozen 0))

            scoped Seq.singleton (fun () ->
                let x = applyUnit training true net.Stem images
                torch.nn.functional.max_pool2d (x, 3L, stride = 2L, padding = 1L))

        let stage (x: Tensor) (index: int, blocks: Block list) =
            use _ = torch.set_grad_enabled (gradients && not (frozen (index + 1)))
            // a stage that changes its input's shape, which all but the first do, begins with a shortcut unit: x stays
            blocks |> List.map (applyBlock training) |> inTurn <| x

        use start = stem ()

        net.Stages |> List.indexed |> List.scan stage start |> List.tail
