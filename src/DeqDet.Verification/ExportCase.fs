/// An exported model against the checkpoint that it was made from.
module DeqDet.Verification.ExportCase

open System
open System.IO
open System.Threading
open TorchSharp
open DeqDet
open DeqDet.Checkpoints.Onnx
open DeqDet.Detection
open DeqDet.Export
open DeqDet.Images
open DeqDet.Model

/// By how much the mean AP of a data set may differ: rounded weights may find other boxes.
let private apOf (weights: WeightForm) =
    match weights with
    | WeightForm.Single -> 0.001
    | _ -> 0.01

/// The file's claims that are not the checkpoint's.
let private claims (file: string) (info: ExportInfo) (hash: string) (model: TrainedModel) : Check list =
    let expected =
        ExportInfo.ofModel
            info.Version
            (info.Checkpoint, hash)
            { Form.standard with
                Weights = info.Weights
                Runtime = info.Runtime
            }
            info.Iteration
            model

    let check name part =
        let differing = if part info = part expected then 0.0 else 1.0
        Check.known Count 0.0 file $"metadata.{name}" differing

    [
        check "checkpoint" (fun info -> box info.Hash)
        check "model" (fun info -> box info.Model)
        check "classes" (fun info -> box info.Classes)
        check "thresholds" (fun info -> box info.Thresholds)
        check "input" (fun info -> box info.Input)
    ]

/// A picture with objects of plain colours over a gradient, drawn from a seed: something to be seen at every level.
let picture (seed: int) (width: int) (height: int) : RgbImage =
    let random = Random seed
    let pixels = Array.zeroCreate<byte>(3 * width * height)

    for y in 0 .. height - 1 do
        for x in 0 .. width - 1 do
            let at = 3 * (y * width + x)
            pixels[at] <- byte (64 + 96 * x / width)
            pixels[at + 1] <- byte (64 + 96 * y / height)
            pixels[at + 2] <- 110uy

    for _ in 1..8 do
        let w, h = random.Next(8, width / 2), random.Next(8, height / 2)
        let left, top = random.Next(0, width - w), random.Next(0, height - h)

        let colour =
            [| byte (random.Next 256); byte (random.Next 256); byte (random.Next 256) |]

        let round = random.Next 2 = 0

        for y in top .. top + h - 1 do
            for x in left .. left + w - 1 do
                let dx, dy =
                    (2.0 * float (x - left) / float w - 1.0), (2.0 * float (y - top) / float h - 1.0)

                if not round || dx * dx + dy * dy <= 1.0 then
                    Array.blit colour 0 pixels (3 * (y * width + x)) 3

    RgbImage(pixels, width, height)

/// Pictures of several forms, in batches: alone, and two of different sizes side by side.
let private batches: (int * int * int) list list =
    [ [ 1, 320, 240 ]; [ 2, 200, 280 ]; [ 3, 300, 210; 4, 210, 300 ] ]

/// The settings under which the detector does what the file does: plain iteration, in float32.
let alike (iteration: Iteration option) (settings: DetectorSettings) : DetectorSettings =
    let plain =
        { settings.Solver with
            BudgetMs = None
            Scheme = PicardScheme
            Damping =
                if settings.Solver.Scheme = PicardScheme then
                    settings.Solver.Damping
                else
                    1.0
        }

    let solver =
        match iteration with
        | None -> plain
        | Some(Unrolled applications) ->
            { plain with
                Steps = applications - 1
                Tolerance = None
            }
        | Some(Looped(applications, tolerance)) ->
            { plain with
                Steps = applications - 1
                Tolerance = tolerance
            }

    { settings with
        Solver = solver
        Precision = NumberKind.Float32
    }

/// Detections of ours with so many more than are wanted: nearly equal scores may swap at the end of the list.
let private spare = 32

let private numbers (file: string) (detector: OnnxDetector) (model: TrainedModel) : Check list =
    let wanted = model.Settings.Detector.Queries.Detections

    let ours =
        Detector.withSettings
            { model.Settings.Detector with
                Queries =
                    { model.Settings.Detector.Queries with
                        Detections = wanted + spare
                    }
            }
            model.Detector

    let compare number (pictures: (int * int * int) list) =
        use batch =
            ImageBatching.ofImages
                model.Settings.Data
                [ for seed, width, height in pictures -> picture seed width height ]

        let images = BatchTensors.images torch.CPU batch
        let expected = Detector.detect Effort.Unhurried ours images
        let found = detector.Detect images

        [
            for image in 0 .. pictures.Length - 1 do
                let name part = $"pictures{number}.{image}.{part}"
                let of' (x: Tensor) = x.select (0L, int64 image)

                // the file's are the expected ones: each needs a counterpart among ours, of which there are more
                let compared =
                    Detected.compare
                        Tolerances.scores
                        (Detected.ofTensors (of' found.Scores) (of' found.Labels) (of' found.Boxes))
                        (Detected.ofTensors (of' expected.Scores) (of' expected.Labels) (of' expected.Boxes))

                let count = found.Scores.size 1

                Check.absolute
                    Tolerances.scores
                    file
                    (name "scores")
                    ((of' expected.Scores).narrow(0L, 0L, count))
                    (of' found.Scores)

                Check.known Count 0.0 file (name "labels") (float compared.Missing)
                Check.known Absolute Tolerances.boxes file (name "boxes") compared.Box

                if found.Reports.Length > 0 then
                    let tensor (reports: DeqDet.Solver.Report[]) =
                        torch.tensor [| for report in reports -> report.RelativeResidual |]

                    Check.absolute
                        Tolerances.residuals
                        file
                        (name "residuals")
                        (tensor expected.Reports[image])
                        (tensor found.Reports[image])
        ]

    List.indexed batches
    |> List.collect (fun (number, pictures) -> compare number pictures)

/// The mean AP of the file on a model's validation set, and that of the model itself, said in a line with the time that each took.
let private worth
    (file: string)
    (detector: OnnxDetector)
    (validation: Validation)
    (model: TrainedModel)
    say
    cancellation
    =
    use session = DetectorSession.Over(model, torch.CPU)
    let theirs = validation.RunWith(detector.Predict, cancellation)
    let ours = validation.Run(session, null, cancellation)

    match theirs.Evaluation, ours.Evaluation with
    | Some found, Some expected ->
        let images = float validation.Data.Images.Count

        let line (name: string) (ap: float) (time: TimeSpan) =
            let milliseconds = time.TotalMilliseconds / images
            say $"AP {ap:``0.0000``} {name}, {milliseconds:``0``} ms an image with reading it"

        line "in ONNX Runtime" found["AP"] theirs.Time
        line "of the checkpoint" expected["AP"] ours.Time
        Check.known Absolute (apOf detector.Info.Weights) file "AP" (abs (found["AP"] - expected["AP"]))
    | _ -> raise (InputError "the data set has no annotations, so there is nothing to compare with")

/// The name of the checkpoint that an exported file was made from. Raises InputError where the file is none of 'export'.
let checkpointName (path: string) : string =
    use file = OnnxFile.Open path
    (ExportInfo.ofMetadata path file.Metadata).Checkpoint

/// Checks of an ONNX file: what it says of itself, what it finds in made pictures, and with `validation` its AP; `say` takes lines about that. `checkpoint`: the
/// one that it came from. Raises InputError where one of the two cannot be read, or the file is none of 'export'.
let check
    (path: string)
    (checkpoint: string)
    (validation: (TrainedModel -> Validation) option)
    (say: string -> unit)
    (cancellation: CancellationToken)
    : Check list =
    use _ = torch.NewDisposeScope()
    // 0: as many threads as there are processor cores
    use detector = OnnxDetector.Open(path, 0)
    let file = Path.GetFileName path
    let stored = WorkFolder.checkpointOf checkpoint
    let hash = ExportFile.hash stored

    if hash <> detector.Info.Hash then
        raise (
            InputError
                $"{path}: was made from another checkpoint ({detector.Info.Checkpoint}) than {stored}, or that one has changed since"
        )

    let loaded = TrainedModel.load stored torch.CPU

    let model = TrainedModel.withDetectorSettings (alike detector.Info.Iteration) loaded

    try
        [
            yield! claims file detector.Info hash loaded

            // other numbers than float32 are compared by what they are worth
            if detector.Info.Weights = WeightForm.Single then
                yield! numbers file detector model

            match validation with
            | Some validation -> worth file detector (validation model) model say cancellation
            | None -> ()
        ]
    finally
        TrainedModel.dispose model
