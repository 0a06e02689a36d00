namespace DeqDet.Detection

open System.Collections.Generic
open DeqDet.Model
open DeqDet.Solver

/// What was traced, and how far.
[<Sealed>]
type TraceSubject(checkpoint: string, model: string, queries: int, trained: int, applications: int, device: string) =
    /// The checkpoint as it was named.
    member _.Checkpoint = checkpoint
    /// Model and backbone for people.
    member _.Model = model
    /// Queries of an image.
    member _.Queries = queries
    /// Applications of the refinement head for which the checkpoint's settings are made.
    member _.Trained = trained
    /// Applications that were followed.
    member _.Applications = applications
    /// Where it was computed.
    member _.Device = device

/// What was measured on one image.
[<Sealed>]
type TracedImage(name: string, paths: IReadOnlyList<ResidualPath>, scores: float[], spectrum: SpectralReport) =
    /// The image as it was named.
    member _.Name = name
    /// Residuals under each scheme; the first one is plain iteration.
    member _.Paths = paths
    /// Best class score of each query where plain iteration ended, 0 to 1.
    member _.Scores = scores
    /// Spectral radius of the refinement head's Jacobian where plain iteration ended.
    member _.Spectrum = spectrum

/// COCO's main numbers, 0 to 1.
[<Struct>]
type Accuracy =
    val Ap: float
    val Ap50: float
    val Ap75: float
    new(ap, ap50, ap75) = { Ap = ap; Ap50 = ap50; Ap75 = ap75 }

/// What the read-out after so many applications of the refinement head is worth.
[<Sealed>]
type DepthAccuracy(applications: int, accuracy: Accuracy) =
    member _.Applications = applications
    member _.Accuracy = accuracy

/// What the read-out is worth when each query stops at a tolerance.
[<Sealed>]
type ToleranceAccuracy(tolerance: float, most: int, updates: float, settled: float, accuracy: Accuracy) =
    /// The residual at which a query stops.
    member _.Tolerance = tolerance
    /// Applications at most.
    member _.Most = most
    /// Mean number of applications that a query took.
    member _.Updates = updates
    /// Share of the queries that came within the tolerance.
    member _.Settled = settled
    /// Its worth.
    member _.Accuracy = accuracy

/// Accuracy on a validation set.
[<Sealed; AllowNullLiteral>]
type TracedAccuracy
    (
        data: string,
        images: int,
        ofImages: int,
        depths: IReadOnlyList<DepthAccuracy>,
        tolerances: IReadOnlyList<ToleranceAccuracy>
    ) =
    /// Folder of the data set.
    member _.Data = data
    /// Images that were judged.
    member _.Images = images
    /// Images that the set has.
    member _.OfImages = ofImages
    /// By number of applications, ascending.
    member _.Depths = depths
    /// By greatest number of applications, then by tolerance, descending.
    member _.Tolerances = tolerances

/// Everything that was measured: what tables, figures and pages are made of.
[<Sealed>]
type TraceResults(subject: TraceSubject, images: IReadOnlyList<TracedImage>, accuracy: TracedAccuracy) =
    member _.Subject = subject
    /// At least one.
    member _.Images = images
    /// Null where no data set was given.
    member _.Accuracy = accuracy
