namespace DeqDet.Detection

open System
open System.IO
open System.Security.Cryptography
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Model

/// Weights that are asked for by a name instead of a file.
module WeightsByName =

    let private sha256 (path: string) : string =
        use stream = File.OpenRead path
        Convert.ToHexStringLower(SHA256.HashData stream)

    let private isWhole (bytes: int64) (hash: string) (path: string) : bool =
        let file = FileInfo path
        file.Exists && file.Length = bytes && sha256 path = hash

    /// Writes the backbone in a file of another format as safetensors, with what the file says about its input.
    let convert (path: string) (output: string) : unit =
        use file = TensorFile.Open path
        let backbone = BackboneNames.convert file
        FiniteNumbers.Check(file.Path, backbone.Tensors)

        SafetensorsWriter.Write(
            output,
            [| for tensor in backbone.Tensors -> TensorToWrite.Of tensor |],
            readOnlyDict (backbone.Input |> Option.toList |> List.collect BackboneInput.toMetadata)
        )

    let private inFolder (package: WeightPackage) (folder: string) : string =
        Path.Combine(Array.ofList (folder :: package.Folder))

    /// What NuGet writes into a package's folder when everything else is there.
    let private completion = ".nupkg.metadata"

    /// The package's own file among the folders, whole. Raises InputError where it is damaged.
    let private original (package: WeightPackage) (folders: string list) : string option =
        let found =
            folders
            |> List.map (inFolder package)
            |> List.filter (fun folder -> File.Exists(Path.Combine(folder, completion)))
            |> List.map (fun folder -> Path.Combine(folder, package.File))
            |> List.tryFind File.Exists

        for path in Option.toList found do
            if not (isWhole package.Bytes package.Sha256 path) then
                let folder =
                    folders
                    |> List.map (inFolder package)
                    |> List.find (fun folder -> path.StartsWith(folder, StringComparison.Ordinal))

                raise (
                    InputError(
                        $"{path}: is damaged or of another version: it has {FileInfo(path).Length} bytes and SHA-256 {sha256 path}, and should have "
                        + $"{package.Bytes} bytes and {package.Sha256}; remove the folder {folder}, and it is fetched again"
                    )
                )

        found

    /// Converts a package's file: beside the package, or where that cannot be written, into the cache.
    let private keep (package: WeightPackage) (source: PackageSource) (file: string) : string =
        let write folder =
            let path = Path.Combine(folder, package.Converted)
            let temporary = Path.Combine(folder, $".{package.Converted}.{Guid.NewGuid():N}.tmp")
            Directory.CreateDirectory folder |> ignore

            try
                convert file temporary

                if not (isWhole package.ConvertedBytes package.ConvertedSha256 temporary) then
                    raise (InvalidOperationException $"{file}: was not converted to what it should be")

                // renamed when it is closed: other processes, which may read the file or write the same one, never meet one that is locked
                File.Move(temporary, path, overwrite = true)
            finally
                File.Delete temporary

            path

        let beside =
            let up = Array.replicate (package.File.Split('/').Length) ".."
            Path.GetFullPath(Path.Combine(Array.append [| file |] up))

        try
            write beside
        with
        | :? InputError
        | :? IOException
        | :? UnauthorizedAccessException ->
            try
                write source.Cache
            with
            | :? IOException
            | :? UnauthorizedAccessException as error ->
                raise (
                    InputError(
                        $"{source.Cache}: {package.Converted} can be written neither here nor in {beside}: {error.Message}",
                        error
                    )
                )

    /// A file with a package's weights: the one that was made before, or a new one, for which the package is fetched where it is not
    /// there yet. `say` hears what takes long. Raises InputError where the package cannot be had or is damaged.
    let provide (source: PackageSource) (say: string -> unit) (package: WeightPackage) : string =
        let kept =
            [ for folder in source.Folders -> inFolder package folder ] @ [ source.Cache ]
            |> List.map (fun folder -> Path.Combine(folder, package.Converted))
            |> List.tryFind (isWhole package.ConvertedBytes package.ConvertedSha256)

        match kept with
        | Some path -> path
        | None ->
            let file =
                original package source.Folders
                |> Option.orElseWith (fun () ->
                    say (
                        $"fetching the {package.Name} weights of {ModelNames.Of package.Kind}: NuGet package {package.Package} {package.Version} "
                        + $"({package.Megabytes} MB, {package.Licence} licence) from the feeds that `dotnet nuget list source` shows"
                    )

                    original package (source.Restore package))

            match file with
            | Some file -> keep package source file
            | None ->
                raise (
                    InputError
                        $"backbone.weights = {package.Name}: the package {package.Package} {package.Version} has no file {package.File}"
                )

    /// The file that `backbone.weights` means: a name stands for a package's weights, anything else is a file. Raises InputError where there are no
    /// weights of that name for this backbone, or they cannot be had.
    let file (source: PackageSource) (say: string -> unit) (backbone: BackboneSettings) : string option =
        match backbone.Weights with
        | Some name when WeightPackages.isName name ->
            let packages =
                WeightPackages.all |> List.filter (fun package -> package.Name = name)

            let known =
                packages
                |> List.map (fun package -> ModelNames.Of package.Kind)
                |> String.concat ", "

            match packages |> List.tryFind (fun package -> package.Kind = backbone.Kind) with
            | None ->
                raise (
                    InputError(
                        $"backbone.weights = {name}: there is a package for {known} alone, not for {ModelNames.Of backbone.Kind}; name a file of weights, "
                        + "such as torchvision publishes them for ResNets and MobileNetV2, timm for ResNets and the Swin Transformer's authors for Swin: --set backbone.weights=FILE"
                    )
                )
            | Some _ when backbone.Width <> DetectorSettings.published.Backbone.Width ->
                raise (
                    InputError(
                        $"backbone.weights = {name}: these weights are for backbone.width = {DetectorSettings.published.Backbone.Width}, "
                        + $"not {backbone.Width}; take that width, or name a file of weights"
                    )
                )
            | Some package -> Some(provide source say package)
        | weights -> weights

    /// The file with the weights that a name stands for, whatever their backbone; None where it is no name of weights. Raises InputError where
    /// they cannot be had.
    let ofName (source: PackageSource) (say: string -> unit) (name: string) : string option =
        WeightPackages.all
        |> List.tryFind (fun package -> package.Name = name)
        |> Option.map (provide source say)
