namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Text.Json.Nodes
open TorchSharp
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Coco.Analysis
open DeqDet.Data
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings

/// What a training trains on and with.
type TrainingSetup =
    {
        Settings: Settings
        Loader: DataLoader
        Validation: Validation
        Device: torch.Device
        Processes: Processes
        /// The file that `backbone.weights` means (see `WeightsByName`), for a run from the start.
        BackboneFile: string option
        /// The program's version, for the checkpoint.
        Version: string
    }

    /// Optimiser steps of an epoch.
    member setup.StepsPerEpoch: int64 =
        int64 (setup.Loader.BatchesPerEpoch setup.Settings.Train.BatchSize)

    /// Optimiser steps of the whole training.
    member setup.StepsInAll: int64 =
        setup.StepsPerEpoch * int64 setup.Settings.Train.Epochs

    /// The classes, in the order of the model's outputs.
    member setup.Classes: ObjectClass[] = Array.ofSeq setup.Loader.Data.Categories

/// Loss, gradient, a weight or a stored statistic was not a number: going on, or saving it, would destroy what was trained.
type TrainingDivergedException(message: string) =
    inherit Exception(message)

/// A detector in training, its optimiser, and how far they have come. Everything random in step n is drawn from (seed, n), so no
/// generator's state belongs to it.
type TrainingState =
    {
        Detector: Detector
        Optimiser: Optimiser
        /// Averages of the weights, where they are asked for.
        Averages: WeightAverages option
        /// Factor on the loss.
        LossScale: LossScale
        /// What the last validation found of the scores from which on detections are taken.
        Thresholds: ClassThreshold[] option
        Progress: Progress
    }

    /// What is validated, and what others get: the averages where there are some.
    member state.Result: Detector =
        match state.Averages with
        | Some averages -> averages.Averaged
        | None -> state.Detector

/// A training state on disk and back.
module TrainingState =

    /// Where averages take the place of the weights, these are stored under their names behind this.
    let private weightPrefix = "training.weight."

    let private averagesOf (setup: TrainingSetup) (detector: Detector) =
        if setup.Settings.Train.Ema > 0.0 then
            Some(new WeightAverages(detector, setup.Settings.Train.Ema))
        else
            None

    let private precisionOf (setup: TrainingSetup) : Precision =
        TrainingPrecision.ofNumbers setup.Device setup.Settings.Train.Precision

    let private forTraining (setup: TrainingSetup) : Detector -> Detector =
        Detector.forTraining (precisionOf setup)
        >> Detector.freeze (OptimiserRules.isFrozen setup.Settings.Optimiser)

    /// A run from the start: weights drawn from the seed, those of a whole detector, of a decoder or of a backbone from files where there are some.
    /// Raises InputError where that file is missing or damaged, or does not fit.
    let create (setup: TrainingSetup) : TrainingState =
        let settings = setup.Settings.Detector

        let detector =
            Detector.initialise settings (uint64 setup.Settings.Train.Seed) setup.Device
            |> forTraining setup

        if not (DetectorStart.bringsBackbone setup.Settings) then
            setup.BackboneFile
            |> Option.iter (fun file ->
                BackboneWeights.copyInto detector file setup.Settings.Data.Normalise setup.Device)

        DetectorStart.plan setup.Settings setup.Classes
        |> Option.iter (fun start -> DetectorStart.copyInto detector start setup.Device)

        {
            Detector = detector
            Optimiser = new Optimiser(detector, setup.Settings.Optimiser)
            Averages = averagesOf setup detector
            LossScale = LossScale.start (precisionOf setup)
            Thresholds = None
            Progress = Progress.start
        }

    /// Predicts with what the run would save, in float32 whatever it trains in; the session is there for the call only.
    let withSession (setup: TrainingSetup) (state: TrainingState) (act: DetectorSession -> 'result) : 'result =
        let detector = TrainingPrecision.forValidation state.Result

        try
            let model: TrainedModel =
                {
                    Detector = detector
                    Settings = setup.Settings
                    Classes = setup.Classes
                    TrainedOn = Some setup.Loader.Data.ImageFolder
                    Thresholds = None
                }

            use session = DetectorSession.Over(model, setup.Device)
            act session
        finally
            TrainingPrecision.release state.Result detector

    /// Frees all tensors.
    let dispose (state: TrainingState) : unit =
        (state.Optimiser :> IDisposable).Dispose()

        for averages in Option.toList state.Averages do
            (averages :> IDisposable).Dispose()

        Detector.dispose state.Detector

    /// Writes the weights, and with `resumable` all that is needed to go on. Raises InputError where the system refuses, and
    /// TrainingDivergedException where a weight or stored statistic is not finite; the file that is there already stays as it is.
    let save (setup: TrainingSetup) (resumable: bool) (path: string) (state: TrainingState) : unit =
        use _ = torch.NewDisposeScope()
        let progress = state.Progress

        match Detector.nonFinite state.Detector with
        | Some name ->
            raise (TrainingDivergedException $"training diverged by step {progress.Step}: not finite: {name}")
        | None -> ()

        let training = JsonObject()
        training["data"] <- setup.Loader.Data.ImageFolder
        training["images"] <- setup.Loader.Data.Images.Count
        training["epochs"] <- float progress.Step / float setup.StepsPerEpoch
        training["steps_per_epoch"] <- setup.StepsPerEpoch
        training["validated"] <- progress.Validated
        training["bad_steps"] <- progress.BadSteps

        if precisionOf setup = Precision.Fp16 then
            training["loss_scale"] <- state.LossScale.Scale
            training["loss_scale_steps"] <- state.LossScale.GoodSteps

        Resumption.sign setup.Loader.Fingerprint setup.Validation.Fingerprint training

        let ap (value: float) : JsonNode =
            if Double.IsFinite value then
                JsonValue.Create value
            else
                null

        Thresholds.write training state.Thresholds
        training["best_ap"] <- ap progress.BestAp
        training["peak_ap"] <- ap progress.PeakAp
        training["since_peak"] <- progress.SincePeak

        let tensors =
            [
                for spec, tensor in state.Result.Tensors do
                    struct (spec.Name, tensor)

                if resumable then
                    if state.Averages.IsSome then
                        for spec, tensor in Detector.trainable state.Detector do
                            struct (weightPrefix + spec.Name, tensor)

                    for name, tensor in state.Optimiser.State() do
                        struct (name, tensor)
            ]

        CheckpointFile.Write(
            path,
            tensors,
            CheckpointInfo(
                SettingsFile.toJson setup.Settings,
                setup.Classes,
                CheckpointProgress(int (progress.Step / setup.StepsPerEpoch), progress.Step),
                uint64 setup.Settings.Train.Seed,
                setup.Version,
                training
            )
        )

    let private number (training: JsonObject) (key: string) : float option =
        match training[key] with
        | :? JsonValue as value ->
            match value.TryGetValue<float>() with
            | true, number -> Some number
            | _ -> None
        | _ -> None

    let private refuse (path: string) (text: string) = raise (CheckpointError(path, text))

    /// What would silently give labels another meaning, or make the schedule jump, is refused; what else is not as it was is said.
    let private check (setup: TrainingSetup) (file: CheckpointFile) : string list =
        if file.State.Count = 0 then
            refuse
                file.Path
                "holds weights but not the optimiser's state, so training cannot go on from it; resume from latest.safetensors"

        Resumption.ofClasses file setup.Classes
        let settings = Resumption.ofSettings file setup.Settings

        let data =
            Resumption.ofData file setup.Loader.Fingerprint setup.Validation.Fingerprint

        let training = file.Info.Training

        let stepsBefore =
            match number training "steps_per_epoch", number training "images" with
            | Some steps, _ -> Some(int64 steps)
            // files of version 0.1.0 say how many images there were
            | None, Some images ->
                let saved = SettingsFile.parse $"{file.Path} (settings)" file.Info.Settings []
                let batch = float saved.Train.BatchSize
                Some(int64 (ceil (images / batch)))
            | None, None -> None

        match stepsBefore with
        | Some steps when steps <> setup.StepsPerEpoch ->
            refuse
                file.Path
                $"an epoch had {steps} steps when it was saved, and would have {setup.StepsPerEpoch} now, so that the schedule would jump; resume with the data and the batch size it was started with"
        | _ -> ()

        if file.Info.Progress.Step > setup.StepsInAll then
            refuse
                file.Path
                $"was saved at step {file.Info.Progress.Step}, but with this data and these settings training has {setup.StepsInAll}; resume with as many epochs, the data and the batch size it was started with"

        settings @ data

    /// What a run that goes on from a checkpoint should say: which settings and data are not as they were. Raises InputError where `read` would.
    let notices (setup: TrainingSetup) (path: string) : string list =
        use file = CheckpointFile.Open path
        check setup file

    let private progressOf (plan: TrainingPlan) (info: CheckpointInfo) : Progress =
        let step = info.Progress.Step

        let validated =
            match number info.Training "validated" with
            | Some validated -> int64 validated
            // files of version 0.1.0 were saved after their validation
            | None -> Progress.lastValidation { plan with End = Int64.MaxValue } step

        let bestAp = number info.Training "best_ap" |> Option.defaultValue nan

        let saved =
            {
                Step = step
                Validated = validated
                BestAp = bestAp
                BestStep = validated
                BestSaved = validated
                // files of earlier versions do not say
                PeakAp = number info.Training "peak_ap" |> Option.defaultValue bestAp
                SincePeak = int (number info.Training "since_peak" |> Option.defaultValue 0.0)
                BadSteps =
                    let steps = int (number info.Training "bad_steps" |> Option.defaultValue 0.0)
                    // a run that was given up and is resumed has another chance
                    if steps >= plan.BadSteps then 0 else steps
                Saved = Some(step, validated)
            }

        // a run that is resumed at its end shows once more what it came to
        if validated >= step && (step >= plan.End || Progress.isOutOfPatience plan saved) then
            { saved with
                Validated = step - 1L
                SincePeak = max 0 (saved.SincePeak - 1)
            }
        else
            saved

    let private lossScaleOf (setup: TrainingSetup) (info: CheckpointInfo) : LossScale =
        let first = LossScale.start (precisionOf setup)

        match number info.Training "loss_scale", number info.Training "loss_scale_steps" with
        | Some scale, Some steps when precisionOf setup = Precision.Fp16 -> { Scale = scale; GoodSteps = int steps }
        // trained in other numbers so far
        | _ -> first

    /// The state that a checkpoint holds, read into memory; the file is closed again. Raises InputError where the checkpoint is damaged,
    /// holds no state to go on from, or was made with other data or with settings that a resumed run has to keep.
    let read (setup: TrainingSetup) (plan: TrainingPlan) (path: string) : TrainingState =
        use file = CheckpointFile.Open path
        check setup file |> ignore
        let settings = setup.Settings.Detector
        let weights = TrainedModel.weights settings file.Path file.Weights setup.Device

        let detector =
            Detector.build settings (fun spec -> weights[spec.Name]) |> forTraining setup

        let optimiser = new Optimiser(detector, setup.Settings.Optimiser)
        // these go on from what stands in the place of the weights: averages, where there were some
        let averages = averagesOf setup detector

        let behind =
            if
                file.State
                |> Seq.exists _.Name.StartsWith(weightPrefix, StringComparison.Ordinal)
            then
                Detector.trainable detector
            else
                []

        let expected =
            [|
                for spec, weight in behind do
                    ExpectedTensor(weightPrefix + spec.Name, weight.shape, ElementType.Float32)

                yield! optimiser.ExpectedState()
            |]

        let stored = Weights.Load(file.Path, file.State, expected, torch.CPU)
        optimiser.Restore stored

        using (torch.no_grad ()) (fun _ ->
            for spec, weight in behind do
                weight.copy_ stored[weightPrefix + spec.Name] |> ignore)

        for tensor in stored.Values do
            tensor.Dispose()

        {
            Detector = detector
            Optimiser = optimiser
            Averages = averages
            LossScale = lossScaleOf setup file.Info
            Thresholds = Thresholds.read file.Path settings.Classes file.Info.Training
            Progress = progressOf plan file.Info
        }
