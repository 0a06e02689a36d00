/// Bytes of ONNX files.
module DeqDet.Export.Tests.OnnxWriterTests

open System
open System.IO
open Expecto
open FsCheck
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx
open DeqDet.Export

let private model (texts: (string * string) list) (numbers: float32[]) =
    let graph = Graph.create Form.standard []
    let x = Graph.input "x" ElementType.Float32 [ Op.Free; int64 numbers.Length ] graph

    let shifted =
        Op.add x (Graph.filled "numbers" numbers [ int64 numbers.Length ] graph) graph

    let kept = Op.softmax (Op.transpose [ 1; 0 ] shifted graph) graph

    OnnxModel(
        9,
        20,
        "deqdet",
        "1.2",
        "a test",
        OnnxGraph(
            "graph",
            graph.Operations,
            [| for _, tensor in graph.Initialisers.Values -> tensor |],
            [| Graph.described [ "rows" ] "what comes in" x |],
            [| Graph.described [ "rows" ] "" kept |]
        ),
        [| for key, value in texts -> Collections.Generic.KeyValuePair(key, value) |]
    )

let private inFile (bytes: byte[]) (f: string -> 'result) : 'result =
    let path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.onnx")

    try
        File.WriteAllBytes(path, bytes)
        f path
    finally
        File.Delete path

[<Tests>]
let tests =
    testList
        "OnnxWriter"
        [
            testProperty "what is written is read again"
            <| fun (numbers: float32[]) (texts: (NonEmptyString * string) list) ->
                let numbers = Array.append [| 1.5f |] numbers

                let clean (text: string) =
                    String.filter (Char.IsSurrogate >> not) (string text)

                let texts =
                    texts
                    |> List.map (fun (NonEmptyString key, value) -> "k" + clean key, clean value)
                    |> List.distinctBy fst

                inFile (Written.bytes (model texts numbers)) (fun path ->
                    use file = OnnxFile.Open path
                    Expect.equal file.Producer "deqdet" "producer"

                    Expect.equal
                        [ for node in file.Nodes -> node.Operator ]
                        [ "Add"; "Transpose"; "Softmax" ]
                        "operations"

                    Expect.equal
                        [ for node in file.Nodes -> List.ofSeq node.Inputs ]
                        [ [ "x"; "constant/numbers" ]; [ "Add.0" ]; [ "Transpose.0" ] ]
                        "inputs"

                    Expect.equal (List.ofSeq file.Nodes[1].Integers["perm"]) [ 1L; 0L ] "an attribute"

                    for key, value in texts do
                        Expect.equal file.Metadata[key] value key

                    let stored = file.Initialiser "constant/numbers"
                    Expect.equal (List.ofSeq stored.Shape) [ int64 numbers.Length ] "shape"
                    let read = Array.zeroCreate<byte>(4 * numbers.Length)
                    stored.CopyTo(0L, Span read)
                    let expected = numbers |> Array.collect BitConverter.GetBytes
                    Expect.equal read expected "numbers")

            testCase "the same model gives the same bytes"
            <| fun () ->
                let make () =
                    Written.bytes (model [ "a", "b" ] [| 1.0f; 2.0f |])

                Expect.equal (make ()) (make ()) "bytes"

            testProperty "a damaged file is refused, or read as one that is whole"
            <| fun (cut: NonNegativeInt) (at: NonNegativeInt) (value: byte) ->
                let whole = Written.bytes (model [ "a", "b" ] [| 1.0f; 2.0f |])
                let damaged = Array.copy whole
                damaged[at.Get % whole.Length] <- value

                for bytes in [ damaged; Array.truncate (1 + cut.Get % (whole.Length - 1)) whole ] do
                    inFile bytes (fun path ->
                        try
                            use file = OnnxFile.Open path
                            file.Metadata.Count |> ignore
                        with :? InputError ->
                            ())

            testCase "shapes that do not go together are a mistake, seen before anything is written"
            <| fun () ->
                let graph = Graph.create Form.standard []

                let value shape =
                    Graph.input "x" ElementType.Float32 shape graph

                let wrong: (string * (unit -> Value)) list =
                    [
                        "sum", (fun () -> Op.add (value [ 2L; 3L ]) (value [ 2L; 4L ]) graph)
                        "product", (fun () -> Op.matmul (value [ 2L; 3L ]) (value [ 4L; 2L ]) graph)
                        "shape", (fun () -> Op.reshape [ 5L; -1L ] (value [ 2L; 3L ]) graph)
                        "axis", (fun () -> Op.narrow 2 0L 1L (value [ 2L; 3L ]) graph)
                        "types", (fun () -> Op.add (value [ 1L ]) (Graph.integer 1L graph) graph)
                    ]

                for name, make in wrong do
                    Expect.throwsT<InvalidOperationException> (fun () -> make () |> ignore) name
        ]
