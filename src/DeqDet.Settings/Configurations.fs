namespace DeqDet.Settings

open System
open System.IO
open System.Reflection

/// The files of configs/, which the program carries with it: they are there in whatever folder it runs.
module Configurations =

    let private folder = "configs/"
    let private assembly = Assembly.GetExecutingAssembly()

    /// Their names without ending, in ordinal order.
    let names: string list =
        assembly.GetManifestResourceNames()
        |> Array.filter (fun resource -> resource.StartsWith(folder, StringComparison.Ordinal))
        |> Array.map (fun resource -> Path.GetFileNameWithoutExtension resource)
        |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b))
        |> List.ofArray

    /// Those of published models: an architecture, a schedule such as 1x, and COCO.
    let official: string list =
        names
        |> List.filter (fun name -> name.EndsWith("x_coco", StringComparison.Ordinal))

    /// How messages and arguments name a configuration: configs/shapes.json.
    let path (name: string) : string = folder + name + ".json"

    /// Whether a file of this path would lie in configs/, or beside nothing at all.
    let private isHere (file: string) =
        match Path.GetDirectoryName file with
        | null
        | ""
        | "configs" -> true
        | _ -> false

    /// The configuration that `shapes`, `shapes.json` or `configs/shapes.json` names.
    let tryFind (file: string) : string option =
        names
        |> List.tryFind (fun name ->
            isHere file
            && (Path.GetFileName file = name || Path.GetFileName file = name + ".json"))

    /// Paths that a mistyped one may have meant.
    let candidates (file: string) : string list =
        if isHere file then names |> List.map path else []

    /// The text of a configuration, as it is in configs/.
    let bytes (name: string) : byte[] =
        use stream = assembly.GetManifestResourceStream(path name)
        use memory = new MemoryStream()
        stream.CopyTo memory
        memory.ToArray()
