namespace DeqDet.Detection

open System
open System.IO
open DeqDet

/// Trained decoders that come with the program and are asked for by a name instead of a file.
module StartByName =

    let private carried = [ "signs", "signs_r18.safetensors" ]

    /// The file that `weights.load` and `--from` mean: a name stands for a decoder beside the program, anything else is a file or a work folder.
    /// Raises InputError where the program came without its decoders, or the path does not exist.
    let file (path: string) : string =
        match carried |> List.tryFind (fun (name, _) -> name = path) with
        | None -> WorkFolder.checkpointOf path
        | Some(name, file) ->
            let place = Path.Combine(AppContext.BaseDirectory, "weights", file)

            if not (File.Exists place) then
                raise (
                    InputError
                        $"weights.load = {name}: {place} is missing, which comes with the program; install it anew, or start without it, by --set weights.load=null"
                )

            place
