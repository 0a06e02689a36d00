namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Text.Json.Nodes
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Coco.Analysis
open DeqDet.Coco.Evaluation

/// From which scores on detections are taken, class by class: found in a validation, kept in the checkpoint.
module Thresholds =

    let private key = "thresholds"

    /// The score of detections that are taken where a checkpoint has none of its own.
    let usual = 0.3

    /// Those of the highest F1 of each class (`ClassThreshold.Of`); None where there is nothing to compare with, or nothing was right.
    let ofValidation
        (truth: GroundTruth option)
        (found: Detections)
        (classes: IReadOnlyList<ObjectClass>)
        : ClassThreshold[] option =
        truth
        |> Option.bind (fun truth -> ClassThreshold.Of(truth, found, classes) |> Option.ofObj)
        |> Option.map Array.ofSeq

    /// Writes them into a checkpoint's account of its training.
    let write (training: JsonObject) (thresholds: ClassThreshold[] option) : unit =
        match thresholds with
        | None -> ()
        | Some thresholds ->
            let list = JsonArray()

            for threshold in thresholds do
                let entry = JsonObject()
                entry["score"] <- threshold.Score

                entry["f1"] <-
                    (if threshold.F1.HasValue then
                         JsonValue.Create threshold.F1.Value
                     else
                         null)

                list.Add entry

            training[key] <- list

    let private share (node: JsonNode) : float option =
        match node with
        | :? JsonValue as value ->
            match value.TryGetValue<float>() with
            | true, number when number >= 0.0 && number <= 1.0 -> Some number
            | _ -> None
        | _ -> None

    let private entry (node: JsonNode) : ClassThreshold option =
        match node with
        | :? JsonObject as entry ->
            match share entry["score"], entry["f1"] with
            | Some score, null -> Some(ClassThreshold(score, Nullable()))
            | Some score, f1 -> share f1 |> Option.map (fun f1 -> ClassThreshold(score, Nullable f1))
            | None, _ -> None
        | _ -> None

    /// Those of a checkpoint for so many classes; None where it has none. Raises CheckpointError where they are damaged.
    let read (path: string) (classes: int) (training: JsonObject) : ClassThreshold[] option =
        let damaged () =
            raise (CheckpointError(path, $"its metadata are damaged: {key} are not one score from 0 to 1 a class"))

        match training[key] with
        | null -> None
        | :? JsonArray as list when list.Count = classes ->
            Some [| for node in list -> entry node |> Option.defaultWith damaged |]
        | _ -> damaged ()
