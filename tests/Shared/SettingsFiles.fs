/// What the tests of settings share: files in a folder that is removed again, and expected complaints.
module DeqDet.Tests.SettingsFiles

open System
open System.IO
open Expecto
open DeqDet
open DeqDet.Settings

/// The repository's root.
let root: string = Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", ".."))

/// The names of all files in configs/, as paths.
let configs: string list =
    Directory.GetFiles(Path.Combine(root, "configs"), "*.json")
    |> Array.sort
    |> List.ofArray

let config (name: string) : string =
    Path.Combine(root, "configs", name + ".json")

/// Runs `action` with a folder that holds the given files.
let withFiles (files: (string * string) list) (action: string -> unit) : unit =
    let folder = Directory.CreateTempSubdirectory "deqdet-settings-"

    try
        for name, content in files do
            let path = Path.Combine(folder.FullName, name)
            Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
            File.WriteAllText(path, content)

        action folder.FullName
    finally
        folder.Delete true

/// The message of the InputError that `action` must raise.
let complaint (action: unit -> 'T) : string =
    try
        action () |> ignore
        failtest "nothing was refused"
    with :? InputError as error ->
        error.Message

/// Checks that a message holds all parts.
let expectParts (message: string) (parts: string list) : unit =
    for part in parts do
        Expect.stringContains message part $"'{part}' in: {message}"
