namespace DeqDet.Detection

open System
open System.IO
open System.Reflection
open DeqDet

/// Files that come with the program and lie beside it: wherever it, or a program that refers to its packages, is started from.
module CarriedWeights =

    /// The name by which the trained detector of the drawn shapes is asked for in the place of a checkpoint.
    [<Literal>]
    let Shapes = "shapes"

    // F# Interactive runs from the SDK's folder, with this library where it was built
    let private beside (folder: string) (file: string) =
        let places =
            [
                AppContext.BaseDirectory
                match Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location) with
                | null
                | "" -> ()
                | library -> library
            ]
            |> List.map (fun place -> Path.Combine(place, folder, file))

        places |> List.tryFind Path.Exists |> Option.defaultValue places.Head

    /// The place of weights. Raises InputError, with what to do `instead`, where the program came without them.
    let place (file: string) (instead: string) : string =
        let place = beside "weights" file

        if not (File.Exists place) then
            raise (InputError $"{place} is missing, which comes with the program; install it anew, or {instead}")

        place

    /// The checkpoint that a name in the place of a path means; None for any other name, and where there is a file or folder of that name.
    let named (path: string) : string option =
        if path = Shapes && not (Path.Exists path) then
            Some(place "shapes.safetensors" "name a checkpoint file or work folder")
        else
            None

    /// The pictures of drawn shapes that come with the program, in the order of their names. Raises InputError where there are none.
    let pictures () : string[] =
        let folder = beside "pictures" ""

        match
            (if Directory.Exists folder then
                 Directory.GetFiles folder
             else
                 [||])
        with
        | [||] ->
            raise (
                InputError
                    $"{folder}: the pictures that come with the program are missing; install it anew, or name a checkpoint and images"
            )
        | files -> Array.sortWith (fun a b -> String.CompareOrdinal(a, b)) files
