/// The commands export and verify FILE.onnx, as a user runs them.
module DeqDet.Tests.ExportCommandTests

open System
open System.IO
open System.Text
open Expecto
open DeqDet.Tests.SolvingTests

let private run = RunProgram.run

let private refused (words: string list) (arguments: string list) =
    let code, said = run arguments
    Expect.equal code 2 said

    for word in words do
        Expect.stringContains said word (String.concat " " arguments)

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Export command"
        [
            testCase "an exported file is verified, alone and by its AP; one of other weights is not"
            <| fun () ->
                withModel [] (fun work images ->
                    let file = Path.Combine(work, "with space.onnx")
                    let code, said = run [ "export"; work; file; "--tolerance"; "0.5" ]
                    Expect.equal code 0 said
                    Expect.stringContains said "a loop of at most 5 applications" "says what it wrote"
                    let data = Path.GetFullPath(Path.Combine(images, ".."))
                    let code, said = run [ "verify"; file; "--checkpoint"; work; "--data"; data ]
                    Expect.equal code 0 said
                    Expect.stringContains said "of the checkpoint" "both values of AP"

                    // it may be written again, and then in another form
                    let code, said =
                        run [ "export"; work; file; "--steps"; "2"; "--fp16"; "--opset"; "17" ]

                    Expect.equal code 0 said
                    Expect.stringContains said "3 applications written out, large layers in float16" "says so"

                    // a number of a bias changed in the file, of which everything else is as it was
                    let code, said = run [ "export"; work; file ]
                    Expect.equal code 0 said
                    let bytes = File.ReadAllBytes file

                    let name = Encoding.UTF8.GetBytes "roi_head.bbox_head.1.fc_reg.bias"
                    // the numbers follow the name of the tensor, a tag and a length
                    let at =
                        MemoryExtensions.LastIndexOf(Span bytes, ReadOnlySpan name) + name.Length + 2

                    BitConverter.GetBytes(0.5f).CopyTo(bytes, at)
                    File.WriteAllBytes(file, bytes)
                    let code, said = run [ "verify"; file; "--checkpoint"; work ]
                    Expect.equal code 1 said
                    Expect.stringContains said "FAIL" "says what is wrong")

            testCase "what cannot be done is refused with the remedy"
            <| fun () ->
                withModel [] (fun work _ ->
                    let file name = Path.Combine(work, name)
                    refused [ "model.pb"; ".onnx" ] [ "export"; work; file "model.pb" ]
                    refused [ "no folder" ] [ "export"; work; Path.Combine(work, "nowhere", "a.onnx") ]
                    File.WriteAllText(file "mine.onnx", "somebody else's")
                    refused [ "was not written by this command" ] [ "export"; work; file "mine.onnx" ]
                    refused [ "mine.onnx" ] [ "verify"; file "mine.onnx"; "--checkpoint"; work ]
                    refused [ "there is no such file" ] [ "verify"; file "none.onnx" ]
                    refused [ "are for ONNX files" ] [ "verify"; work; "--data"; work ]

                    let foreign = OnnxBytes.model "somebody" [] []
                    File.WriteAllBytes(file "foreign.onnx", foreign)
                    refused [ "another program" ] [ "verify"; file "foreign.onnx"; "--checkpoint"; work ]
                    refused [ "was not written by this command" ] [ "export"; work; file "foreign.onnx" ]

                    let code, said = run [ "export"; work; file "ours.onnx" ]
                    Expect.equal code 0 said
                    refused [ "--only" ] [ "verify"; file "ours.onnx"; "--only"; "x" ]

                    withModel [ "train.seed=5" ] (fun other _ ->
                        refused [ "another checkpoint" ] [ "verify"; file "ours.onnx"; "--checkpoint"; other ]))

            testCase "a model without equilibrium has no depth"
            <| fun () ->
                withModel [ "kind=ffndet" ] (fun work _ ->
                    let file = Path.Combine(work, "a.onnx")
                    refused [ "--steps"; "no equilibrium" ] [ "export"; work; file; "--steps"; "2" ]
                    refused [ "--tolerance"; "no equilibrium" ] [ "export"; work; file; "--tolerance"; "0.1" ]
                    let code, said = run [ "export"; work; file ]
                    Expect.equal code 0 said
                    let code, said = run [ "verify"; file; "--checkpoint"; work ]
                    Expect.equal code 0 said)
        ]
