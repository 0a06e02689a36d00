namespace DeqDet.Detection

/// Trained decoders that come with the program and are asked for by a name instead of a file.
module StartByName =

    let private carried = [ "signs", "signs_r18.safetensors" ]

    /// The file that `weights.load` and `--from` mean: a name stands for a decoder beside the program, anything else is a file or a work folder.
    /// Raises InputError where the program came without its decoders, or the path does not exist.
    let file (path: string) : string =
        match carried |> List.tryFind (fun (name, _) -> name = path) with
        | None -> WorkFolder.checkpointOf path
        | Some(_, file) -> CarriedWeights.place file "start without it, by --set weights.load=null"
