namespace DeqDet.Detection

open DeqDet.Model

/// A NuGet package that holds the trained weights of a backbone.
type WeightPackage =
    {
        /// What `backbone.weights` calls them.
        Name: string
        Kind: BackboneKind
        Package: string
        Version: string
        /// Megabytes to fetch.
        Megabytes: int
        /// The file in the package, below its folder.
        File: string
        Bytes: int64
        /// Lower-case hexadecimal digits.
        Sha256: string
        /// The safetensors file that is made of it.
        ConvertedBytes: int64
        ConvertedSha256: string
        Licence: string
    }

    /// The package's folder in one of NuGet's package folders: names are in lower case there.
    member package.Folder: string list =
        [ package.Package.ToLowerInvariant(); package.Version.ToLowerInvariant() ]

    /// What the converted file is called.
    member package.Converted: string =
        $"{ModelNames.Of(package.Kind).ToLowerInvariant()}-{package.Name}.safetensors"

/// Which packages are known. Another version of one is another entry: its numbers would be others.
module WeightPackages =

    /// Each name and kind once.
    let all: WeightPackage list =
        [
            {
                Name = "imagenet"
                Kind = ResNet18
                Package = "Microsoft.ML.DnnImageFeaturizer.ResNet18"
                Version = "0.23.1"
                Megabytes = 60
                File = "tools/DnnImageModels/ResNet18Onnx/ResNet18.onnx"
                Bytes = 63653533L
                Sha256 = "e2552f19db2dfdb01b3669537b6a0f1b44da38d18279535492ed5dfc2ef1ff8f"
                ConvertedBytes = 44754352L
                ConvertedSha256 = "1c5a9f1c8c777ef8b959cc48cf0183b67254125eacb5d94a3d591cc80b00ce3d"
                Licence = "MIT"
            }
        ]

    /// Whether `backbone.weights` says such a name; else it names a file.
    let isName (weights: string) : bool =
        all |> List.exists (fun package -> package.Name = weights)
