namespace DeqDet.Model

open System
open TorchSharp
open DeqDet.Kernels
open DeqDet.Solver
open DeqDet.Model.Backbones

/// All weights of a detector.
type DetectorWeights =
    {
        Backbone: BackboneWeights
        Neck: NeckWeights
        Decoder: DecoderWeights
    }

/// A batch of network inputs: normalised images [B, 3, H, W] padded to a common size, and the valid (w, h) of each.
type ImageBatch =
    {
        Images: Tensor
        Sizes: struct (float * float) list
    }

/// A detector for training and prediction: its settings, its weights as a record, and the same weights by name.
type Detector =
    {
        Settings: DetectorSettings
        Weights: DetectorWeights
        /// Every tensor with its spec, in the order of the official state dict.
        Tensors: (Spec * Tensor) list
        /// How it computes.
        Computation: Computation
        /// What its layers keep beside their weights.
        Kept: IDisposable list
    }

module Detector =

    /// Strides of the pyramid, px.
    let strides = [ 4; 8; 16; 32 ]

    let private recipe (settings: DetectorSettings) (source: WeightSource) : DetectorWeights =
        let backbone = source |> WeightSource.at "backbone"

        {
            Backbone = Backbone.create settings.Backbone backbone
            Neck =
                source
                |> WeightSource.at "neck"
                |> Neck.create
                    (Family.ofSettings settings).Neck
                    (Backbone.channels settings.Backbone)
                    settings.Head.Channels
            Decoder = Decoder.create settings source
        }

    /// Every tensor of a detector, in the order of the official state dict, nothing allocated.
    let specs (settings: DetectorSettings) : Spec list = WeightSource.list (recipe settings)

    let private assemble
        (computation: Computation)
        (settings: DetectorSettings)
        (wrap: Spec -> Tensor -> Tensor)
        (find: Spec -> Tensor)
        : Detector =
        let tensors, kept = ResizeArray(), ResizeArray()

        let take (spec: Spec) =
            let tensor = wrap spec (find spec)
            tensor.DetachFromDisposeScope() |> ignore
            tensors.Add(spec, tensor)
            tensor

        let weights = WeightSource.buildFor computation kept.Add take (recipe settings)

        {
            Settings = settings
            Weights = weights
            Tensors = List.ofSeq tensors
            Computation = computation
            Kept = List.ofSeq kept
        }

    /// How predictions with these settings are computed.
    let private prediction (settings: DetectorSettings) : Computation =
        let precision =
            match settings.Precision with
            | Float32 -> Precision.Fp32
            | BFloat16 -> Precision.Bf16

        Computation(Computation.Best.Instructions, precision)

    /// A detector whose weights come from `find`; trainable parameters become leaves that require gradients. The tensors found are
    /// the detector's from then on: their handles are taken over.
    let build (settings: DetectorSettings) (find: Spec -> Tensor) : Detector =
        let wrap (spec: Spec) (found: Tensor) =
            // TorchSharp's optimisers want its Parameter class, which takes the handle over from the tensor it is made of
            if spec.Role = Parameter && spec.Trainable then
                new TorchSharp.Modules.Parameter(found, true) :> Tensor
            else
                found

        assemble Computation.Best settings wrap find

    /// The same for prediction alone: nothing requires gradients.
    let buildFixed (settings: DetectorSettings) (find: Spec -> Tensor) : Detector =
        assemble (prediction settings) settings (fun _ found -> found) find

    /// A detector with the official initialisation, drawn from a seed on the CPU and moved to the device.
    let initialise (settings: DetectorSettings) (seed: uint64) (device: torch.Device) : Detector =
        use generator = new torch.Generator(seed, torch.CPU)

        build settings (fun spec ->
            use scope = torch.NewDisposeScope()
            (Initialiser.draw generator spec).``to``(device).MoveToOuterDisposeScope())

    /// The same weights, computed with in another way. Dispose of the tensors through one of the two alone.
    let withComputation (computation: Computation) (detector: Detector) : Detector =
        let found = dict [ for spec, tensor in detector.Tensors -> spec.Name, tensor ]
        assemble computation detector.Settings (fun _ tensor -> tensor) (fun spec -> found[spec.Name])

    /// A detector like another one over other tensors, which are not its own: to be released, not disposed.
    let over (like: Detector) (find: Spec -> Tensor) : Detector =
        assemble like.Computation like.Settings (fun _ tensor -> tensor) find

    /// The same weights under other settings; these must ask for the same weights, as those of solver, precision, RAG and RAP always do.
    let withSettings (settings: DetectorSettings) (detector: Detector) : Detector =
        let changed = { detector with Settings = settings }

        // where the settings say the same of it, a computation that was chosen stays
        if settings.Precision = detector.Settings.Precision then
            changed
        else
            withComputation (prediction settings) changed

    /// The same weights in training: backward passes are computed by kernels, which add to the `grad` of the leaves. Not so with an implicit
    /// gradient, whose adjoint equation asks for products without them; of its large layers only the path's are computed in the precision.
    let forTraining (precision: Precision) (detector: Detector) : Detector =
        let computation = Computation.ForTraining precision

        if detector.Settings.Rag.Gradient = ImplicitGradient then
            withComputation (Computation(computation.Instructions, precision)) detector
        else
            withComputation computation detector

    /// The same detector, of whose parameters those do not train for whose names `isFrozen` holds: they get no gradients, nothing is kept for a backward
    /// pass below which all is frozen, and batch normalisations among them keep their statistics.
    let freeze (isFrozen: string -> bool) (detector: Detector) : Detector =
        let freeze (spec: Spec, tensor: Tensor) =
            if spec.Role = Parameter && isFrozen spec.Name then
                tensor.requires_grad <- false
                { spec with Trainable = false }, tensor
            else
                spec, tensor

        { detector with
            Tensors = List.map freeze detector.Tensors
        }

    /// Frees what the layers keep beside their weights; it is made again where it is needed.
    let release (detector: Detector) : unit =
        for kept in detector.Kept do
            kept.Dispose()

    /// Frees all tensors.
    let dispose (detector: Detector) : unit =
        release detector

        for _, tensor in detector.Tensors do
            tensor.Dispose()

    /// The leaves an optimiser works on.
    let trainable (detector: Detector) : (Spec * Tensor) list =
        detector.Tensors |> List.filter (fun (_, tensor) -> tensor.requires_grad)

    /// The name of the first parameter or buffer that holds NaN or infinity. The device is waited for once.
    let nonFinite (detector: Detector) : string option =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()

        match
            detector.Tensors
            |> List.filter (fun (_, tensor) -> tensor.is_floating_point () && tensor.numel () > 0L)
        with
        | [] -> None
        | tensors ->
            // NaN and infinity show in the extremes, which take one pass and no memory
            let finite (_, tensor: Tensor) =
                let struct (least, largest) = tensor.aminmax ()
                torch.isfinite(least).logical_and(torch.isfinite largest)

            let finite =
                torch.stack(tensors |> List.map finite |> Array.ofList).cpu().data<bool>().ToArray()

            tensors
            |> List.indexed
            |> List.tryPick (fun (i, (spec, _)) -> if finite[i] then None else Some spec.Name)

    /// Images [B, 3, H, W] -> the pyramid.
    let pyramid (training: TrainingPass option) (detector: Detector) (images: Tensor) : Pyramid =
        let levels =
            scoped Seq.ofList (fun () ->
                // in predictions each convolution decides for itself
                (if training.IsSome then
                     Activations.ofImages detector.Computation images
                 else
                     images)
                |> Backbone.apply training detector.Weights.Backbone
                |> Neck.apply detector.Weights.Neck
                |> fun levels -> (Sampling.arrange detector.Computation { Levels = levels; Strides = strides }).Levels)

        { Levels = levels; Strides = strides }

    let private sizeTensor (batch: ImageBatch) =
        let values =
            [|
                for struct (w, h) in batch.Sizes do
                    w
                    h
                    w
                    h
            |]

        (torch.tensor (values, dtype = torch.float32) |> onDevice batch.Images.device)
            .view(int64 batch.Sizes.Length, 1L, 4L)

    /// The queries that every image of the batch starts from.
    let start (detector: Detector) (batch: ImageBatch) : Query =
        scoped Query.tensors (fun () ->
            Decoder.initial
                (Family.ofSettings detector.Settings).Initial
                detector.Weights.Decoder.Initial
                (sizeTensor batch))

    /// Detections of a batch; no gradients. `warm`: the state of earlier images to begin at (see Decoding.solve).
    let detectFrom (warm: Query option) (effort: Effort) (detector: Detector) (batch: ImageBatch) : Detections =
        use _ = torch.no_grad ()

        scoped Detections.tensors (fun () ->
            let pyramid = pyramid None detector batch.Images
            effort.Observer ThroughBackbone

            start detector batch
            |> Decoding.solve detector.Settings effort detector.Weights.Decoder pyramid warm
            |> Detections.ofSettled detector.Settings.Queries)

    /// Detections of a batch from the usual start; no gradients.
    let detect (effort: Effort) (detector: Detector) (batch: ImageBatch) : Detections =
        detectFrom None effort detector batch

    /// Forward and backward pass of a share of a training batch: gradients are added to the `grad` of the trainable leaves; the entries of
    /// the log come back, to be added up over the shares. What is random is drawn from the generator, for the whole batch: a generator in
    /// the same state for each share.
    let trainShare
        (share: Share)
        (detector: Detector)
        (images: ImageBatch)
        (targets: Target list)
        (generator: torch.Generator)
        : LossEntry list =
        scoped (Seq.map (fun entry -> entry.Value)) (fun () ->
            let settings, decoder = detector.Settings, detector.Weights.Decoder
            let plan = Family.plan settings
            let pass = { Share = share; Generator = generator }
            let pyramid = pyramid (Some pass) detector images.Images
            let start = start detector images

            let draws =
                Perturbation.drawShare share settings.Rap plan.Steps start.Content generator

            let probes =
                if settings.Loss.Jacobian > 0.0 then
                    Stability.probes share plan.Rag.Length start.Content generator
                else
                    []

            Supervision.runShare Supervision.silent share settings plan decoder pyramid start draws probes targets)

    /// The same of a whole batch.
    let trainStep
        (detector: Detector)
        (batch: ImageBatch)
        (targets: Target list)
        (generator: torch.Generator)
        : LossEntry list =
        let boxes = [ for target in targets -> int (target.Labels.size 0) ]
        trainShare (Share.whole detector.Settings.Queries.Count boxes) detector batch targets generator
