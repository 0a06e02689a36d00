namespace DeqDet.Settings

open DeqDet
open DeqDet.Model

/// Everything a run is decided by: what a settings file and its bases, `--set` and the other arguments come to.
type Settings =
    {
        /// Detector.Classes = 0 means: as many as the data set has.
        [<Setting("The detector.", Flat = true)>]
        Detector: DetectorSettings
        [<Setting "What training starts from.">]
        Weights: WeightsSettings
        [<Setting "Images and annotations, and how images are prepared.">]
        Data: DataSettings
        [<Setting "AdamW.">]
        Optimiser: OptimiserSettings
        [<Setting "The learning rate over time.">]
        Schedule: ScheduleSettings
        [<Setting "Length and rhythm of training.">]
        Train: TrainSettings
        [<Setting "Evaluation and its pictures.">]
        Evaluation: EvaluationSettings
    }

module Settings =

    /// The published deqdet_r50_1x_coco: what holds where a file says nothing.
    let defaults: Settings =
        {
            Detector = DetectorSettings.published
            Weights = { Load = None; Rename = [] }
            Data =
                {
                    Root = "data/coco"
                    Train =
                        {
                            Images = "train2017"
                            Annotations = "annotations/instances_train2017.json"
                        }
                    Val =
                        {
                            Images = "val2017"
                            Annotations = "annotations/instances_val2017.json"
                        }
                    AutoSplit = AutoSplitSettings.Default
                    Shapes = None
                    Resize = { ShortSide = 800; LongMax = 1333 }
                    Augment = AugmentSettings.Published
                    // Mean and deviation of ImageNet's pixels.
                    Normalise =
                        {
                            Mean = [ 123.675; 116.28; 103.53 ]
                            Std = [ 58.395; 57.12; 57.375 ]
                        }
                    Filter = { MinSide = 32; DropEmpty = true }
                    Workers = 0
                    CacheMb = 0
                    LoaderMb = 2048
                }
            Optimiser =
                {
                    Lr = 2.5e-5
                    WeightDecay = 0.01
                    Betas = [ 0.9; 0.999 ]
                    Eps = 1e-8
                    ClipNorm = 1.0
                    Rules =
                        [
                            {
                                Match = "bbox_head"
                                Lr = 4.0
                                Decay = 10.0
                            }
                        ]
                    Freeze = []
                }
            Schedule =
                {
                    Kind = ScheduleKind.Step
                    WarmupSteps = 500
                    WarmupFactor = 0.001
                    Milestones = [ 8.0; 11.0 ]
                    Factor = 0.1
                    FinalFactor = 0.01
                }
            Train =
                {
                    Epochs = 12
                    BatchSize = 16
                    Accumulate = 1
                    Ema = 0.0
                    BadSteps = 3
                    TryLargest = true
                    Seed = 0
                    LogEvery = 50
                    EvaluateEvery = 1
                    Patience = 0
                    SaveSteps = 0
                    SaveMinutes = 0.0
                    Keep = 1
                    Tensorboard = false
                    Precision = TrainingNumbers.Float32
                }
            Evaluation =
                {
                    BatchSize = 4
                    Pictures = 8
                    PictureScore = 0.3
                }
        }

    /// The same settings for data below another folder.
    let withDataRoot (root: string) (settings: Settings) : Settings =
        { settings with
            Data = { settings.Data with Root = root }
        }

    /// The same settings for a detector that computes something else.
    let withDetector (detector: DetectorSettings) (settings: Settings) : Settings =
        { settings with Detector = detector }

    /// Settings whose number of classes is known: that of the data set. InputError where the settings ask for another number.
    let withClasses (classes: int) (settings: Settings) : Settings =
        let asked = settings.Detector.Classes

        if asked <> 0 && asked <> classes then
            raise (
                InputError(
                    $"the settings ask for classes = {asked}, but the data set has {classes}; "
                    + "set classes to null to take the number from the data"
                )
            )

        { settings with
            Detector =
                { settings.Detector with
                    Classes = classes
                }
        }
