namespace DeqDet.Settings.Schema

open System
open DeqDet.Model
open DeqDet
open DeqDet.Settings
open DeqDet.Settings.Json
open Codec

/// The whole of a settings file.
module SettingsSchema =

    let private detector key inner (get: DetectorSettings -> 'S) (set: 'S -> DetectorSettings -> DetectorSettings) doc =
        Field.section
            key
            inner
            (fun (settings: Settings) -> get settings.Detector)
            (fun value settings ->
                { settings with
                    Detector = set value settings.Detector
                })
            doc

    /// null stands for "as many as the data set has", which the record holds as 0.
    let private classes: Codec<int> =
        let inner = optional (integer 1 100_000)

        {
            Kind = inner.Kind
            Read = fun reading node -> inner.Read reading node |> Result.map (Option.defaultValue 0)
            Write = fun indent value -> inner.Write indent (if value = 0 then None else Some value)
        }

    let root: Section<Settings> =
        {
            Fields =
                [
                    Field.value
                        "kind"
                        (oneOf DetectorSchema.kinds)
                        _.Detector.Kind
                        (fun v r -> { r with Settings.Detector.Kind = v })
                        "The family of the detector: the equilibrium model, its baseline of unshared stages, or AdaMixer."
                    Field.value
                        "classes"
                        classes
                        _.Detector.Classes
                        (fun v r -> { r with Settings.Detector.Classes = v })
                        "Number of object classes. null: as many as the data set has."
                    detector
                        "backbone"
                        DetectorSchema.backbone
                        _.Backbone
                        (fun v r -> { r with Backbone = v })
                        "The feature extractor."
                    detector
                        "queries"
                        DetectorSchema.queries
                        _.Queries
                        (fun v r -> { r with Queries = v })
                        "Object queries and what is kept of them."
                    detector
                        "head"
                        DetectorSchema.head
                        _.Head
                        (fun v r -> { r with Head = v })
                        "Sizes of a decoder head; `channels` is also the width of the neck."
                    detector
                        "solver"
                        DetectorSchema.solver
                        _.Solver
                        (fun v r -> { r with Solver = v })
                        "How the equilibrium is approached (deqdet)."
                    detector
                        "rag"
                        DetectorSchema.rag
                        _.Rag
                        (fun v r -> { r with Rag = v })
                        "Refinement-aware gradient (deqdet): which steps are supervised, and how far gradients reach."
                    detector
                        "rap"
                        DetectorSchema.rap
                        _.Rap
                        (fun v r -> { r with Rap = v })
                        "Refinement-aware perturbation (deqdet): noise on the training path."
                    detector
                        "matching"
                        DetectorSchema.matching
                        _.Matching
                        (fun v r -> { r with Matching = v })
                        "Costs of the Hungarian matching."
                    detector "loss" DetectorSchema.loss _.Loss (fun v r -> { r with Loss = v }) "The training loss."
                    Field.section
                        "data"
                        DataSchema.data
                        _.Data
                        (fun v (r: Settings) -> { r with Data = v })
                        "Images and annotations, and how images are prepared."
                    Field.section
                        "optimiser"
                        TrainingSchema.optimiser
                        _.Optimiser
                        (fun v r -> { r with Optimiser = v })
                        "AdamW."
                    Field.section
                        "schedule"
                        TrainingSchema.schedule
                        _.Schedule
                        (fun v r -> { r with Schedule = v })
                        "The learning rate over time."
                    Field.section
                        "train"
                        TrainingSchema.train
                        _.Train
                        (fun v (r: Settings) -> { r with Train = v })
                        "Length and rhythm of training."
                    Field.section
                        "evaluation"
                        TrainingSchema.evaluation
                        _.Evaluation
                        (fun v r -> { r with Evaluation = v })
                        "Evaluation and its pictures."
                ]
            Checks = [ fun settings -> DetectorSchema.checks settings.Detector ]
        }

    let reference: Lazy<Entry list> = lazy (Section.describe root "" Settings.defaults)

    let private render (source: string) (problems: Problem list) : string =
        let line (problem: Problem) =
            let place = problem.Place |> Option.map string |> Option.defaultValue source

            match problem.Key with
            | "" -> $"{place}: {problem.Text}"
            | key -> $"{place}: {key} {problem.Text}"

        match problems with
        | [ only ] -> line only
        | several ->
            let lines = several |> List.map line |> String.concat "\n  "
            $"{several.Length} problems in the settings:\n  {lines}"

    /// The settings that a tree means. InputError with every problem found; `source` stands where a place is missing.
    let decode (source: string) (node: Node) : Settings =
        let reading =
            {
                Path = ""
                Known = reference.Value |> List.map _.Path
            }

        match Section.read root Settings.defaults reading node with
        | Ok settings -> settings
        | Error problems -> raise (InputError(render source problems))

    /// All settings as JSON text that `decode` reads back to the same.
    let encode (settings: Settings) : string = Section.write root "" settings + "\n"
