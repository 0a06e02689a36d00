module DeqDet.Tests.OnnxTests

open System
open System.IO
open Expecto
open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.OnnxBytes

let private small =
    model
        "somebody"
        [
            node "Conv" [ "image"; "a.weight" ] "y" [ integers "strides" [ 2L; 1L ]; integers "group" [ 3L ] ]
            node "Relu" [ "y" ] "z" [ Array.append (text 1 "alpha") (real 2 0.25f) ]
        ]
        [
            tensor "a.weight" 1L [ 2L; 3L ] (bytes 4 (floats [| 1.0f .. 6.0f |]))
            tensor "b" 11L [ 1L ] (bytes 9 (BitConverter.GetBytes 7.5))
            tensor "half" 10L [ 2L ] (bytes 9 [| 0uy; 60uy; 0uy; 64uy |])
            tensor "scalar" 1L [] (bytes 9 (floats [| 9.0f |]))
            tensor "nothing" 1L [ 0L; 3L ] [||]
            // a shape for another operation, as a list of numbers of varying length
            tensor "shape" 7L [ 2L ] (bytes 7 [| 1uy; 2uy |])
        ]

let private readAll (path: string) =
    use file = OnnxFile.Open path

    for tensor in file.Tensors do
        tensor.ToArray() |> ignore

let private refused (content: byte[]) : string =
    let mutable problem = ""

    inFolder (fun folder ->
        let path = Path.Combine(folder, "bad.onnx")
        File.WriteAllBytes(path, content)
        problem <- refusal path (fun () -> readAll path))

    problem

let private withTensor (content: byte[]) = model "x" [] [ content ]

/// What is wrong, the file, and what the message must say.
let private wrong =
    let four = bytes 9 (floats [| 1.0f |])

    [
        "no graph", number 1 3L, "no graph"
        "two graphs", Array.concat [ number 1 3L; bytes 7 [||]; bytes 7 [||] ], "2 graphs"
        "a graph that is a number", Array.concat [ number 1 3L; number 7 1L ], "field 7"
        "numbers elsewhere", withTensor (Array.append (tensor "w" 1L [ 1L ] [||]) (number 14 1L)), "another file"
        "a place elsewhere", withTensor (Array.append (tensor "w" 1L [ 1L ] [||]) (bytes 13 [||])), "another file"
        "no numbers", withTensor (tensor "w" 1L [ 1L ] [||]), "'w' has no numbers"
        "too few numbers", withTensor (tensor "w" 1L [ 2L ] four), "4 bytes of numbers instead of 8"
        "too many numbers", withTensor (tensor "w" 11L [ 0L ] four), "4 bytes of numbers instead of 0"
        "numbers twice", withTensor (tensor "w" 1L [ 1L ] (Array.append four four)), "in pieces"
        "numbers one by one", withTensor (tensor "w" 1L [ 1L ] (real 4 1.0f)), "in pieces"
        "a segment", withTensor (Array.append (tensor "w" 1L [ 1L ] four) (bytes 3 [||])), "in pieces"
        "floats of doubles", withTensor (tensor "w" 11L [ 1L ] (bytes 4 (Array.zeroCreate 8))), "list of another type"
        "a negative size", withTensor (tensor "w" 1L [ -1L ] four), "impossible shape"
        "a size beyond all files", withTensor (tensor "w" 1L [ Int64.MaxValue; 4L ] four), "impossible shape"
        "100 dimensions", withTensor (tensor "w" 1L (List.replicate 100 1L) four), "impossible shape"
        "a name twice",
        model "x" [] [ tensor "w" 1L [ 1L ] four; tensor "w" 1L [ 1L ] four ],
        "two initialisers named 'w'"
        "a name that is no text", withTensor (Array.append (tensor "w" 1L [ 1L ] four) (number 8 1L)), "field 8"
        "a name that is no UTF-8",
        withTensor (Array.append (tensor "w" 1L [ 1L ] four) (bytes 8 [| 0xFFuy |])),
        "not UTF-8"
        "sparse", Array.concat [ number 1 3L; bytes 7 (bytes 15 [||]) ], "sparse"
        "a group", Array.append small [| 0x0Buy |], "group"
        "a tag without a field", Array.append small [| 0x00uy |], "damaged"
        "a number without end", Array.append small (Array.append [| 0x08uy |] (Array.create 11 0xFFuy)), "damaged"
    ]

[<Tests>]
let tests =
    testList
        "ONNX files"
        [
            testCase "initialisers are tensors, operations say what they read" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.onnx")
                    File.WriteAllBytes(path, small)
                    use opened = TensorFile.Open path
                    let file = opened :?> OnnxFile
                    Expect.equal file.Producer "somebody" "producer"

                    let found =
                        [
                            for tensor in file.Tensors ->
                                tensor.Name, tensor.Type, List.ofSeq tensor.Shape, tensor.ToArray()
                        ]

                    Expect.equal
                        found
                        [
                            "a.weight", ElementType.Float32, [ 2L; 3L ], floats [| 1.0f .. 6.0f |]
                            "b", ElementType.Float64, [ 1L ], BitConverter.GetBytes 7.5
                            "half", ElementType.Float16, [ 2L ], [| 0uy; 60uy; 0uy; 64uy |]
                            "scalar", ElementType.Float32, [], floats [| 9.0f |]
                            "nothing", ElementType.Float32, [ 0L; 3L ], [||]
                        ]
                        "tensors"

                    let conv, relu = file.Nodes[0], file.Nodes[1]
                    Expect.equal (conv.Operator, relu.Operator) ("Conv", "Relu") "operators"

                    Expect.equal
                        (List.ofSeq conv.Inputs, List.ofSeq conv.Outputs)
                        ([ "image"; "a.weight" ], [ "y" ])
                        "names"

                    Expect.equal (List.ofSeq conv.Integers["strides"]) [ 2L; 1L ] "strides"
                    Expect.equal (List.ofSeq conv.Integers["group"]) [ 3L ] "group"
                    Expect.equal relu.Reals["alpha"] 0.25f "a real number"
                    Expect.equal (file.Initialiser "b").ByteCount 8L "an initialiser by name"))

            testCase "names lose what training programs put in front, operations keep theirs" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.onnx")
                    let numbers = bytes 9 (floats [| 1.0f |])

                    File.WriteAllBytes(
                        path,
                        model "x" [] [ for name in [ "module.a"; "module.b" ] -> tensor name 1L [ 1L ] numbers ]
                    )

                    use file = OnnxFile.Open path
                    Expect.equal [ for tensor in file.Tensors -> tensor.Name ] [ "a"; "b" ] "names"
                    Expect.equal (file.Initialiser "module.b").ElementCount 1L "as operations call it"
                    Expect.equal file.Notices.Count 1 "a notice"))

            testCase "packed whole numbers" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.onnx")
                    let packed = Array.append (text 1 "pads") (bytes 8 [| 1uy; 0xACuy; 0x02uy |])
                    File.WriteAllBytes(path, model "x" [ node "Conv" [ "a" ] "b" [ packed ] ] [])
                    use file = OnnxFile.Open path
                    Expect.equal (List.ofSeq file.Nodes[0].Integers["pads"]) [ 1L; 300L ] "numbers"))

            testList
                "refused"
                [
                    for name, content, expected in wrong do
                        testCase name (fun () -> Expect.stringContains (refused content) expected "message")
                ]

            testCase "every truncation is refused" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "short.onnx")

                    for length in 1 .. small.Length - 1 do
                        File.WriteAllBytes(path, small[.. length - 1])
                        refusal path (fun () -> readAll path) |> ignore))

            testCase "damaged files are refused or read, never anything else" (fun () ->
                inFolder (fun folder ->
                    let accepted = acceptedAfterDamage 12 damagedCopies small readAll folder
                    // most of the file are numbers and names, which may be anything
                    Expect.isLessThan accepted (damagedCopies / 2) "accepted"))

            testCase "more fields than any model has are refused" (fun () ->
                // 5 million empty nodes in 10 MB
                let nodes = Array.init 10_000_000 (fun i -> if i % 2 = 0 then 0x0Auy else 0uy)
                Expect.stringContains (refused (Array.append (number 1 3L) (bytes 7 nodes))) "more than" "limit")

            testCase "a tensor back to front along a dimension" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.onnx")
                    let values = [| 0.0f .. 23.0f |]
                    File.WriteAllBytes(path, withTensor (tensor "w" 1L [ 2L; 3L; 4L ] (bytes 9 (floats values))))
                    use file = OnnxFile.Open path
                    let reversed = file.Tensors[0].Reversed("v", 1)

                    let expected =
                        [|
                            for a in 0..1 do
                                for b in 2..-1..0 do
                                    for c in 0..3 -> values[a * 12 + b * 4 + c]
                        |]

                    Expect.equal reversed.Name "v" "name"
                    Expect.equal (reversed.ToArray()) (floats expected) "numbers"
                    Expect.equal (reversed.Reversed("w", 1).ToArray()) (floats values) "twice"
                    let middle = Array.zeroCreate 16
                    reversed.CopyTo(10L, Span middle)
                    Expect.equal middle (floats expected[10..13]) "read from the middle"

                    Expect.throwsT<ArgumentException>
                        (fun () -> reversed.Reversed("v", 3) |> ignore)
                        "no such dimension"))
        ]
