namespace DeqDet.Model

open DeqDet.Model.Backbones

/// Height and width of network inputs, px.
type ImageSize =
    {
        Height: int
        Width: int
    }

    override size.ToString() = $"{size.Height}x{size.Width}"

/// Arithmetic and traffic of a part of a detector, counted from shapes.
type Cost =
    {
        /// Floating-point operations of matrix products, convolutions and sampling, a multiplication with its addition being two.
        /// What is done element by element (norms, activations, residuals) is less than a hundredth of it, and left out.
        Flops: float
        /// Bytes that products, convolutions and sampling read and write, each once: inputs, weights and results, as though what is done
        /// element by element were fused into them.
        Bytes: float
    }

    static member Zero = { Flops = 0.0; Bytes = 0.0 }

    static member (+)(a: Cost, b: Cost) =
        {
            Flops = a.Flops + b.Flops
            Bytes = a.Bytes + b.Bytes
        }

    static member (*)(times: int, cost: Cost) =
        {
            Flops = float times * cost.Flops
            Bytes = float times * cost.Bytes
        }

/// The costs of a detector by part, for one batch.
type DetectorCost =
    {
        /// The stem and each stage after it.
        Backbone: Cost list
        Neck: Cost
        /// One application of a head to all queries; all heads have equal shapes.
        Application: Cost
        /// Class logits of all queries.
        Classes: Cost
        /// Applications in a prediction that does not end early.
        Applications: int
    }

    /// A whole prediction.
    member cost.Prediction: Cost =
        List.sum cost.Backbone
        + cost.Neck
        + cost.Applications * cost.Application
        + cost.Classes

/// What the parts of a detector cost: a pure function of settings and sizes.
module Cost =

    /// Bytes of a float32, in which results are kept.
    let private single = 4.0

    /// A product [m, k] x [k, n], whose operands have `width` bytes a number, repeated `count` times.
    let product (width: float) (count: int) (m: int) (k: int) (n: int) : Cost =
        let m, k, n, count = float m, float k, float n, float count

        {
            Flops = 2.0 * count * m * k * n
            Bytes = count * (width * (m * k + k * n) + single * m * n)
        }

    /// A linear layer on so many rows.
    let private linear width rows inputs outputs = product width 1 rows inputs outputs

    /// A square convolution from maps of one size to maps of another.
    let private convolution width images kernel inputs outputs (before: ImageSize) (after: ImageSize) : Cost =
        let field = kernel * kernel
        let pixels = float (images * after.Height * after.Width)
        let read = float (images * before.Height * before.Width * inputs)

        {
            Flops = 2.0 * pixels * float (field * inputs) * float outputs
            Bytes =
                width * (read + float (field * inputs) * float outputs)
                + single * pixels * float outputs
        }

    /// The size of a map after a convolution or pooling with padding for its kernel.
    let private strided kernel stride (size: ImageSize) : ImageSize =
        let side n =
            (n + 2 * (kernel / 2) - kernel) / stride + 1

        {
            Height = side size.Height
            Width = side size.Width
        }

    let private resNet width images (form: ResNetForm) (settings: BackboneSettings) (size: ImageSize) : Cost list =
        let channels = ResNet.channels form settings.Width
        let convolution = convolution width images
        let half = strided 7 2 size
        let pooled = strided 3 2 half

        let block stage inputs stride before : Cost * ImageSize =
            let narrow, outputs = settings.Width <<< stage, channels[stage]
            let after = strided 3 stride before

            let main =
                if form.Bottleneck then
                    convolution 1 inputs narrow before before
                    + convolution 3 narrow narrow before after
                    + convolution 1 narrow outputs after after
                else
                    convolution 3 inputs narrow before after
                    + convolution 3 narrow narrow after after

            let shortcut =
                if stride <> 1 || inputs <> outputs then
                    convolution 1 inputs outputs before after
                else
                    Cost.Zero

            main + shortcut, after

        let stage (inputs, before) (index, blocks) =
            let first, after = block index inputs (if index = 0 then 1 else 2) before
            let other = fst (block index channels[index] 1 after)
            first + (blocks - 1) * other, (channels[index], after)

        convolution 7 3 settings.Width size half
        :: (List.mapFold stage (settings.Width, pooled) (List.indexed form.Blocks) |> fst)

    let private mobileNet width images (form: InvertedForm) (settings: BackboneSettings) (size: ImageSize) : Cost list =
        let convolution = convolution width images

        /// A 3x3 convolution of each channel by itself.
        let depthwise channels (before: ImageSize) (after: ImageSize) : Cost =
            let values (size: ImageSize) =
                float (images * size.Height * size.Width) * float channels

            {
                Flops = 2.0 * 9.0 * values after
                Bytes = width * (values before + 9.0 * float channels) + single * values after
            }

        let block before (struct (expansion, inputs, outputs, stride)) =
            let hidden, after = expansion * inputs, strided 3 stride before

            let expand =
                if expansion > 1 then
                    convolution 1 inputs hidden before before
                else
                    Cost.Zero

            expand
            + depthwise hidden before after
            + convolution 1 hidden outputs after after,
            after

        let stage before blocks =
            let costs, after = List.mapFold block before blocks
            List.sum costs, after

        let half = strided 3 2 size

        convolution 3 3 (MobileNet.stem form settings.Width) size half
        :: (List.mapFold stage half (MobileNet.blocks form settings.Width) |> fst)

    let private swin width images (form: SwinForm) (size: ImageSize) : Cost list =
        let linear = linear width
        let window = WindowAttention.window
        let cells = window * window
        let up unit n = (n + unit - 1) / unit

        let merged (size: ImageSize) =
            {
                Height = up 2 size.Height
                Width = up 2 size.Width
            }

        let block heads channels (size: ImageSize) =
            let windows = images * up window size.Height * up window size.Width
            let tokens = images * size.Height * size.Width
            let each = channels / heads

            linear (windows * cells) channels (3 * channels)
            + product width (windows * heads) cells each cells
            + product width (windows * heads) cells cells each
            + linear (windows * cells) channels channels
            + linear tokens channels (4 * channels)
            + linear tokens (4 * channels) channels

        let patches =
            {
                Height = up 4 size.Height
                Width = up 4 size.Width
            }

        let stage size (index, (blocks, heads)) =
            let channels = form.Width <<< index
            let next = merged size

            let merge =
                if index < form.Blocks.Length - 1 then
                    linear (images * next.Height * next.Width) (4 * channels) (2 * channels)
                else
                    Cost.Zero

            blocks * block heads channels size + merge, next

        linear (images * patches.Height * patches.Width) (3 * 4 * 4) form.Width
        :: (List.mapFold stage patches (List.indexed (List.zip form.Blocks form.Heads))
            |> fst)

    /// The stem and each stage of a backbone. `width`: bytes a number that products read, 4 in float32, 2 in bfloat16.
    let backbone (width: float) (settings: BackboneSettings) (images: int) (size: ImageSize) : Cost list =
        match BackboneForm.ofKind settings.Kind with
        | Residual form -> resNet width images form settings size
        | Windowed form -> swin width images form size
        | Inverted form -> mobileNet width images form settings size

    /// The neck: a convolution on each level.
    let neck (width: float) (settings: DetectorSettings) (images: int) (size: ImageSize) : Cost =
        let kernel = (Family.ofSettings settings).Neck.Kernel

        List.zip (Backbone.channels settings.Backbone) Detector.strides
        |> List.sumBy (fun (inputs, stride) ->
            let level =
                {
                    Height = (size.Height + stride - 1) / stride
                    Width = (size.Width + stride - 1) / stride
                }

            convolution width images kernel inputs settings.Head.Channels level level)

    /// One application of a head to some queries of each image, which attend to all of them; without the class logits.
    let application (width: float) (head: HeadSettings) (images: int) (all: int) (some: int) : Cost =
        let c, g = head.Channels, head.Groups
        let each = c / g
        let rows = images * some
        let linear = linear width

        let attention =
            linear rows c c
            + linear (images * all) c (2 * c)
            + product single (images * head.Heads) some (c / head.Heads) all
            + product single (images * head.Heads) some all (c / head.Heads)
            + linear rows c c

        let sampling =
            let points = float (rows * g * head.PointsIn)
            // four neighbours in each level
            let neighbours = float (4 * Detector.strides.Length * each)

            {
                Flops = 2.0 * points * neighbours
                Bytes = single * points * (neighbours + float each)
            }

        let mixing =
            linear rows c (g * (each * each + head.PointsIn * head.PointsOut))
            + product single (rows * g) head.PointsIn each each
            + product single (rows * g) head.PointsOut head.PointsIn each
            + linear rows (g * each * head.PointsOut) c

        attention
        + linear rows c (3 * g * head.PointsIn)
        + sampling
        + mixing
        + linear rows c head.FeedForward
        + linear rows head.FeedForward c
        + linear rows c c
        + linear rows c 4

    /// The class logits of so many queries.
    let classes (width: float) (settings: DetectorSettings) (rows: int) : Cost =
        linear width rows settings.Head.Channels settings.Head.Channels
        + linear width rows settings.Head.Channels settings.Classes

    /// All parts, for a batch of images of one size.
    let ofDetector (width: float) (settings: DetectorSettings) (images: int) (size: ImageSize) : DetectorCost =
        let queries = settings.Queries.Count

        {
            Backbone = backbone width settings.Backbone images size
            Neck = neck width settings images size
            Application = application width settings.Head images queries queries
            Classes = classes width settings (images * queries)
            Applications = ((Family.ofSettings settings).Schedule settings).Length
        }

    /// With its gradients a layer takes three products in place of one: its result, and the gradients of its input and of its weights.
    let private withGradients (cost: Cost) : Cost = 3 * cost

    /// So many applications of a head with gradients, and the class logits of the last: forward and backward.
    let supervisedStep (width: float) (settings: DetectorSettings) (images: int) (applications: int) : Cost =
        let queries = settings.Queries.Count

        withGradients (
            applications * application width settings.Head images queries queries
            + classes width settings (images * queries)
        )

    /// One training step of a batch: chain, path and supervised steps, neck and backbone, whose frozen part has no way back.
    /// States of the path that a supervised application has computed already are not counted, although a perturbation now and then makes
    /// them be computed anew.
    let trainingStep (width: float) (settings: DetectorSettings) (images: int) (size: ImageSize) : Cost =
        let plan = Family.plan settings
        let cost = ofDetector width settings images size

        let reused =
            (if plan.Chain.Length > 1 then [ 1 ] else [])
            @ [ for supervised, _ in plan.Rag -> supervised + 1 ]
            |> List.filter (fun step -> step <= plan.Steps)
            |> List.distinct

        let backbone =
            cost.Backbone
            |> List.indexed
            |> List.sumBy (fun (stage, cost) ->
                if stage <= settings.Backbone.FrozenStages then
                    cost
                else
                    withGradients cost)

        let unroll =
            match settings.Rag.Gradient with
            | JfbGradient
            | ImplicitGradient -> 1
            | RagGradient
            | PhantomGradient -> settings.Rag.Unroll

        backbone
        + withGradients cost.Neck
        + plan.Chain.Length * supervisedStep width settings images 1
        + plan.Rag.Length * supervisedStep width settings images unroll
        + (plan.Steps - reused.Length) * cost.Application
