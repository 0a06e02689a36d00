namespace DeqDet.Model.Backbones

open TorchSharp
open DeqDet.Kernels
open DeqDet.Model

/// A block of windowed self-attention and a feed-forward network, both with residuals.
type SwinBlock =
    {
        AttentionNorm: Affine
        Attention: WindowAttention
        FeedForwardNorm: Affine
        Expand: Linear
        Contract: Linear
        /// Whether its windows are shifted by half a window.
        Shifted: bool
    }

/// Four neighbours become one, at twice the width: norm over the four together, then a layer without bias.
type SwinMerge =
    {
        Norm: Affine
        /// [2C, 4C].
        Reduction: Tensor
        Packing: PackedLinear
    }

type SwinStage =
    {
        Blocks: SwinBlock list
        Merge: SwinMerge option
        OutputNorm: Affine
    }

type Swin =
    {
        Patches: Convolution
        PatchNorm: Affine
        Stages: SwinStage list
        FrozenStages: int
        DropPath: float
        Masks: ShiftMasks
    }

/// Swin Transformer (Liu et al. 2021) with windows of 7 x 7, under the names of the official detection checkpoints.
module Swin =

    let private window = WindowAttention.window
    let private patch = 4

    let private linear = WindowAttention.linear

    /// Channels of C2..C5.
    let channels (form: SwinForm) =
        [ for stage in 0..3 -> form.Width <<< stage ]

    let private block width heads shifted (source: WeightSource) : SwinBlock =
        let norm1 = source |> WeightSource.at "norm1" |> Affine.create width

        let attention =
            source |> WeightSource.at "attn.w_msa" |> WindowAttention.create width heads

        let norm2 = source |> WeightSource.at "norm2" |> Affine.create width
        let hidden = 4 * width

        let expand = source |> WeightSource.at "ffn.layers.0.0" |> linear width hidden

        {
            AttentionNorm = norm1
            Attention = attention
            FeedForwardNorm = norm2
            Expand = expand
            Contract = source |> WeightSource.at "ffn.layers.1" |> linear hidden width
            Shifted = shifted
        }

    let private merge width (source: WeightSource) : SwinMerge =
        let norm = source |> WeightSource.at "norm" |> Affine.create (4 * width)

        {
            Norm = norm
            Packing = WeightSource.packing source
            Reduction =
                source
                |> WeightSource.at "reduction"
                |> WeightSource.parameter "weight" [ 2 * width; 4 * width ] (Normal 0.02)
        }

    /// Weights under the official names, frozen up to `FrozenStages` (0: the patch embedding, 1: and the first stage, ...).
    let create (form: SwinForm) (settings: BackboneSettings) (source: WeightSource) : Swin =
        let width, depths = form.Width, form.Blocks
        let masks = new ShiftMasks()
        source.Own masks

        let from stage =
            if stage <= settings.FrozenStages then
                WeightSource.freeze source
            else
                source

        let embedding = from 0 |> WeightSource.at "patch_embed"
        let bound = 1.0 / sqrt (float (3 * patch * patch))
        let projection = embedding |> WeightSource.at "projection"

        let kernel =
            projection
            |> WeightSource.parameter "weight" [ width; 3; patch; patch ] (Uniform(-bound, bound))

        let bias =
            projection |> WeightSource.parameter "bias" [ width ] (Uniform(-bound, bound))

        let patchNorm = embedding |> WeightSource.at "norm" |> Affine.create width

        let stages =
            [
                for stage, (depth, heads) in List.indexed (List.zip depths form.Heads) ->
                    let source = from (stage + 1) |> WeightSource.at $"stages.{stage}"
                    let width = width <<< stage

                    let blocks =
                        [
                            for i in 0 .. depth - 1 ->
                                source |> WeightSource.at $"blocks.{i}" |> block width heads (i % 2 = 1)
                        ]

                    let merge =
                        if stage < depths.Length - 1 then
                            Some(source |> WeightSource.at "downsample" |> merge width)
                        else
                            None

                    blocks, merge
            ]

        {
            Patches =
                {
                    Kernel = kernel
                    Bias = Some bias
                    Stride = patch
                    Padding = 0
                    Groups = 1
                    // the norm after it reads float32, and it is small
                    Packing =
                        WeightSource.convolutionPacking
                            1
                            patch
                            0
                            { projection with
                                Computation = Computation(projection.Computation.Instructions, Precision.Fp32)
                            }
                }
            PatchNorm = patchNorm
            Stages =
                [
                    for stage, (blocks, merge) in List.indexed stages ->
                        {
                            Blocks = blocks
                            Merge = merge
                            OutputNorm =
                                from (stage + 1)
                                |> WeightSource.at $"norm{stage}"
                                |> Affine.create (width <<< stage)
                        }
                ]
            FrozenStages = settings.FrozenStages
            DropPath = settings.DropPath
            Masks = masks
        }

    /// [B, H, W, C] with zeros below and to the right up to multiples of `unit`.
    let private padTo unit (x: Tensor) =
        let missing (side: int64) =
            (int64 unit - side % int64 unit) % int64 unit

        let down, right = missing (x.size 1), missing (x.size 2)

        if down = 0L && right = 0L then
            x
        else
            torch.nn.functional.pad (x, [| 0L; 0L; 0L; right; 0L; down |])

    let private shift (by: int) (x: Tensor) =
        x.roll ([| int64 by; int64 by |], [| 1L; 2L |])

    /// One block on [B, H, W, C]; `keep` scales what its branches (0: attention, 1: feed-forward) add to each image.
    let private applyBlock (block: SwinBlock) index (mask: Tensor) (keep: int -> Tensor -> Tensor) (x: Tensor) =
        scoped Seq.singleton (fun () ->
            let b, h, w = x.size 0, x.size 1, x.size 2
            let half = window / 2
            let padded = padTo window (Norm.layer block.AttentionNorm x)
            let high, wide = padded.size 1, padded.size 2
            let padded = if block.Shifted then shift -half padded else padded

            let attended =
                WindowAttention.split padded
                |> WindowAttention.apply block.Attention index (if block.Shifted then Some mask else None)
                |> WindowAttention.join b high wide

            let attended = if block.Shifted then shift half attended else attended
            let x = x .+ keep 0 (attended.narrow(1, 0L, h).narrow(2, 0L, w))

            x
            |> inTurn
                [
                    Norm.layer block.FeedForwardNorm
                    Linear.apply block.Expand
                    torch.nn.functional.gelu
                    Linear.apply block.Contract
                    keep 1 >> plus x
                ])

    /// [B, H, W, C] -> [B, H/2, W/2, 2C], sides rounded up. A cell's four neighbours lie channel by channel, as in the official
    /// detection checkpoints.
    let private applyMerge (weights: SwinMerge) (x: Tensor) =
        scoped Seq.singleton (fun () ->
            let x = padTo 2 x
            let b, h, w, c = x.size 0, x.size 1, x.size 2, x.size 3

            let together =
                x.view(b, h / 2L, 2L, w / 2L, 2L, c).permute(0L, 1L, 3L, 5L, 2L, 4L).reshape(b, h / 2L, w / 2L, 4L * c)

            Norm.layer weights.Norm together
            |> Linear.applyUnbiased weights.Packing weights.Reduction)

    /// Stochastic depth (Huang et al. 2016): for each branch of each block and each image of a batch the factor of what it adds, 0 or
    /// 1 / (1 - p), p growing linearly over the blocks: [2 * blocks, B] on the CPU, drawn from the generator.
    let drawDropPath (net: Swin) (images: int64) (generator: torch.Generator) : Tensor =
        let blocks = net.Stages |> List.sumBy (fun stage -> stage.Blocks.Length)
        use uniform = torch.rand ([| 2L * int64 blocks; images |], generator = generator)

        use keep =
            torch
                .tensor(
                    [|
                        for branch in 0 .. 2 * blocks - 1 ->
                            1.0 - net.DropPath * float (branch / 2) / float (blocks - 1)
                    |],
                    dtype = torch.float32
                )
                .unsqueeze
                -1L

        scoped Seq.singleton (fun () -> (uniform.lt keep).``to``(torch.float32) / keep)

    /// Images [B, 3, H, W] -> C2..C5 [B, C, H/4, W/4], ... each layer-normalised. `dropPath` comes from `drawDropPath` while
    /// training; without it nothing is dropped.
    let apply (dropPath: Tensor option) (net: Swin) (images: Tensor) : Tensor list =
        let gradients = torch.is_grad_enabled ()
        // nothing to differentiate in the frozen part: no graph is kept
        let frozen stage = stage <= net.FrozenStages
        let index = WindowAttention.placeIndex images.device

        let factor branch (x: Tensor) =
            match dropPath with
            | None -> x
            | Some factors ->
                x
                * factors.select(0L, int64 branch).``to``(x.dtype, x.device).view(-1L, 1L, 1L, 1L)

        let embed () =
            use _ = torch.set_grad_enabled (gradients && not (frozen 0))

            scoped Seq.singleton (fun () ->
                let missing (side: int64) =
                    (int64 patch - side % int64 patch) % int64 patch

                let right, down = missing (images.size 3), missing (images.size 2)
                let images = torch.nn.functional.pad (images, [| 0L; right; 0L; down |])

                (Convolution.apply false net.Patches images).permute(0L, 2L, 3L, 1L)
                |> Norm.layer net.PatchNorm)

        let applyStage stage first (weights: SwinStage) x =
            use _ = torch.set_grad_enabled (gradients && not (frozen (stage + 1)))

            let round (side: int64) =
                (side + int64 window - 1L) / int64 window * int64 window

            use mask = net.Masks.Of x (round (x.size 1)) (round (x.size 2))

            use x =
                x
                |> inTurn
                    [
                        for i, block in List.indexed weights.Blocks ->
                            applyBlock block index mask (fun branch -> factor (2 * (first + i) + branch))
                    ]

            let output = (Norm.layer weights.OutputNorm x).permute(0L, 3L, 1L, 2L)
            // what reads it next is fastest with the channels last, where it is computed fast
            let output =
                if torch.is_grad_enabled () then
                    output.contiguous ()
                else
                    output

            output, weights.Merge |> Option.map (fun merge -> applyMerge merge x)

        let mutable x = embed ()
        let mutable first = 0

        [
            for stage, weights in List.indexed net.Stages do
                let output, next = applyStage stage first weights x
                first <- first + weights.Blocks.Length
                x.Dispose()
                Option.iter (fun next -> x <- next) next
                output
        ]
