namespace DeqDet.Detection

open System
open System.Text.Json.Nodes
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Data
open DeqDet.Settings

/// Whether a run may go on from a checkpoint with the settings and the data that there are now.
module Resumption =

    let private key = "fingerprints"

    let private refuse (file: CheckpointFile) (text: string) =
        raise (CheckpointError(file.Path, text))

    /// Writes into a checkpoint's account of its training which data it was trained and validated on.
    let sign (train: DataFingerprint) (validation: DataFingerprint) (training: JsonObject) : unit =
        let both = JsonObject()
        both["train"] <- train.ToJson()
        both["val"] <- validation.ToJson()
        training[key] <- both

    let private signed (training: JsonObject) (part: string) : DataFingerprint option =
        match training[key] with
        | :? JsonObject as both -> DataFingerprint.FromJson both[part] |> Option.ofObj
        | _ -> None

    /// Lines that say what changes with settings. Raises InputError, naming all of them, where settings differ that a resumed run keeps.
    let ofSettings (file: CheckpointFile) (now: Settings) : string list =
        let before =
            SettingsFile.parse $"{file.Path} (settings)" file.Info.Settings Array.empty

        ResumedSettings.changes file.Path before now

    let private named (classes: ObjectClass seq) =
        classes |> Seq.map (fun c -> $"{c.Id} {c.Name}") |> String.concat ", "

    /// Raises CheckpointError where labels would silently mean something else.
    let ofClasses (file: CheckpointFile) (now: ObjectClass[]) : unit =
        let before = Array.ofSeq file.Info.Classes

        if before <> now then
            refuse
                file
                $"was trained on the classes {named before}, but the data has {named now}; resume with the data it was started with"

    /// Lines that say what is not as it was, or not known. Raises CheckpointError where the training images are others, so that steps and
    /// order of images would no longer be those of the run.
    let ofData (file: CheckpointFile) (train: DataFingerprint) (validation: DataFingerprint) : string list =
        match signed file.Info.Training "train", signed file.Info.Training "val" with
        | Some before, beforeValidation ->
            match before.Difference train with
            | null -> ()
            | difference ->
                refuse
                    file
                    $"was trained on other images: the training data now has {difference}; resume with the data it was started with, or start a new run without --resume"

            match beforeValidation |> Option.map _.Difference(validation) with
            | None
            | Some null -> []
            | Some difference ->
                [
                    $"the validation data now has {difference}: its AP does not compare with those before, by which the best weights were chosen"
                ]
        | None, _ ->
            [
                $"{file.Path} does not say which images it was trained on (it is of an earlier version): they are not compared with those there are now"
            ]
