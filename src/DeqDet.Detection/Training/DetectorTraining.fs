namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.IO
open System.Reflection
open System.Runtime.InteropServices
open System.Text
open System.Threading
open TorchSharp
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Coco.Evaluation
open DeqDet.Data
open DeqDet.Settings

/// Training as one call of a program, which leaves what `deqdet train` leaves but for pictures and pages: weights, settings, metrics, and the
/// detections of the last validation. `deqdet train --resume` goes on from such a folder, and the other way round.
[<AbstractClass; Sealed>]
type DetectorTraining private () =

    static let version =
        typeof<DetectorTraining>
            .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
            .InformationalVersion

    static let ignored = Action<string>(ignore)

    /// Writes metrics and hands on what a program wants to hear.
    static let observer
        (folder: WorkFolder)
        (metrics: MetricsLog)
        (logEvery: int)
        (stepped: Action<StepReport>)
        (noticed: Action<string>)
        =
        { new ITrainingObserver with
            member _.Stepped report =
                if report.Step % int64 logEvery = 0L || report.Step = report.Steps then
                    metrics.Step report

                if not (isNull stepped) then
                    stepped.Invoke report

            member _.Skipped(report, faults, images) =
                metrics.Skipped(report, images)
                let faults = String.Join(", ", faults)
                noticed.Invoke $"step {report.Step} changed nothing: not finite: {faults}"

            member _.Noticed notice = noticed.Invoke notice
            member _.Saving() = metrics.Save()
            member _.Validating(_, _) = ()

            member _.Validated(epoch, step, result) =
                DetectionsWriter.Save(result.Detections, folder.Detections)
                metrics.Validation(epoch, step, result.Evaluation.Value, result.Time)
        }

    static let setup (settings: Settings) (fresh: bool) (device: torch.Device) (noticed: Action<string>) cancellation =
        TrainingPrecision.check device settings.Train.Precision
        let settings = TrainingPrecision.settled device settings
        DataSets.Ensure(settings.Data, null, cancellation) |> Seq.iter noticed.Invoke
        let data = DataSets.ForTraining settings.Data
        let settings = Settings.withClasses data.Categories.Count settings

        {
            Settings = settings
            Loader = DataLoader(data, settings.Data)
            Validation = Validation.Of(settings, data.Categories)
            Device = device
            Processes = Processes.Alone
            // a run that goes on, or starts from a whole detector, has them already
            BackboneFile =
                if fresh && not (DetectorStart.bringsBackbone settings) then
                    WeightsByName.file (PackageSource.ofMachine cancellation) noticed.Invoke settings.Detector.Backbone
                else
                    None
            Version = version
        }

    static let train (run: TrainingRun) (setup: TrainingSetup) (folder: WorkFolder) stepped noticed cancellation =
        AtomicFile.Write(
            folder.Settings,
            fun stream -> stream.Write(ReadOnlySpan(Encoding.UTF8.GetBytes(SettingsFile.toJson setup.Settings)))
        )

        use metrics =
            MetricsLog.Open(folder.Metrics, run.Progress.Step, run.Progress.Validated)

        let observer = observer folder metrics setup.Settings.Train.LogEvery stepped noticed

        run.Train(folder, observer, cancellation)

    static let most (steps: Nullable<int64>) =
        if steps.HasValue then Some steps.Value else None

    /// Trains a detector from the start, to its end or until it is interrupted, which loses nothing. `settings`: a settings file, or the name of a configuration that the library brings
    /// (`shapes`, `finetune_r18`; docs/settings.md). `workFolder`: where the run writes; it must hold no run yet. `data`: the data folder, by default that
    /// of the settings. `set`: assignments over the settings, such as `train.epochs=3`. `maxSteps`: steps after which to stop. `device`: by default
    /// the CPU. `stepped` and `noticed` are called on the training thread, after each step and with what people should know.
    /// Raises InputError where settings, data or folder cannot be used, and TrainingDivergedException where training came to no numbers.
    static member Run
        (
            settings: string,
            workFolder: string,
            [<Optional; DefaultParameterValue(null: string)>] data: string,
            [<Optional; DefaultParameterValue(null: IEnumerable<string>)>] set: IEnumerable<string>,
            [<Optional; DefaultParameterValue(Nullable<int64>())>] maxSteps: Nullable<int64>,
            [<Optional; DefaultParameterValue(null: torch.Device)>] device: torch.Device,
            [<Optional; DefaultParameterValue(null: Action<StepReport>)>] stepped: Action<StepReport>,
            [<Optional; DefaultParameterValue(null: Action<string>)>] noticed: Action<string>,
            [<Optional; DefaultParameterValue(CancellationToken())>] cancellation: CancellationToken
        ) : TrainingOutcome =
        let noticed = if isNull noticed then ignored else noticed
        RunFolder.checkNew (Some workFolder)
        let read = SettingsFile.load settings (if isNull set then Seq.empty else set)

        let read =
            if isNull data then
                read
            else
                Settings.withDataRoot data read

        DetectorStart.check read
        let device = if isNull device then torch.CPU else device
        let setup = setup read true device noticed cancellation
        use run = TrainingRun.Start(setup, most maxSteps)
        use taken = RunFolder.ofNew (Some workFolder) ""
        train run setup taken.Folder stepped noticed cancellation

    /// Goes on with the run in a work folder from its latest state, with its own settings. The parameters are those of `Run`.
    /// Raises InputError where there is nothing to go on with, or the data are not those that it was trained on.
    static member Resume
        (
            workFolder: string,
            [<Optional; DefaultParameterValue(null: IEnumerable<string>)>] set: IEnumerable<string>,
            [<Optional; DefaultParameterValue(Nullable<int64>())>] maxSteps: Nullable<int64>,
            [<Optional; DefaultParameterValue(null: torch.Device)>] device: torch.Device,
            [<Optional; DefaultParameterValue(null: Action<StepReport>)>] stepped: Action<StepReport>,
            [<Optional; DefaultParameterValue(null: Action<string>)>] noticed: Action<string>,
            [<Optional; DefaultParameterValue(CancellationToken())>] cancellation: CancellationToken
        ) : TrainingOutcome =
        let noticed = if isNull noticed then ignored else noticed
        let checkpoint = SavedStates.toResume (Some workFolder) ""
        // held before the checkpoint is read: nobody else may be writing it
        use taken = RunFolder.ofResumed None checkpoint

        let settings =
            use file = CheckpointFile.Open checkpoint

            let settings =
                SettingsFile.parse $"{checkpoint} (settings)" file.Info.Settings (if isNull set then Seq.empty else set)

            Resumption.ofSettings file settings |> ignore
            settings

        let device = if isNull device then torch.CPU else device
        let setup = setup settings false device noticed cancellation
        TrainingState.notices setup checkpoint |> Seq.iter noticed.Invoke
        use run = TrainingRun.Resume(setup, most maxSteps, checkpoint)
        RunFolder.bringAlong checkpoint taken.Folder
        train run setup taken.Folder stepped noticed cancellation
