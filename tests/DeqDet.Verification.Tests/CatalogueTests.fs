/// What is found in a tree of folders.
module DeqDet.Verification.Tests.CatalogueTests

open System.IO
open Expecto
open TorchSharp
open DeqDet.Verification

/// A folder of copies of golden files that is gone after the test.
let private copied (files: string list) (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory "deqdet-catalogue-"

    try
        for file in files do
            let copy = Path.Combine(folder.FullName, file)
            Directory.CreateDirectory(Path.GetDirectoryName copy) |> ignore
            File.Copy(Path.Combine(Golden.folder "", file), copy)

        test folder.FullName
    finally
        folder.Delete true

let private found folder =
    Catalogue.below torch.CPU folder (fun _ -> true)

let private files =
    [
        "ffndet_tiny_neck.safetensors"
        "solver/affine_sym_0.5.json"
        "solver/affine_sym_0.5.safetensors"
    ]

let private tensorFiles =
    [ "ffndet_tiny_neck.safetensors"; "solver/affine_sym_0.5.safetensors" ]

[<Tests>]
let tests =
    testList
        "Catalogue"
        [
            testCase "a damaged description is one file's fault: the others are verified"
            <| fun () ->
                copied files (fun folder ->
                    File.WriteAllText(Path.Combine(folder, files[1]), "{ \"kind\": ")
                    let verified = found folder |> List.map VerifiedFile.ofJob
                    Expect.equal [ for file in verified -> file.File ] tensorFiles "files"
                    Expect.isTrue verified[0].Passed "the neck"
                    Expect.stringContains (Option.toObj verified[1].Problem) "is no JSON" "the problem")

            testCase "a link to a folder above does not lead round in circles"
            <| fun () ->
                copied files (fun folder ->
                    Directory.CreateSymbolicLink(Path.Combine(folder, "solver", "above"), folder)
                    |> ignore

                    Expect.equal [ for job in found folder -> job.File ] tensorFiles "files")
        ]
