namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open TorchSharp
open DeqDet
open DeqDet.Communication
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings

/// What processes have to have in common before they train together.
module Agreement =

    /// Settings that say where a machine keeps something and how much of it it uses: they may differ.
    let private local =
        [
            "data.root"
            "data.train."
            "data.val."
            "data.workers"
            "data.cache_mb"
            "data.loader_mb"
            "backbone.weights"
            "weights.load"
        ]

    let rec private leaves (path: string) (node: JsonNode) : (string * string) list =
        match node with
        | :? JsonObject as section ->
            [
                for entry in section do
                    yield! leaves (if path = "" then entry.Key else $"{path}.{entry.Key}") entry.Value
            ]
        | null -> [ path, "null" ]
        | value -> [ path, value.ToJsonString() ]

    let private settings (settings: Settings) : (string * string) list =
        leaves "" (JsonNode.Parse(SettingsFile.toJson settings))
        |> List.filter (fun (path, _) ->
            not (
                local
                |> List.exists (fun prefix -> path.StartsWith(prefix, StringComparison.Ordinal))
            ))

    /// A digest of all numbers of a detector.
    let weights (detector: Detector) : string =
        use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256

        for _, tensor in detector.Tensors do
            use _ = torch.NewDisposeScope()
            hash.AppendData(tensor.detach().cpu().contiguous().bytes)

        Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 8))

    /// What has to be the same everywhere, by name.
    let facts (setup: TrainingSetup) (plan: TrainingPlan) (state: TrainingState) : (string * string) list =
        let digest (part: string) (fingerprint: DeqDet.Data.DataFingerprint) =
            [
                for entry in fingerprint.ToJson() -> $"{part}: {entry.Key}", entry.Value.ToJsonString()
            ]

        [
            "the program's version", setup.Version
            yield! settings setup.Settings
            yield! digest "training data" setup.Loader.Fingerprint
            yield! digest "validation data" setup.Validation.Fingerprint
            "the device", setup.Device.``type``.ToString()
            "the processor's instructions", Computation.Best.Instructions.ToString()
            "the last step", string plan.End
            "the step to go on from", string state.Progress.Step
            "the weights", weights state.Detector
        ]

    let private join (entries: (string * string) list) =
        Encoding.UTF8.GetBytes(
            entries
            |> List.map (fun (name, value) -> $"{name}\t{value}")
            |> String.concat "\n"
        )

    let private split (bytes: byte[]) : (string * string) list =
        [
            for line in Encoding.UTF8.GetString(bytes).Split('\n') do
                let parts = line.Split('\t', 2)
                parts[0], parts[1]
        ]

    /// How other processes' facts differ from the first one's, a line each; empty where they do not.
    let differences (all: (string * string) list[]) : string list =
        let first = dict all[0]

        [
            for rank in 1 .. all.Length - 1 do
                let other = dict all[rank]

                for name in Seq.append first.Keys other.Keys |> Seq.distinct do
                    let valueIn (facts: IDictionary<string, string>) =
                        match facts.TryGetValue name with
                        | true, value -> value
                        | _ -> "not there"

                    if valueIn first <> valueIn other then
                        $"{name} is {valueIn other} in process {rank}, but {valueIn first} in process 0"
        ]

    /// Raises InputError in the first process, and in the others what lets them end with it, where processes disagree.
    let check (processes: Processes) (facts: (string * string) list) : unit =
        if not processes.IsAlone then
            let all = processes.Communicator.Gather(join facts) |> Array.map split

            match differences all with
            | [] -> ()
            | differences ->
                let shown = List.truncate 8 differences
                let more = differences.Length - shown.Length

                let text =
                    "the processes do not agree, so they cannot train together:\n  "
                    + String.concat "\n  " shown
                    + (if more > 0 then $"\n  and {more} more" else "")
                    + "\nstart all of them with the same program, settings, data and checkpoint"

                if processes.IsFirst then
                    raise (InputError text)
                else
                    raise (ProcessLostException(2, text))
