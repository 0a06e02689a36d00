namespace DeqDet.Benchmarks

open DeqDet.Model

/// How much memory a benchmark takes, bytes, so that one too large for the machine is refused before the system ends the process. To within a
/// factor of two: the plain computation decides, which keeps what it computes until an application ends.
module Memory =

    let private single = 4.0

    /// What is read and written once is kept, and what is done element by element leaves as much again.
    let private kept (cost: Cost) = 2.0 * cost.Bytes

    let private application (settings: DetectorSettings) images =
        let queries = settings.Queries.Count
        kept (Cost.application single settings.Head images queries queries)

    /// One application, with the pyramid that it reads.
    let ofStep (settings: DetectorSettings) (images: int) (size: ImageSize) : float =
        let pyramid =
            Detector.strides
            |> List.sumBy (fun stride -> float (size.Height / stride) * float (size.Width / stride))

        application settings images
        + single * float (images * settings.Head.Channels) * pyramid

    /// A prediction: its backbone's largest stage, or one application.
    let ofImage (settings: DetectorSettings) (images: int) (size: ImageSize) : float =
        let stages = Cost.backbone single settings.Backbone images size |> List.map kept
        max (List.max stages) (ofStep settings images size)

    /// A training step: the graph of backbone, neck and chain, and the optimiser's copies of the weights.
    let ofTraining (settings: DetectorSettings) (images: int) (size: ImageSize) : float =
        let cost = Cost.ofDetector single settings images size

        let weights =
            Detector.specs settings
            |> List.sumBy (fun spec -> Array.fold (fun product side -> product * float side) single spec.Shape)

        let chain = (Family.plan settings).Chain.Length

        kept (List.sum cost.Backbone + cost.Neck)
        + float chain * application settings images
        + 6.0 * weights
