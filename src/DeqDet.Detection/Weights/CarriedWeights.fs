namespace DeqDet.Detection

open System
open System.IO
open System.Reflection
open DeqDet

/// Files that come with the program and lie beside it: wherever it, or a program that refers to its packages, is started from.
module CarriedWeights =

    /// The name of the trained detector of the drawn shapes.
    [<Literal>]
    let Shapes = "shapes"

    /// The name of the decoder from which trainings on photographs start.
    [<Literal>]
    let Signs = "signs"

    let private files = [ Shapes, "shapes.safetensors"; Signs, "signs_r18.safetensors" ]

    /// All of them.
    let internal names = List.map fst files

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

    /// The file that a name stands for; None for any other name. Raises InputError where the program came without it.
    let named (name: string) : string option =
        files
        |> List.tryFind (fun (known, _) -> known = name)
        |> Option.map (fun (_, file) ->
            let place = beside "weights" file

            if not (File.Exists place) then
                raise (
                    InputError
                        $"{name}: {place} is missing, which comes with the program; install it anew, or name another checkpoint (a training starts without one by --set weights.load=null)"
                )

            place)

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
