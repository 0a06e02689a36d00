namespace DeqDet.Model

open TorchSharp

/// How a neck brings the backbone's levels to the decoder's width.
type NeckForm =
    {
        /// Name of its convolutions in checkpoints.
        Name: string
        /// Side of their kernels.
        Kernel: int
        /// Whether ReLU follows them.
        Rectify: bool
    }

/// How the queries begin.
type InitialForm =
    {
        /// Name of the learned contents in checkpoints.
        Contents: string
        /// Whether checkpoints call the initial boxes trainable, although no gradient ever reaches them.
        TrainableBoxes: bool
        /// Boxes (cx, cy, w, h) in px [B, Q, 4] -> position [B, Q, 4], and the box xyxy [B, Q, 4] of the first overlap bias.
        Place: Tensor -> struct (Tensor * Tensor)
    }

/// How the heads follow each other.
type Refining =
    /// The first head once, then the second one iterated to a fixed point.
    | ToEquilibrium
    /// Each head once, in order: stages that share no weights.
    | ByStages

/// All that DEQDet, FFNDet and AdaMixer differ in.
type Family =
    {
        /// As its paper writes it.
        Title: string
        Neck: NeckForm
        Initial: InitialForm
        Refining: Refining
        /// Number of heads with weights of their own.
        Heads: HeadSettings -> int
        /// Heads in the order in which prediction applies them.
        Schedule: DetectorSettings -> int list
        /// Which states official training supervises.
        Plan: DetectorSettings -> Plan
    }

module Family =

    let private corners (cxcywh: Tensor) =
        let centre, extent = cxcywh.narrow (-1, 0L, 2L), cxcywh.narrow (-1, 2L, 2L)
        torch.cat ([| centre - extent * scalar 0.5; centre .+ extent * scalar 0.5 |], -1L)

    let private threeByThree =
        {
            Name = "convs"
            Kernel = 3
            Rectify = true
        }

    /// The position is encoded from the box.
    let private fromBox =
        {
            Contents = "init_proposal_features"
            TrainableBoxes = false
            Place =
                fun cxcywh ->
                    let box = corners cxcywh
                    struct (Boxes.encode box, box)
        }

    /// The position comes from width and height, and the box is decoded from it.
    let private fromSize =
        {
            Contents = "init_content_features"
            TrainableBoxes = true
            Place =
                fun cxcywh ->
                    let extent = cxcywh.narrow (-1, 2L, 2L)
                    let logW = extent.narrow(-1, 0L, 1L).log2()
                    let logH = extent.narrow(-1, 1L, 1L).log2()
                    let centre = cxcywh.narrow (-1, 0L, 2L)

                    let position =
                        torch.cat ([| centre; (logW .+ logH) * scalar 0.5; logH - logW |], -1L)

                    struct (position, Boxes.decode position)
        }

    let private stages (head: HeadSettings) = head.Stages

    let private everyStage (settings: DetectorSettings) = [ 0 .. settings.Head.Stages - 1 ]

    /// Wang et al., Deep Equilibrium Object Detection, ICCV 2023.
    let deqDet: Family =
        {
            Title = "DEQDet"
            Neck = threeByThree
            Initial = fromBox
            Refining = ToEquilibrium
            Heads = fun _ -> 2
            Schedule = fun settings -> 0 :: List.replicate (settings.Solver.Steps + 1) 1
            Plan = Plan.equilibrium
        }

    /// The baseline in DEQDet's repository: the same without equilibrium.
    let ffnDet: Family =
        {
            Title = "FFNDet"
            Neck = threeByThree
            Initial = fromBox
            Refining = ByStages
            Heads = stages
            Schedule = everyStage
            Plan = Plan.stages (fun i -> $"stage_{i}")
        }

    /// Gao et al., AdaMixer, CVPR 2022.
    let adaMixer: Family =
        {
            Title = "AdaMixer"
            Neck =
                {
                    Name = "lateral_convs"
                    Kernel = 1
                    Rectify = false
                }
            Initial = fromSize
            Refining = ByStages
            Heads = stages
            Schedule = everyStage
            Plan = Plan.stages (fun i -> $"stage{i}_")
        }

    /// The family that settings name.
    let ofKind (kind: DetectorKind) : Family =
        match kind with
        | DeqDet -> deqDet
        | FfnDet -> ffnDet
        | AdaMixer -> adaMixer

    /// The family of a detector.
    let ofSettings (settings: DetectorSettings) : Family = ofKind settings.Kind

    /// Which states official training of a detector supervises.
    let plan (settings: DetectorSettings) : Plan = (ofSettings settings).Plan settings

    /// Whether a detector refines to an equilibrium, so that solver, tolerance and budget mean something.
    let hasEquilibrium (settings: DetectorSettings) : bool =
        (ofSettings settings).Refining = ToEquilibrium
