namespace DeqDet.Model

/// The three families of query-based detectors that share one stage (the AdaMixer decoder layer).
type DetectorKind =
    /// Init head once, then one refinement head iterated to a fixed point (the paper's model).
    | DeqDet
    /// The reference's own baseline: stages that share no weights, 3x3 neck with ReLU.
    | FfnDet
    /// AdaMixer (CVPR 2022): stages that share no weights, 1x1 neck without activation.
    | AdaMixer

/// Image backbones with outputs at strides 4, 8, 16 and 32.
type BackboneKind =
    | ResNet18
    | ResNet34
    | ResNet50
    | ResNet101
    | SwinT
    | SwinS
    | SwinB

/// What the batch normalisations of a ResNet do while training.
type BatchNormMode =
    /// Stored statistics, as in every published model: right when the weights come from ImageNet.
    | Frozen
    /// Statistics of the batch, tracked by the stored ones: needed when training from random weights. A batch with a single value per
    /// channel has no variance; it is normalised by the stored statistics and does not change them.
    | Batch

type BackboneSettings =
    {
        Kind: BackboneKind
        /// Channels of a ResNet's stem and first stage, 64 in every published model; each further stage has twice as many.
        Width: int
        /// Stages that do not train: -1 none, 0 the stem, 1 the stem and layer1, ...
        FrozenStages: int
        Norm: BatchNormMode
        /// Stochastic depth of Swin: probability at the last block, growing linearly from 0.
        DropPath: float
        /// File with backbone weights to start from.
        Weights: string option
    }

type QuerySettings =
    {
        /// Number of object queries, Q.
        Count: int
        /// Query x class pairs kept as detections of an image.
        Detections: int
    }

/// Sizes of one head (AdaMixer stage).
type HeadSettings =
    {
        /// Width of content and pyramid, C.
        Channels: int
        /// Attention heads.
        Heads: int
        /// Groups of channels that sample and mix on their own, G.
        Groups: int
        /// Points sampled by each group, Pin.
        PointsIn: int
        /// Points after spatial mixing, Pout.
        PointsOut: int
        /// Hidden width of the feed-forward network.
        FeedForward: int
        /// Number of unshared stages (FFNDet and AdaMixer; DEQDet always has two heads).
        Stages: int
        /// Loss weight of each stage (FFNDet and AdaMixer); empty means 1 everywhere.
        StageWeights: float list
    }

/// Methods that find the fixed point (DeqDet.Solver).
type SchemeKind =
    /// Plain, or damped, iteration: what training follows, and the published models' prediction.
    | PicardScheme
    | AndersonScheme
    | BroydenScheme

type SolverSettings =
    {
        /// Refinement steps of the path; prediction applies the refinement head at most Steps + 1 times.
        Steps: int
        /// Method of prediction. Training follows the plain path.
        Scheme: SchemeKind
        /// t in z + t (f(z) - z), above 0 and below 2.
        Damping: float
        /// Earlier evaluations that Anderson and Broyden remember; None: as many as is usual for each (5 and 30).
        Memory: int option
        /// Residual (QueryState.measure) at which a query has settled in prediction; None: every query takes all steps.
        Tolerance: float option
        /// Time that the refinement of one batch of images may take, ms.
        BudgetMs: float option
    }

module SolverSettings =

    /// The published models': plain iteration, always the same number of steps.
    let ofSteps (steps: int) : SolverSettings =
        {
            Steps = steps
            Scheme = PicardScheme
            Damping = 1.0
            Memory = None
            Tolerance = None
            BudgetMs = None
        }

/// How a supervised state is differentiated (DeqDet.Solver.Gradient).
type GradientKind =
    /// The refinement-aware gradient: `Unroll` further applications.
    | RagGradient
    /// One further application (Jacobian-free backpropagation).
    | JfbGradient
    /// `Unroll` damped applications (phantom gradient).
    | PhantomGradient
    /// As though the state were the fixed point: the limit of RAG for many applications, by the implicit function theorem.
    | ImplicitGradient

/// Refinement-aware gradient: which states are supervised, and how far gradients reach.
type RagSettings =
    {
        /// Steps of the path after which a state is supervised (the last is usually Steps).
        Supervised: int list
        Gradient: GradientKind
        /// Unrolled applications that carry gradients at every supervised step (RagGradient, PhantomGradient).
        Unroll: int
        /// t in z + t (f(z) - z) of the damped applications (PhantomGradient).
        PhantomDamping: float
        /// Further supervised applications of the refinement head right after the init head.
        Extra: int
        /// Back-propagate every supervised step at once and free its graph (same gradients, less memory).
        Immediate: bool
    }

/// Refinement-aware perturbation of the path.
type RapSettings =
    {
        ContentProbability: float
        /// Weight of the noise relative to the content's norm.
        ContentIntensity: float
        PositionProbability: float
        /// Standard deviation of the noise on box coordinates, px.
        PositionIntensity: float
    }

/// Weights of classification (focal), L1 and GIoU terms: of the matching cost, or of the loss.
type TermWeights =
    { Focal: float; L1: float; GIoU: float }

type LossSettings =
    {
        Weights: TermWeights
        FocalGamma: float
        FocalAlpha: float
        /// What replaces the number of matched queries where a whole batch has no box. The reference
        /// divides by float32's epsilon (1.19e-7), which makes such a batch's loss enormous: training uses 1.
        EmptyBatchDivisor: float
    }

/// Everything that decides what a detector computes. Sizes of images and data are no part of it.
type DetectorSettings =
    {
        Kind: DetectorKind
        Classes: int
        Backbone: BackboneSettings
        Queries: QuerySettings
        Head: HeadSettings
        Solver: SolverSettings
        Rag: RagSettings
        Rap: RapSettings
        Matching: TermWeights
        Loss: LossSettings
    }

module DetectorSettings =

    /// The published deqdet_r50_1x_coco, except that Classes is 0: as many as the data set has.
    let published: DetectorSettings =
        {
            Kind = DetectorKind.DeqDet
            Classes = 0
            Backbone =
                {
                    Kind = ResNet50
                    FrozenStages = 1
                    Norm = Frozen
                    Width = 64
                    DropPath = 0.0
                    Weights = None
                }
            Queries = { Count = 100; Detections = 100 }
            Head =
                {
                    Channels = 256
                    Heads = 8
                    Groups = 4
                    PointsIn = 64
                    PointsOut = 128
                    FeedForward = 2048
                    Stages = 6
                    StageWeights = []
                }
            Solver = SolverSettings.ofSteps 20
            Rag =
                {
                    Supervised = [ 1; 3; 6; 9; 12; 20 ]
                    Gradient = RagGradient
                    Unroll = 2
                    PhantomDamping = 0.5
                    Extra = 2
                    Immediate = true
                }
            Rap =
                {
                    ContentProbability = 0.2
                    ContentIntensity = 0.1
                    PositionProbability = 0.2
                    PositionIntensity = 25.0
                }
            Matching = { Focal = 2.0; L1 = 5.0; GIoU = 2.0 }
            Loss =
                {
                    Weights = { Focal = 2.0; L1 = 5.0; GIoU = 2.0 }
                    FocalGamma = 2.0
                    FocalAlpha = 0.25
                    EmptyBatchDivisor = 1.0
                }
        }
