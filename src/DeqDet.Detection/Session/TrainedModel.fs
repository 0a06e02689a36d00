namespace DeqDet.Detection

open System
open System.Text.Json.Nodes
open TorchSharp
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Coco.Analysis
open DeqDet.Model
open DeqDet.Settings

/// A detector with all that is needed to use it: its settings and the classes behind its labels.
type TrainedModel =
    {
        Detector: Detector
        Settings: Settings
        /// In the order of the model's outputs.
        Classes: ObjectClass[]
        /// The image folder that it was trained on, as its checkpoint has it.
        TrainedOn: string option
        /// From which score on detections of each class are taken, as its validation found; None: nothing is known.
        Thresholds: ClassThreshold[] option
    }

    /// The score from which on detections of a class are taken, by its label: `Thresholds.usual` where nothing is known.
    member model.Threshold(label: int) : float =
        match model.Thresholds with
        | Some thresholds -> thresholds[label].Score
        | None -> Thresholds.usual

    /// Whether a detection reaches its class's score.
    member model.Takes(finding: Finding) : bool =
        float finding.Score >= model.Threshold finding.Label

module TrainedModel =

    /// The weights of a file on a device by name. Raises InputError where a detector with these settings has others.
    let weights (settings: DetectorSettings) (path: string) (stored: StoredTensor seq) (device: torch.Device) =
        Weights.Load(path, Array.ofSeq stored, ExpectedWeights.ofDetector settings, device)

    let private build make (file: ITensorFile) (device: torch.Device) : TrainedModel =
        if not (KnownModels.isDetector file) then
            let names = [| for tensor in file.Tensors -> tensor.Name |]

            raise (
                CheckpointError(
                    file.Path,
                    $"holds no detector: it has no tensor 'roi_head.*', but {WeightNames.Summary names}"
                )
            )

        let detector = DetectorFile.read None None file
        let settings = detector.Settings.Detector
        let found = weights settings file.Path detector.Weights device

        {
            Detector = make settings (fun (spec: Spec) -> found[spec.Name])
            Settings = detector.Settings
            Classes = Array.ofSeq detector.Info.Classes
            TrainedOn =
                match detector.Info.Training["data"] with
                | :? JsonValue as value ->
                    match value.TryGetValue<string>() with
                    | true, folder -> Some folder
                    | _ -> None
                | _ -> None
            Thresholds = Thresholds.read file.Path settings.Classes detector.Info.Training
        }

    /// Loads a detector from an open file of any origin to a device; the file can be closed then. Its weights require no gradients.
    /// Raises InputError where the file is damaged or holds NaN or infinity, or its weights do not fit its settings.
    let ofFile (file: ITensorFile) (device: torch.Device) : TrainedModel = build Detector.buildFixed file device

    let private read make (path: string) (device: torch.Device) : TrainedModel =
        use file = TensorFile.Open(WorkFolder.checkpointOf path)
        build make file device

    /// Loads a detector from a checkpoint of this program, from the best or latest one of a work folder, or from an official one, to a
    /// device; the file is closed again. Its weights require no gradients. Raises InputError where there is none, it is damaged, or its
    /// weights do not fit its settings.
    let load (path: string) (device: torch.Device) : TrainedModel = read Detector.buildFixed path device

    /// The same for experiments with gradients: trainable parameters require them.
    let loadTrainable (path: string) (device: torch.Device) : TrainedModel = read Detector.build path device

    /// The same model, solved for in another way: `change` may alter solver, RAG and RAP, which ask for no other weights.
    let withDetectorSettings (change: DetectorSettings -> DetectorSettings) (model: TrainedModel) : TrainedModel =
        let detector = change model.Settings.Detector

        { model with
            Detector = Detector.withSettings detector model.Detector
            Settings = Settings.withDetector detector model.Settings
        }

    /// The same model with at most so many refinement steps, and a residual at which a query has settled; null: as it is. Raises InputError where the
    /// model has no equilibrium, ArgumentOutOfRangeException where a number is not positive.
    let solvedWithin (steps: Nullable<int>) (tolerance: Nullable<float>) (model: TrainedModel) : TrainedModel =
        if not (steps.HasValue || tolerance.HasValue) then
            model
        elif not (Family.hasEquilibrium model.Settings.Detector) then
            raise (
                InputError
                    "steps and tolerance are for DEQDet models; this one applies a fixed number of different stages"
            )
        else
            ArgumentOutOfRangeException.ThrowIfLessThan(steps.GetValueOrDefault 1, 1, nameof steps)

            if not (tolerance.GetValueOrDefault 1.0 > 0.0) then
                raise (ArgumentOutOfRangeException(nameof tolerance, tolerance, "a tolerance is positive"))

            model
            |> withDetectorSettings (fun settings ->
                { settings with
                    Solver =
                        { settings.Solver with
                            Steps = steps.GetValueOrDefault settings.Solver.Steps
                            Tolerance =
                                if tolerance.HasValue then
                                    Some tolerance.Value
                                else
                                    settings.Solver.Tolerance
                        }
                })

    /// Frees all its tensors.
    let dispose (model: TrainedModel) : unit = Detector.dispose model.Detector
