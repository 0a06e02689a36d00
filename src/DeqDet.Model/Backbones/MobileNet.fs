namespace DeqDet.Model.Backbones

open TorchSharp
open DeqDet.Model

/// An inverted residual block: a 1x1 convolution to more channels (where there is one), a 3x3 convolution of each channel by itself, and a
/// 1x1 convolution to few channels, after which nothing is rectified.
type InvertedBlock =
    {
        /// All but the last.
        Units: Unit list
        Project: Unit
        /// Whether the block's input is added to its result.
        AddsInput: bool
    }

type MobileNet =
    {
        Stem: Unit
        Stages: InvertedBlock list list
        FrozenStages: int
        Padding: PaddingMode
    }

/// MobileNetV2 (Sandler et al. 2018) with torchvision's layout and names. C2..C5 are the results of the last blocks at their strides
/// (features.3, 6, 13 and 17), as detectors usually take them: what follows (features.18) makes many channels for the classifier alone.
module MobileNet =

    /// The number of channels for a width of 64 at another width, as torchvision rounds it: to a multiple of 8, and not more than a tenth below.
    let private scaled (width: int) (channels: int) : int =
        let wanted = float channels * float width / 64.0
        let rounded = max 8 (int (wanted + 4.0) / 8 * 8)

        if float rounded < 0.9 * wanted then
            rounded + 8
        else
            rounded

    /// Channels of C2..C5.
    let channels (form: InvertedForm) (width: int) : int list =
        [ for groups in form.Stages -> scaled width (List.last groups).Channels ]

    /// Blocks of all stages: for each its expansion, channels of input and output, and stride.
    let internal blocks (form: InvertedForm) (width: int) : struct (int * int * int * int) list list =
        let group inputs (group: InvertedGroup) =
            let outputs = scaled width group.Channels

            [
                for index in 0 .. group.Blocks - 1 ->
                    struct (group.Expansion,
                            (if index = 0 then inputs else outputs),
                            outputs,
                            (if index = 0 then group.Stride else 1))
            ],
            outputs

        let stage inputs groups =
            let made, outputs = List.mapFold group inputs groups
            List.concat made, outputs

        List.mapFold stage (scaled width form.Stem) form.Stages |> fst

    /// Channels of the first convolution.
    let internal stem (form: InvertedForm) (width: int) : int = scaled width form.Stem

    /// Weights under torchvision's names (`features.0.0`, `features.1.conv.0.0`, ...), frozen up to `FrozenStages`.
    let create (form: InvertedForm) (settings: BackboneSettings) (source: WeightSource) : MobileNet =
        let from stage =
            if stage <= settings.FrozenStages then
                WeightSource.freeze source
            else
                source

        // a frozen stage keeps its statistics too
        let usesBatch stage =
            settings.Norm = Batch && stage > settings.FrozenStages

        let unitAt stage convolution norm groups inputs outputs size stride (source: WeightSource) : Unit =
            // what "same" needs is put around the map before
            let padding =
                if settings.Padding = Same && stride > 1 then
                    0
                else
                    size / 2

            let kernel =
                source
                |> WeightSource.at convolution
                |> Convolution.createGrouped groups inputs outputs size stride padding

            {
                Convolution = kernel
                Norm = source |> WeightSource.at norm |> BatchNorm.create outputs (usesBatch stage)
            }

        let block stage (struct (expansion, inputs, outputs, stride)) (source: WeightSource) : InvertedBlock =
            let hidden = expansion * inputs
            let depthwise = if expansion = 1 then 0 else 1

            let units =
                [
                    if expansion > 1 then
                        unitAt stage "conv.0.0" "conv.0.1" 1 inputs hidden 1 1 source

                    unitAt stage $"conv.{depthwise}.0" $"conv.{depthwise}.1" hidden hidden hidden 3 stride source
                ]

            {
                Units = units
                Project = unitAt stage $"conv.{depthwise + 1}" $"conv.{depthwise + 2}" 1 hidden outputs 1 1 source
                AddsInput = stride = 1 && inputs = outputs
            }

        let first = stem form settings.Width
        let stem = from 0 |> unitAt 0 "features.0.0" "features.0.1" 1 3 first 3 2

        let stage index (number, blocks) =
            let made =
                [
                    for i, sizes in List.indexed blocks ->
                        from number |> WeightSource.at $"features.{index + i}" |> block number sizes
                ]

            made, index + made.Length

        {
            Stem = stem
            Stages =
                blocks form settings.Width
                |> List.mapi (fun i blocks -> i + 1, blocks)
                |> List.mapFold stage 1
                |> fst
            FrozenStages = settings.FrozenStages
            Padding = settings.Padding
        }

    /// Zeros around a map for a 3x3 convolution of stride 2, as few as it needs: of an even side none before it and one after it.
    let private padded (x: Tensor) =
        torch.nn.functional.pad (x, [| x.size 3 % 2L; 1L; x.size 2 % 2L; 1L |])

    /// norm(conv(x)), cut off below 0 and above 6 where asked for.
    let private applyUnit training padding rectify (u: Unit) (x: Tensor) : Tensor =
        scoped Seq.singleton (fun () ->
            let c = u.Convolution
            let x = if padding = Same && c.Stride > 1 then padded x else x

            let y =
                match
                    if Option.isSome training then
                        null
                    else
                        c.Packing.TryApply(x, c.Kernel, null, BatchNorm.stored u.Norm, rectify)
                with
                | null -> Convolution.applyPlain c x |> BatchNorm.apply training u.Norm
                | y -> y

            if rectify then y.relu6_ () else y)

    let private applyBlock training padding (block: InvertedBlock) (x: Tensor) : Tensor =
        scoped Seq.singleton (fun () ->
            let y =
                x
                |> inTurn
                    [
                        for u in block.Units do
                            applyUnit training padding true u

                        applyUnit training padding false block.Project
                    ]

            if block.AddsInput then addTo y x else y)

    /// Images [B, 3, H, W] -> C2..C5 at strides 4, 8, 16, 32; computed fast, channels last and in the precision's type.
    let apply (training: Share option) (net: MobileNet) (images: Tensor) : Tensor list =
        let gradients = torch.is_grad_enabled ()
        // nothing to differentiate in the frozen part: no graph is kept
        let frozen stage = stage <= net.FrozenStages

        let stem () =
            use _ = torch.set_grad_enabled (gradients && not (frozen 0))
            applyUnit training net.Padding true net.Stem images

        let stage (x: Tensor) (index: int, blocks: InvertedBlock list) =
            use _ = torch.set_grad_enabled (gradients && not (frozen (index + 1)))
            x |> inTurn [ for block in blocks -> applyBlock training net.Padding block ]

        use start = stem ()

        net.Stages |> List.indexed |> List.scan stage start |> List.tail
