namespace DeqDet.Detection

open System
open System.Collections.Generic
open DeqDet
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Model
open DeqDet.Solver

/// One detection of one image.
type Finding =
    {
        /// What it is.
        Class: ObjectClass
        /// Its place among the model's classes, from 0.
        Label: int
        /// 0 to 1.
        Score: float32
        /// In px of the picture that was given.
        Box: Box
        /// The query it comes from, from 0.
        Query: int
        /// What was measured of that query's refinement; None for models without equilibrium.
        Report: Report option
    }

    /// The class's name.
    member finding.Name: string = finding.Class.Name

    /// How far the last application still moved the query (QueryState.measure), not finite where that could not be measured; null for
    /// models without equilibrium.
    member finding.Residual: Nullable<float> =
        match finding.Report with
        | Some report -> Nullable report.RelativeResidual
        | None -> Nullable()

    /// Applications of the refinement head to the query; null for models without equilibrium.
    member finding.Steps: Nullable<int> =
        match finding.Report with
        | Some report -> Nullable report.Evaluations
        | None -> Nullable()

/// What a detector says of one image.
type Prediction =
    {
        /// Best first; boxes that are not finite are left out.
        Findings: IReadOnlyList<Finding>
        /// What was measured of each query; empty for models without equilibrium.
        Refinement: Report[]
    }

module Prediction =

    let private finite (box: Box) =
        Single.IsFinite box.X1
        && Single.IsFinite box.Y1
        && Single.IsFinite box.X2
        && Single.IsFinite box.Y2

    /// Detections of a batch as plain numbers, an image each, in px of the original pictures: the one place where boxes leave the
    /// network's scale.
    let ofBatch (classes: ObjectClass[]) (batch: Batch) (found: Detections) : Prediction[] =
        let scores = found.Scores.cpu().data<float32>().ToArray()
        let labels = found.Labels.cpu().data<int64>().ToArray()
        let queries = found.Queries.cpu().data<int64>().ToArray()
        let boxes = found.Boxes.cpu().contiguous().data<float32>().ToArray()
        let perImage = scores.Length / batch.Images.Count

        [|
            for i in 0 .. batch.Images.Count - 1 ->
                let x, y = batch.Images[i].ScaleX, batch.Images[i].ScaleY
                let reports = if found.Reports.Length = 0 then [||] else found.Reports[i]

                let findings =
                    [|
                        for k in i * perImage .. (i + 1) * perImage - 1 do
                            let box =
                                Box(boxes[4 * k] / x, boxes[4 * k + 1] / y, boxes[4 * k + 2] / x, boxes[4 * k + 3] / y)

                            // sizes are powers of two of what the head says, so an untrained one can make them overflow
                            if finite box && Single.IsFinite scores[k] then
                                let label, query = int labels[k], int queries[k]

                                {
                                    Class = classes[label]
                                    Label = label
                                    Score = scores[k]
                                    Box = box
                                    Query = query
                                    Report = if reports.Length = 0 then None else Some reports[query]
                                }
                    |]

                {
                    Findings = findings
                    Refinement = reports
                }
        |]
