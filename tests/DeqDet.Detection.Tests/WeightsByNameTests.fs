module DeqDet.Tests.WeightsByNameTests

open System
open System.IO
open System.Security.Cryptography
open Expecto
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Detection
open DeqDet.Model
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.OnnxBytes

let private hash (content: byte[]) =
    Convert.ToHexStringLower(SHA256.HashData content)

/// What a package could hold.
let private content = lazy (fst (resNet cntk 3))

/// A package of that file, and what is made of it.
let private package =
    lazy
        (let original = content.Value
         let mutable converted = [||]

         inFolder (fun folder ->
             let path = Path.Combine(folder, "a.onnx")
             File.WriteAllBytes(path, original)
             WeightsByName.convert path (path + ".safetensors")
             converted <- File.ReadAllBytes(path + ".safetensors"))

         {
             Name = "imagenet"
             Kind = ResNet18
             Package = "Some.Weights"
             Version = "1.0.0-Beta"
             Megabytes = 2
             File = "tools/net/a.onnx"
             Bytes = original.LongLength
             Sha256 = hash original
             ConvertedBytes = converted.LongLength
             ConvertedSha256 = hash converted
             Licence = "MIT"
         })

/// A machine with a package folder, a cache, and feeds that hold what is given.
type private Machine =
    {
        Source: PackageSource
        Packages: string
        Fetched: int ref
        Said: Collections.Generic.List<string>
    }

let private place (packages: string) (content: byte[]) =
    let path =
        Path.Combine(packages, "some.weights", "1.0.0-beta", "tools", "net", "a.onnx")

    Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
    File.WriteAllBytes(path, content)
    // NuGet's last file
    File.WriteAllText(Path.Combine(packages, "some.weights", "1.0.0-beta", ".nupkg.metadata"), "{}")

let private machine (folder: string) (feed: byte[] option) : Machine =
    let packages = Path.Combine(folder, "packages")
    let fetched = ref 0

    {
        Packages = packages
        Fetched = fetched
        Said = Collections.Generic.List()
        Source =
            {
                Folders = [ packages ]
                Cache = Path.Combine(folder, "cache")
                Restore =
                    fun _ ->
                        fetched.Value <- fetched.Value + 1
                        feed |> Option.iter (place packages)
                        [ packages ]
            }
    }

let private provide (machine: Machine) : string =
    WeightsByName.provide machine.Source machine.Said.Add package.Value

let private refusedBy (action: unit -> unit) : string =
    try
        action ()
        failtest "accepted"
    with :? InputError as error ->
        error.Message

let private backbone kind width weights : BackboneSettings =
    { DetectorSettings.published.Backbone with
        Kind = kind
        Width = width
        Weights = weights
    }

[<Tests>]
let tests =
    testList
        "weights by name"
        [
            testCase "what the table says of packages is complete" (fun () ->
                for package in WeightPackages.all do
                    Expect.hasLength package.Sha256 64 "a SHA-256"
                    Expect.hasLength package.ConvertedSha256 64 "a SHA-256"
                    Expect.isTrue (WeightPackages.isName package.Name) "its name"

                Expect.isFalse (WeightPackages.isName "./imagenet") "a file"

                let keys = [ for package in WeightPackages.all -> package.Name, package.Kind ]
                Expect.equal (List.distinct keys) keys "each name and kind once")

            testCase "a package is fetched once, converted once, and kept beside it" (fun () ->
                inFolder (fun folder ->
                    let machine = machine folder (Some content.Value)
                    let path = provide machine
                    Expect.stringStarts path machine.Packages "beside the package"
                    Expect.equal machine.Fetched.Value 1 "fetched"
                    Expect.hasLength machine.Said 1 "said"

                    for part in [ "Some.Weights 1.0.0-Beta"; "MIT"; "2 MB"; "dotnet nuget list source" ] do
                        Expect.stringContains machine.Said[0] part "what is fetched"

                    use file = SafetensorsFile.Open path
                    Expect.isNotNull (file.Find "backbone.conv1.weight") "weights"
                    let written = File.GetLastWriteTimeUtc path
                    Expect.equal (provide machine) path "the same file again"
                    Expect.equal (machine.Fetched.Value, machine.Said.Count) (1, 1) "nothing fetched"
                    Expect.equal (File.GetLastWriteTimeUtc path) written "nothing written"
                    // and without the package
                    File.Delete(
                        Path.Combine(machine.Packages, "some.weights", "1.0.0-beta", "tools", "net", "a.onnx")
                    )

                    Expect.equal (provide machine) path "what was made of it suffices"))

            testCase "a package that is there is not fetched, a damaged conversion made anew" (fun () ->
                inFolder (fun folder ->
                    let machine = machine folder None
                    place machine.Packages content.Value
                    let path = provide machine
                    let good = File.ReadAllBytes path
                    let bad = Array.copy good
                    bad[bad.Length - 1] <- bad[bad.Length - 1] ^^^ 1uy

                    for damaged in [ bad; good[.. good.Length / 2]; [||] ] do
                        File.WriteAllBytes(path, damaged)
                        Expect.equal (provide machine) path "the same place"
                        Expect.isTrue (File.ReadAllBytes path = good) "whole again"

                    Expect.equal machine.Fetched.Value 0 "fetched"))

            testCase "a package that NuGet is still unpacking is left to NuGet" (fun () ->
                inFolder (fun folder ->
                    let machine = machine folder (Some content.Value)
                    place machine.Packages content.Value[.. content.Value.Length / 2]
                    File.Delete(Path.Combine(machine.Packages, "some.weights", "1.0.0-beta", ".nupkg.metadata"))
                    Expect.stringStarts (provide machine) machine.Packages "beside the package"
                    Expect.equal machine.Fetched.Value 1 "fetched"))

            testCase "where the package folder cannot be written, the cache is" (fun () ->
                inFolder (fun folder ->
                    let machine = machine folder (Some content.Value)
                    // a folder in the place of the file stops everyone, root too
                    let beside =
                        Path.Combine(machine.Packages, "some.weights", "1.0.0-beta", package.Value.Converted)

                    Directory.CreateDirectory beside |> ignore
                    let path = provide machine
                    Expect.stringStarts path machine.Source.Cache "in the cache"
                    Expect.equal (provide machine) path "again"
                    Expect.equal machine.Fetched.Value 1 "fetched"
                    File.Delete path
                    Directory.CreateDirectory path |> ignore

                    Expect.stringContains
                        (refusedBy (fun () -> provide machine |> ignore))
                        machine.Source.Cache
                        "neither"))

            testCase "a damaged package is refused, and nothing written" (fun () ->
                inFolder (fun folder ->
                    for damaged in
                        [
                            content.Value[1..]
                            Array.append content.Value [| 0uy |]
                            Array.rev content.Value
                        ] do
                        let machine = machine folder (Some damaged)
                        let problem = refusedBy (fun () -> provide machine |> ignore)
                        Expect.stringContains problem "a.onnx: is damaged or of another version" "message"
                        Expect.stringContains problem "remove the folder" "remedy"
                        let files = Directory.GetFiles(folder, "*.safetensors", SearchOption.AllDirectories)
                        Expect.isEmpty files "files"
                        Directory.Delete(machine.Packages, recursive = true)))

            testCase "a package without the file is refused" (fun () ->
                inFolder (fun folder ->
                    let problem = refusedBy (fun () -> provide (machine folder None) |> ignore)
                    Expect.stringContains problem "has no file tools/net/a.onnx" "message"))

            testCase "several that start together all get the file" (fun () ->
                inFolder (fun folder ->
                    let machine = machine folder None
                    place machine.Packages content.Value
                    let silent = WeightsByName.provide machine.Source ignore
                    let paths = Array.Parallel.init 8 (fun _ -> silent package.Value)
                    Expect.hasLength (Array.distinct paths) 1 "one file"
                    Expect.equal (hash (File.ReadAllBytes paths[0])) package.Value.ConvertedSha256 "whole"
                    let left = Directory.GetFiles(folder, "*.tmp", SearchOption.AllDirectories)
                    Expect.isEmpty left "nothing left over"))

            testCase "only the name stands for a package, and only where it fits the backbone" (fun () ->
                inFolder (fun folder ->
                    let machine = machine folder None
                    let file = WeightsByName.file machine.Source machine.Said.Add
                    Expect.equal (file (backbone ResNet18 64 None)) None "random weights"
                    Expect.equal (file (backbone ResNet50 32 (Some "a.pth"))) (Some "a.pth") "a file"

                    Expect.equal
                        (file (backbone ResNet18 64 (Some "./imagenet")))
                        (Some "./imagenet")
                        "a file of that name"

                    Expect.equal
                        (WeightsByName.ofName machine.Source machine.Said.Add "a.pth")
                        None
                        "a file to convert"

                    let other =
                        refusedBy (fun () -> file (backbone SwinT 64 (Some "imagenet")) |> ignore)

                    Expect.stringContains other "for ResNet-18 alone, not for Swin-T" "another kind"

                    let narrow =
                        refusedBy (fun () -> file (backbone ResNet18 32 (Some "imagenet")) |> ignore)

                    Expect.stringContains narrow "backbone.width = 64" "another width"
                    Expect.equal (machine.Fetched.Value, machine.Said.Count) (0, 0) "nothing fetched"))
        ]
