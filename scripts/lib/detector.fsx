// What the experiments with a detector begin with: a trained one and validation images, or a random one and noise.
#I "../../src/DeqDet.Host/bin/Debug/net10.0"
#r "TorchSharp.dll"
#r "DeqDet.Solver.dll"
#r "DeqDet.Model.dll"
#r "DeqDet.Base.dll"
#r "DeqDet.Settings.dll"
#r "DeqDet.Data.dll"
#r "DeqDet.Detection.dll"

open System.Threading
open TorchSharp
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Data
open DeqDet.Detection

/// A detector, a batch for it, and what is to be found in each image.
type Experiment =
    {
        Detector: Detector
        Batch: ImageBatch
        Targets: Target list
    }

let private random () =
    let settings = DetectorSettings.published

    let small =
        { settings with
            Classes = 5
            Backbone =
                { settings.Backbone with
                    Kind = ResNet18
                    Width = 16
                    FrozenStages = -1
                }
            Queries =
                {
                    Count = 12
                    Detections = 12
                    Inject = false
                }
            Head =
                { settings.Head with
                    Channels = 32
                    Heads = 4
                    PointsIn = 9
                    PointsOut = 12
                    FeedForward = 64
                }
        }

    use generator = new torch.Generator(1UL, torch.CPU)

    {
        Detector = Detector.initialise small 0UL torch.CPU
        Batch =
            {
                Images = torch.randn ([| 2L; 3L; 96L; 128L |], generator = generator)
                Sizes = [ struct (128.0, 96.0); struct (120.0, 90.0) ]
            }
        Targets =
            [
                for struct (w, h) in [ struct (128.0, 96.0); struct (120.0, 90.0) ] ->
                    {
                        Boxes = torch.tensor([| 10.0f; 12.0f; 60.0f; 50.0f; 40.0f; 30.0f; 90.0f; 80.0f |]).view(2L, 4L)
                        Labels = torch.tensor [| 1L; 3L |]
                        Size = struct (w, h)
                    }
            ]
    }

/// From the arguments of a script: [CHECKPOINT [DATA [IMAGES]]]; without any, a random detector and noise.
let experiment (arguments: string list) : Experiment =
    match arguments with
    | [] ->
        printfn "no checkpoint is named: a random detector on noise"
        random ()
    | checkpoint :: rest ->
        let model = TrainedModel.loadTrainable checkpoint torch.CPU

        let settings =
            match rest with
            | [] -> model.Settings
            | data :: _ -> Settings.withDataRoot data model.Settings

        let images =
            match rest with
            | _ :: count :: _ -> int count
            | _ -> 8

        let struct (data, _) = DataSets.ForValidation(settings.Data, model.Classes)

        use batches =
            DataLoader(data, settings.Data).Evaluation(images, CancellationToken.None)

        let mutable batch = null
        batches.TryNext &batch |> ignore

        {
            Detector = model.Detector
            Batch = BatchTensors.images torch.CPU batch
            Targets = BatchTensors.targets torch.CPU batch
        }
