module DeqDet.Tests.LibTorchTests

open System.IO
open Expecto
open DeqDet.Host.Devices
open DeqDet
open DeqDet.Settings

/// What `Find` refuses to do with this value of DEQDET_LIBTORCH.
let private refusal (own: string) : string =
    try
        let place = LibTorch.Find own
        failtest $"accepted: {place}"
    with :? InputError as error ->
        error.Message

let private place version =
    LibTorchPlace("folder", false, false, version)

[<Tests>]
let tests =
    testList
        "LibTorch"
        [
            testCase "the one that was built in is found beside the program, and loads once"
            <| fun () ->
                let found = LibTorch.Find null
                Expect.isTrue found.BuiltIn "built in"
                Expect.isNonEmpty (Directory.GetFiles(found.Folder, "*torch_cpu*")) "its library"
                Expect.equal (LibTorch.Load()) found "what is loaded"
                Expect.equal (LibTorch.Load()) found "what is loaded the second time"

            testCase "an empty variable counts as none"
            <| fun () -> Expect.isTrue (LibTorch.Find " ").BuiltIn "built in"

            testCase "a second libtorch beside the built-in one is refused, with the way out"
            <| fun () ->
                let message = refusal (Path.GetTempPath())
                Expect.stringContains message LibTorch.FolderVariable "the variable"
                Expect.stringContains message "-p:LibTorch=none" "the way out"

            testCase "only a known version that differs counts as another one"
            <| fun () ->
                Expect.isFalse (place "2.10.0+cu128").IsOtherVersion "2.10.0"
                Expect.isFalse (place null).IsOtherVersion "unknown"
                Expect.isTrue (place "2.1.0").IsOtherVersion "2.1"
                Expect.isTrue (place "2.9.1").IsOtherVersion "2.9"
        ]
