namespace DeqDet.Detection

open System
open DeqDet
open DeqDet.Data.Export
open DeqDet.Settings

/// Where a class of the data has its first weights from.
type ClassStart =
    {
        /// Its name in the data.
        Name: string
        /// The class of a checkpoint whose weights it takes over: its place among the outputs, from 0, and its name; None: it starts fresh.
        Old: (int * string) option
    }

    /// kept, renamed or fresh.
    member start.Fate: string =
        match start.Old with
        | Some(_, old) when old = start.Name -> "kept"
        | Some _ -> "renamed"
        | None -> "fresh"

/// Which class of a checkpoint is which of the data: names decide, never ids.
module ClassRows =

    let private unknown (what: string) (names: string list) (name: string) =
        let hint =
            match Nearest.find names name with
            | Some nearest -> $"did you mean '{nearest}'?"
            | None -> "it names none"

        raise (InputError $"weights.rename: {what} has no class '{name}'; {hint}")

    let private checkRenames (renames: ClassRename list) (old: string list) (now: string list) =
        for rename in renames do
            if not (List.contains rename.Old old) then
                unknown "the checkpoint" old rename.Old

            if not (List.contains rename.New now) then
                unknown "the data" now rename.New

        for name, several in List.groupBy _.New renames do
            if several.Length > 1 then
                let sources =
                    several |> List.map (fun rename -> $"'{rename.Old}'") |> String.concat " and "

                raise (InputError $"weights.rename: '{name}' cannot start from {sources}; name one of them")

    /// The classes of the data (`now`) with those of a checkpoint (`old`) that they continue: the one that `renames` names, else the one of the same
    /// name, else the first whose name differs only in case, spaces, hyphens and underscores. Several may continue one.
    /// Raises InputError where `renames` names a class that is not there, or two for one.
    let find (renames: ClassRename list) (old: string list) (now: string list) : ClassStart list =
        checkRenames renames old now

        let first (holds: string -> bool) =
            old |> List.indexed |> List.tryFind (snd >> holds)

        [
            for name in now ->
                let asked = renames |> List.tryFind (fun rename -> rename.New = name)

                {
                    Name = name
                    Old =
                        match asked with
                        | Some rename -> first ((=) rename.Old)
                        | None ->
                            first ((=) name)
                            |> Option.orElseWith (fun () ->
                                first (fun old -> ClassNames.Bare old = ClassNames.Bare name))
                }
        ]
