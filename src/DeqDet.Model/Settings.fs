namespace DeqDet.Model

open DeqDet

/// The three families of query-based detectors that share one stage (the AdaMixer decoder layer).
type DetectorKind =
    /// Init head once, then one refinement head iterated to a fixed point (the paper's model).
    | [<Word "deqdet">] DeqDet
    /// The reference's own baseline: stages that share no weights, 3x3 neck with ReLU.
    | [<Word "ffndet">] FfnDet
    /// AdaMixer (CVPR 2022): stages that share no weights, 1x1 neck without activation.
    | [<Word "adamixer">] AdaMixer

/// Image backbones with outputs at strides 4, 8, 16 and 32.
type BackboneKind =
    | [<Word "resnet18">] ResNet18
    | [<Word "resnet34">] ResNet34
    | [<Word "resnet50">] ResNet50
    | [<Word "resnet101">] ResNet101
    | [<Word "swin_t">] SwinT
    | [<Word "swin_s">] SwinS
    | [<Word "swin_b">] SwinB
    | [<Word "mobilenet_v2">] MobileNetV2

/// What the batch normalisations of a ResNet or a MobileNet do while training.
type BatchNormMode =
    /// Stored statistics, as in every published model: right when the weights come from ImageNet.
    | [<Word "frozen">] Frozen
    /// Statistics of the batch, tracked by the stored ones: needed when training from random weights. A batch with a single value per
    /// channel has no variance; it is normalised by the stored statistics and does not change them.
    | [<Word "batch">] Batch

/// Where zeros are put around a map before a convolution of stride 2, which needs an uneven number of them where a side is even.
type PaddingMode =
    /// As PyTorch does: as many on all sides. The last ones may not be read.
    | [<Word "symmetric">] Symmetric
    /// As TensorFlow does with "SAME": no more than needed, the odd one at the right and at the bottom.
    | [<Word "same">] Same

type BackboneSettings =
    {
        [<Setting "The network that turns an image into feature maps at strides 4, 8, 16 and 32.">]
        Kind: BackboneKind
        [<Setting "Channels of a ResNet's stem and first stage; each further stage has twice as many. 64 in every published model. A MobileNet has its usual channels times width / 64, rounded to multiples of 8.";
          AtLeast 8;
          AtMost 256>]
        Width: int
        [<Setting "File with backbone weights to start training from, or \"imagenet\" (resnet18): those in a NuGet package, fetched when they are needed first. null: random weights.">]
        Weights: string option
        [<Setting "Stages that do not train: -1 none, 0 the stem, 1 the stem and the first stage, ... Use -1 with random weights.";
          AtLeast -1;
          AtMost 4>]
        FrozenStages: int
        [<Setting "Batch normalisation of a ResNet or MobileNet in training: \"frozen\" uses the stored statistics (published models, with pretrained weights), \"batch\" those of the batch (random weights).">]
        Norm: BatchNormMode
        [<Setting "Zeros around the maps of a MobileNet before convolutions of stride 2: \"symmetric\" as PyTorch puts them, \"same\" as TensorFlow does, for weights that were trained there.">]
        Padding: PaddingMode
        [<Setting "Stochastic depth of a Swin: probability at its last block, growing linearly from 0.";
          AtLeast 0;
          Below 1>]
        DropPath: float
    }

type QuerySettings =
    {
        /// Q in shapes.
        [<Setting "Object queries: the most objects that can be told apart in an image."; AtLeast 1; AtMost 10_000>]
        Count: int
        [<Setting "Pairs of query and class kept as detections of an image; all of them where queries x classes are fewer.";
          AtLeast 1;
          AtMost 100_000;
          NoticedAtResume>]
        Detections: int
        [<Setting "Adds the initial contents to the queries' contents at the entry of every application (the input injection of deep equilibrium models), so that queries which one head draws to one object stay apart. false in every published model.">]
        Inject: bool
    }

/// Sizes of one head (AdaMixer stage).
type HeadSettings =
    {
        /// C in shapes.
        [<Setting "Width of the query contents and of the pyramid; a multiple of 32, of `heads` and of `groups`.";
          AtLeast 32;
          AtMost 4096>]
        Channels: int
        [<Setting "Attention heads."; AtLeast 1; AtMost 256>]
        Heads: int
        /// G in shapes.
        [<Setting "Groups of channels that sample and mix on their own."; AtLeast 1; AtMost 256>]
        Groups: int
        /// Pin in shapes.
        [<Setting "Points that each group samples. A square number starts as a regular grid, others at random.";
          AtLeast 1;
          AtMost 4096>]
        PointsIn: int
        /// Pout in shapes.
        [<Setting "Points after spatial mixing."; AtLeast 1; AtMost 4096>]
        PointsOut: int
        [<Setting "Hidden width of the feed-forward network."; AtLeast 1; AtMost 65_536>]
        FeedForward: int
        [<Setting "Stages that share no weights (ffndet, adamixer; deqdet always has two heads)."; AtLeast 1; AtMost 64>]
        Stages: int
        [<Setting "Loss weight of each stage (ffndet, adamixer). []: 1 everywhere.";
          Items "a list of numbers, at least 0";
          AtLeast 0>]
        StageWeights: float list
    }

/// Methods that find the fixed point (DeqDet.Solver).
type SchemeKind =
    /// Plain, or damped, iteration: what training follows, and the published models' prediction.
    | [<Word "picard">] PicardScheme
    | [<Word "anderson">] AndersonScheme
    | [<Word "broyden">] BroydenScheme

type SolverSettings =
    {
        [<Setting "Refinement steps towards the equilibrium (deqdet); prediction reads out after one step more.";
          AtLeast 1;
          AtMost 10_000>]
        Steps: int
        [<Setting "How prediction finds the equilibrium: plain iteration, or a method that remembers. Training follows the plain path.";
          NoticedAtResume>]
        Scheme: SchemeKind
        /// t in z + t (f(z) - z).
        [<Setting "How far a step goes of what the head proposes: 1 all the way; less calms queries that swing.";
          Above 0;
          Below 2;
          NoticedAtResume>]
        Damping: float
        [<Setting "Earlier states that anderson and broyden remember. null: 5 and 30.";
          AtLeast 1;
          AtMost 100;
          NoticedAtResume>]
        Memory: int option
        /// As QueryState.measure gives it.
        [<Setting "Residual at which a query has settled in prediction: the part of its size by which its box still moves, or of its length by which its content does, whichever is larger. null: every query takes all steps.";
          Above 0;
          NoticedAtResume>]
        Tolerance: float option
        [<Setting "Milliseconds that the refinement of one batch of images may take in prediction. null: no limit.";
          Above 0;
          NoticedAtResume>]
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
    | [<Word "rag">] RagGradient
    /// One further application (Jacobian-free backpropagation).
    | [<Word "jfb">] JfbGradient
    /// `Unroll` damped applications (phantom gradient).
    | [<Word "phantom">] PhantomGradient
    /// As though the state were the fixed point: the limit of RAG for many applications, by the implicit function theorem.
    | [<Word "implicit">] ImplicitGradient

/// Refinement-aware gradient: which states are supervised, and how far gradients reach.
type RagSettings =
    {
        [<Setting "Refinement steps after which the state is supervised.";
          Items("an ascending list of whole numbers, at least one, from 1 to solver.steps",
                AtLeastOne = true,
                Ascending = true);
          AtLeast 1;
          AtMost 10_000>]
        Supervised: int list
        [<Setting "Gradient at every supervised step: \"rag\" the paper's, `unroll` further applications; \"jfb\" one; \"phantom\" `unroll` damped ones; \"implicit\" the limit of rag for many, by an equation that is solved on the way back.">]
        Gradient: GradientKind
        [<Setting "Unrolled applications of the head that carry gradients at every supervised step (rag, phantom).";
          AtLeast 1;
          AtMost 100>]
        Unroll: int
        /// t in z + t (f(z) - z).
        [<Setting "How far each unrolled application goes (phantom)."; Above 0; Below 2>]
        PhantomDamping: float
        [<Setting "Further supervised applications of the refinement head right after the init head.";
          AtLeast 0;
          AtMost 100>]
        Extra: int
        [<Setting "Weight of each supervised step's loss relative to the next one's: below 1 early states count less than late ones.";
          Above 0;
          AtMost 1>]
        Discount: float
        [<Setting "Back-propagate every supervised step at once: the same gradients in less memory."; NoticedAtResume>]
        Immediate: bool
    }

/// Refinement-aware perturbation of the path.
type RapSettings =
    {
        [<Setting "Probability, at each step of the training path, that query contents are perturbed.";
          AtLeast 0;
          AtMost 1>]
        ContentProbability: float
        [<Setting "Weight of the noise relative to the content's norm."; AtLeast 0; AtMost 1>]
        ContentIntensity: float
        [<Setting "Probability, at each step of the training path, that boxes are perturbed."; AtLeast 0; AtMost 1>]
        PositionProbability: float
        [<Setting "Standard deviation of the noise on box coordinates, pixels."; AtLeast 0>]
        PositionIntensity: float
    }

/// Weights of classification (focal), L1 and GIoU terms: of the matching cost, or of the loss.
type TermWeights =
    {
        [<Setting "Weight of the focal classification term {0}."; AtLeast 0>]
        Focal: float
        [<Setting "Weight of the L1 distance of boxes, relative to the image size, {0}."; AtLeast 0>]
        L1: float
        [<Setting("Weight of the generalised IoU {0}.", Key = "giou"); AtLeast 0>]
        GIoU: float
    }

type LossSettings =
    {
        [<Setting("Weights of the terms of the loss.", Within = "in the loss")>]
        Weights: TermWeights
        [<Setting "Exponent of the focal loss: how much easy examples are discounted."; AtLeast 0>]
        FocalGamma: float
        [<Setting "Weight of objects in the focal loss; background has 1 - alpha."; AtLeast 0; AtMost 1>]
        FocalAlpha: float
        /// The reference divides by float32's epsilon (1.19e-7), which makes such a batch's loss enormous: training uses 1.
        [<Setting "What the loss is divided by, in place of the number of matched queries, where a whole batch has no box.";
          Above 0>]
        EmptyBatchDivisor: float
        [<Setting "Weight of a penalty on the Jacobian of a refinement step at each supervised step: Hutchinson's estimate of the mean square of its rows, which costs one application more. Rather 0.1 than 1, at which queries that see one object become one (docs/results.md). 0: none (deqdet).";
          AtLeast 0>]
        Jacobian: float
        [<Setting "Weight of a penalty on how far a refinement step still moves each supervised state. 0: none (deqdet).";
          AtLeast 0>]
        Residual: float
    }

/// Everything that decides what a detector computes. Sizes of images and data are no part of it.
/// Numbers in which predictions compute their large layers.
type NumberKind =
    | [<Word "fp32">] Float32
    /// 8 bits of mantissa in the inputs and weights of convolutions and of the decoder's large layers; sums, norms, boxes and states stay float32.
    | [<Word "bf16">] BFloat16

type DetectorSettings =
    {
        [<Setting "The family of the detector: the equilibrium model, its baseline of unshared stages, or AdaMixer.">]
        Kind: DetectorKind
        [<Setting "Number of object classes. null: as many as the data set has."; AtLeast 1; AtMost 100_000; NullIs 0>]
        Classes: int
        [<Setting "The feature extractor.">]
        Backbone: BackboneSettings
        [<Setting "Object queries and what is kept of them.">]
        Queries: QuerySettings
        [<Setting "Sizes of a decoder head; `channels` is also the width of the neck.">]
        Head: HeadSettings
        [<Setting "How the equilibrium is approached (deqdet).">]
        Solver: SolverSettings
        [<Setting "Numbers of predictions: fp32, or bf16, which is faster where the processor has instructions for it. What training takes is `train.precision`; its validations take fp32.";
          FreeAtResume>]
        Precision: NumberKind
        [<Setting "Refinement-aware gradient (deqdet): which steps are supervised, and how far gradients reach.">]
        Rag: RagSettings
        [<Setting "Refinement-aware perturbation (deqdet): noise on the training path.">]
        Rap: RapSettings
        [<Setting("Costs of the Hungarian matching.", Within = "in the cost of matching a query to an object")>]
        Matching: TermWeights
        [<Setting "The training loss.">]
        Loss: LossSettings
    }

    /// The same with other numbers to predict with.
    member settings.WithPrecision(precision: NumberKind) : DetectorSettings = { settings with Precision = precision }

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
                    Padding = Symmetric
                    Width = 64
                    DropPath = 0.0
                    Weights = None
                }
            Queries =
                {
                    Count = 100
                    Detections = 100
                    Inject = false
                }
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
            Precision = Float32
            Rag =
                {
                    Supervised = [ 1; 3; 6; 9; 12; 20 ]
                    Gradient = RagGradient
                    Unroll = 2
                    PhantomDamping = 0.5
                    Extra = 2
                    Discount = 1.0
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
                    Jacobian = 0.0
                    Residual = 0.0
                }
        }
