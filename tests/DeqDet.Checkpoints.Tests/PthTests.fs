module DeqDet.Tests.PthTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open Expecto
open DeqDet.Checkpoints
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.PthBytes

let private golden (name: string) = Path.Combine(Golden.folder "pth", name)

let private expectSame (expected: StoredTensor) (actual: StoredTensor) =
    let name = expected.Name
    Expect.sequenceEqual actual.Shape expected.Shape $"shape of {name}"

    /// The expected values are stored widened where their type is rare.
    let widened =
        let bytes = actual.ToArray()

        let each size convert =
            Array.chunkBySize size bytes |> Array.collect convert

        match actual.Type, expected.Type with
        | ElementType.Float16, ElementType.Float32 ->
            each 2 (fun b -> BitConverter.GetBytes(float32 (BitConverter.ToHalf b)))
        | ElementType.BFloat16, ElementType.Float32 -> each 2 (fun b -> Array.append [| 0uy; 0uy |] b)
        | ElementType.Int16, ElementType.Int64 ->
            each 2 (fun b -> BitConverter.GetBytes(int64 (BitConverter.ToInt16 b)))
        | ElementType.Int8, ElementType.Int64 -> each 1 (fun b -> BitConverter.GetBytes(int64 (sbyte b[0])))
        | same, other ->
            Expect.equal same other $"type of {name}"
            bytes

    Expect.equal widened (expected.ToArray()) $"values of {name}"

let private expectAll (file: PthFile) (expectedFile: string) =
    use expected = SafetensorsFile.Open(golden expectedFile)

    let names (tensors: IReadOnlyList<StoredTensor>) =
        tensors |> Seq.map _.Name |> Seq.sort |> Seq.toList

    Expect.equal (names file.Tensors) (names expected.Tensors) "names"

    for tensor in expected.Tensors do
        expectSame tensor file[tensor.Name]

let private official name =
    testCase name (fun () ->
        use file = PthFile.Open(golden name)
        expectAll file "tiny_official_expected.safetensors"

        use expected =
            JsonDocument.Parse(File.ReadAllText(golden "tiny_official_expected.json"))

        let list (key: string) =
            [
                for item in expected.RootElement.GetProperty(key).EnumerateArray() -> item.GetString()
            ]

        Expect.sequenceEqual file.TopLevelKeys (list "top_level_keys") "keys"
        Expect.sequenceEqual file.Globals (list "globals") "classes named in the pickle"
        Expect.equal file.StateDictKey "state_dict" "where the state dict is"
        let meta = file.Metadata["meta"].AsObject()
        Expect.sequenceEqual (meta |> Seq.map _.Key) (list "meta_keys") "keys of meta"

        for property in expected.RootElement.GetProperty("meta_expect").EnumerateObject() do
            let same =
                JsonNode.DeepEquals(meta[property.Name], JsonNode.Parse(property.Value.GetRawText()))

            Expect.isTrue same $"meta {property.Name}"

        Expect.sequenceEqual file.Classes [ "cat"; "dog"; "bird" ] "classes")

let private truncations name =
    testCase $"every truncation of {name} is refused" (fun () ->
        inFolder (fun folder ->
            let whole = File.ReadAllBytes(golden name)
            let path = Path.Combine(folder, "cut.pth")

            for length in 0 .. whole.Length - 1 do
                File.WriteAllBytes(path, whole[.. length - 1])
                refusal path (fun () -> readAll path) |> ignore))

let private damages name leastAccepted =
    testCase $"random damage to {name} is refused or harmless" (fun () ->
        withoutSideEffect (fun () ->
            inFolder (fun folder ->
                let whole = File.ReadAllBytes(golden name)
                let accepted = acceptedAfterDamage 11 damagedCopies whole readAll folder
                Expect.isLessThan accepted (damagedCopies * 4 / 5) "much damage is noticed"
                Expect.isGreaterThanOrEqual accepted leastAccepted "some is harmless")))

let private layouts =
    let read value (expect: PthFile -> unit) =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "a.pth")
            plainArchive path [ "x/data.pkl", pickle value; "x/data/0", Array.init 32 byte ]
            use file = PthFile.Open path
            expect file)

    testList
        "layout"
        [
            testCase "a plain state dict" (fun () ->
                read (dict' [ "w", good; "note", text "skipped" ]) (fun file ->
                    Expect.equal file.StateDictKey "" "key"
                    Expect.sequenceEqual (file.Tensors |> Seq.map _.Name) [ "w" ] "names"
                    Expect.sequenceEqual file.Skipped [ "note" ] "plain data beside the tensors"
                    Expect.equal (file["w"].ToArray()) (Array.init 32 byte) "values"))
            testCase "under model, with numbers beside it" (fun () ->
                read
                    (dict'
                        [
                            "model", dict' [ "w", good ]
                            "epoch", integer 7L
                            "lr", code "G\x7f\xf0\x00\x00\x00\x00\x00\x00"
                        ])
                    (fun file ->
                        Expect.equal file.StateDictKey "model" "key"
                        Expect.equal (file.Metadata.ToJsonString()) """{"epoch":7,"lr":"inf"}""" "metadata"))
            testCase "unknown objects outside the state dict stay inert" (fun () ->
                let unknown =
                    Array.concat
                        [
                            call "posix\nsystem" [ text "touch /tmp/pwned" ]
                            dict' [ "x", code "N" ]
                            code "b(NNuNa"
                        ]

                let getattr =
                    Array.concat [ call "__builtin__\ngetattr" [ unknown; text "mean" ]; code "(tR" ]

                withoutSideEffect (fun () ->
                    read
                        (dict'
                            [
                                "state_dict", dict' [ "w", good ]
                                "hub", getattr
                                "meta", dict' [ "epoch", integer 1L; "bad", unknown ]
                            ])
                        (fun file ->
                            Expect.equal (file.Metadata.ToJsonString()) """{"meta":{"epoch":1}}""" "metadata"

                            Expect.sequenceEqual
                                file.Globals
                                [
                                    "__builtin__ getattr"
                                    "collections OrderedDict"
                                    "posix system"
                                    "torch FloatStorage"
                                    "torch._utils _rebuild_tensor_v2"
                                ]
                                "names")))
            testCase "numbers of a view are gathered from any position" (fun () ->
                read (dict' [ "w", tensor floats 1L [ 2L; 3L ] [ 1L; 2L ] ]) (fun file ->
                    let all = file["w"].ToArray()

                    let expected =
                        [|
                            for i in 0..1 do
                                for j in 0..2 do
                                    yield! Array.init 4 (fun k -> byte (4 * (1 + i + 2 * j) + k))
                        |]

                    Expect.equal all expected "all"

                    for first in 0..5 do
                        let rest = Array.zeroCreate (4 * (6 - first))
                        file["w"].CopyTo(int64 first, Span rest)
                        Expect.equal rest expected[4 * first ..] $"from {first}"))
        ]

[<Tests>]
let tests =
    testList
        "pth"
        [
            official "tiny_official.pth"
            official "tiny_official_legacy.pth"
            for name in [ "dtypes_views.pth"; "dtypes_views_legacy.pth" ] do
                testCase name (fun () ->
                    use file = PthFile.Open(golden name)
                    expectAll file "dtypes_views_expected.safetensors")
            for name in [ "hostile_os_system.pth"; "hostile_os_system_legacy.pth" ] do
                testCase $"{name} stays inert" (fun () ->
                    withoutSideEffect (fun () ->
                        use file = PthFile.Open(golden name)
                        Expect.sequenceEqual (file.Tensors |> Seq.map _.Name) [ "a" ] "the state dict is read"
                        readAll (golden name)))
            testCase "hostile_eval_in_state_dict.pth is refused" (fun () ->
                withoutSideEffect (fun () ->
                    let path = golden "hostile_eval_in_state_dict.pth"

                    Expect.stringContains
                        (refusal path (fun () -> readAll path))
                        "'b' in its state dict is made by __builtin__.eval"
                        "message"))
            testCase "truncated.pth is refused" (fun () ->
                let path = golden "truncated.pth"
                Expect.stringContains (refusal path (fun () -> readAll path)) "truncated" "message")
            truncations "dtypes_views.pth"
            truncations "dtypes_views_legacy.pth"
            damages "dtypes_views.pth" 1
            damages "dtypes_views_legacy.pth" 1
            layouts
        ]
