namespace DeqDet.Detection

open System
open System.IO
open System.Text.Json
open System.Text.Json.Nodes

/// A time at which a training was started, or went on.
type RunStart =
    {
        Time: DateTimeOffset
        /// Steps taken by then; 0 for a new run.
        Step: int64
        Device: string
        /// The program's.
        Version: string
    }

/// starts.jsonl: one JSON object a line for each start of a training in its work folder.
module RunStarts =

    /// Appends a start. Raises IOException or UnauthorizedAccessException where the system refuses: nothing depends on this file.
    let append (path: string) (start: RunStart) : unit =
        let line = JsonObject()
        line["time"] <- start.Time.ToUniversalTime()
        line["step"] <- start.Step
        line["device"] <- start.Device
        line["version"] <- start.Version
        File.AppendAllText(path, line.ToJsonString() + "\n")

    let private parse (line: string) : RunStart option =
        try
            use json = JsonDocument.Parse line
            let root = json.RootElement

            Some
                {
                    Time = root.GetProperty("time").GetDateTimeOffset()
                    Step = root.GetProperty("step").GetInt64()
                    Device = root.GetProperty("device").GetString()
                    Version = root.GetProperty("version").GetString()
                }
        with
        | :? JsonException
        | :? InvalidOperationException
        | :? FormatException
        | :? System.Collections.Generic.KeyNotFoundException -> None

    /// The starts in a file, in its order; none where it is missing or cannot be read. What is no whole line of it is passed over.
    let read (path: string) : RunStart[] =
        try
            if File.Exists path then
                File.ReadAllLines path |> Array.choose parse
            else
                [||]
        with
        | :? IOException
        | :? UnauthorizedAccessException -> [||]
