module DeqDet.Tests.SafetensorsTests

open System
open System.Collections.Generic
open System.IO
open System.Text
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open DeqDet.Checkpoints
open DeqDet.Tests.CheckpointFiles

let private allTypes = Enum.GetValues<ElementType>()

/// Tensors of random types and shapes (also scalars and empty ones), with names that need escaping now and then.
let private tensors: Gen<(string * ElementType * int64[] * byte[]) list> =
    let one index =
        gen {
            let! kind = Gen.elements allTypes
            let! rank = Gen.choose (0, 4)
            let! shape = Gen.arrayOfLength rank (Gen.choose (0, 4) |> Gen.map int64)

            let! decoration =
                Gen.elements [ "weight"; "gewicht.\u00e9\u4e2d\U0001F600"; "quote\"back\\slash\n"; "" ]

            let count =
                Array.fold (fun product size -> product * int size) 1 shape * kind.ByteSize()

            let largest = if kind = ElementType.Bool then 1 else 255
            let! bytes = Gen.arrayOfLength count (Gen.choose (0, largest) |> Gen.map byte)
            return $"{index}.{decoration}", kind, shape, bytes
        }

    gen {
        let! count = Gen.choose (0, 6)
        return! Gen.collectToList one [ 1..count ]
    }

let private write (path: string) (tensors: (string * ElementType * int64[] * byte[]) list) metadata =
    let list =
        [|
            for name, kind, shape, bytes in tensors -> TensorToWrite.Of(name, kind, shape, bytes)
        |]

    SafetensorsWriter.Write(path, list, metadata)

let private readAll (path: string) =
    use file = SafetensorsFile.Open path

    for tensor in file.Tensors do
        tensor.ToArray() |> ignore

let private refused (header: string) (data: byte[]) : string =
    let mutable problem = ""

    inFolder (fun folder ->
        let path = Path.Combine(folder, "bad.safetensors")
        File.WriteAllBytes(path, safetensorsBytes header data)
        problem <- refusal path (fun () -> readAll path))

    problem

/// A header that is wrong in one way, eight bytes of data, and what the message must say.
let private wrongHeaders =
    let entry = """{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"""

    [
        "no JSON", "{\"a\":", "not valid JSON"
        "no object", "[1,2]", "does not start with '{'"
        "leading white space", " {}", "does not start with '{'"
        "something after the object", $"{{\"a\":{entry}}} x", "not valid JSON"
        "trailing comma", $"{{\"a\":{entry},}}", "not valid JSON"
        "comment", $"{{/**/\"a\":{entry}}}", "not valid JSON"
        "lone surrogate", $"{{\"\\ud800\":{entry}}}", "not valid JSON"
        "too deep", """{"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}""", "not valid JSON"
        "name twice", $"{{\"a\":{entry},\"a\":{entry}}}", "'a' occurs twice"
        "name twice, once escaped", $"{{\"a\":{entry},\"\\u0061\":{entry}}}", "'a' occurs twice"
        "entry no object", """{"a":3}""", "'a' is not an object"
        "key of a tensor twice",
        """{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""",
        "'dtype' twice"
        "unknown key", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}""", "unknown key 'x'"
        "no dtype", """{"a":{"shape":[2],"data_offsets":[0,8]}}""", "needs dtype"
        "three offsets", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}}""", "more than 2"
        "8-bit floats",
        """{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}""",
        "'F8_E4M3', which is not supported"
        "dtype a number", """{"a":{"dtype":4,"shape":[2],"data_offsets":[0,8]}}""", "not supported"
        "negative dimension", """{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "whole numbers"
        "fractional dimension", """{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", "whole numbers"
        "dimension beyond 63 bits",
        """{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}""",
        "whole numbers"
        "product overflows to 2",
        """{"a":{"dtype":"F32","shape":[9223372036854775807,2,9223372036854775807],"data_offsets":[0,8]}}""",
        "impossible shape"
        "bytes overflow",
        """{"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,8]}}""",
        "impossible shape"
        "overflow hidden by a zero",
        """{"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}""",
        "impossible shape"
        "65 dimensions",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":["
        + String.replicate 64 "1,"
        + "2],\"data_offsets\":[0,8]}}",
        "more than 64"
        "size and shape disagree", """{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", "takes 12 bytes"
        "end before begin", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "takes 8 bytes"
        "gap", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "leaves a gap"
        "overlap",
        """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""",
        "overlaps"
        "data left over", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "belong to no tensor"
        "data missing", """{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", "truncated"
        "metadata not text", $"{{\"__metadata__\":{{\"k\":1}},\"a\":{entry}}}", "'k' is not a string"
        "metadata twice", $"{{\"__metadata__\":{{}},\"__metadata__\":{{}},\"a\":{entry}}}", "occurs twice"
        "metadata key twice", $"{{\"__metadata__\":{{\"k\":\"1\",\"k\":\"2\"}},\"a\":{entry}}}", "'k' twice"
    ]

let private torchTypes =
    [
        torch.bool
        torch.uint8
        torch.int8
        torch.int16
        torch.int32
        torch.int64
        torch.float16
        torch.bfloat16
        torch.float32
        torch.float64
    ]

[<Tests>]
let tests =
    testList
        "safetensors"
        [
            testCase "what is written is read again, and written to the same bytes" (fun () ->
                inFolder (fun folder ->
                    let roundTrip (given: (string * ElementType * int64[] * byte[]) list) =
                        let path = Path.Combine(folder, "a.safetensors")
                        let metadata = dict [ "z", "1"; "a", "\u00e9\"\n" ] |> Dictionary
                        write path given metadata

                        let again =
                            use file = SafetensorsFile.Open path

                            Expect.sequenceEqual
                                (Seq.sortBy (fun (KeyValue(k, _)) -> k) file.Metadata)
                                (Seq.sortBy (fun (KeyValue(k, _)) -> k) metadata)
                                "metadata"

                            [ for t in file.Tensors -> t.Name, t.Type, Seq.toArray t.Shape, t.ToArray() ]

                        let first = File.ReadAllBytes path
                        write path again metadata
                        let headerEnd = 8 + int (BitConverter.ToUInt64(first, 0))
                        again = given && File.ReadAllBytes path = first && headerEnd % 8 = 0

                    Check.One(Config.QuickThrowOnFailure.WithMaxTest 100, Prop.forAll (Arb.fromGen tensors) roundTrip)))

            testCase "a small file has exactly these bytes" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.safetensors")
                    write path [ "w", ElementType.BFloat16, [| 1L; 2L |], [| 1uy; 2uy; 3uy; 4uy |] ] (Dictionary())
                    let json = """{"w":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}"""
                    let padded = json.PadRight((json.Length + 7) / 8 * 8)
                    Expect.equal (File.ReadAllBytes path) (safetensorsBytes padded [| 1uy; 2uy; 3uy; 4uy |]) "bytes"))

            testList
                "refused header"
                [
                    for name, header, expected in wrongHeaders ->
                        testCase name (fun () ->
                            Expect.stringContains (refused header (Array.zeroCreate 8)) expected "message")
                ]

            testCase "invalid UTF-8, an impossible header length, and files that are none are refused" (fun () ->
                inFolder (fun folder ->
                    let problem (bytes: byte[]) =
                        let path = Path.Combine(folder, "bad")
                        File.WriteAllBytes(path, bytes)
                        refusal path (fun () -> readAll path)

                    let latin1 = Encoding.Latin1.GetBytes "{\"\u00e9\":{}}"

                    Expect.stringContains
                        (problem (Array.append (BitConverter.GetBytes(uint64 latin1.Length)) latin1))
                        "UTF-8"
                        "latin-1"

                    Expect.stringContains
                        (problem (BitConverter.GetBytes 100_000_001UL))
                        "at most 100000000"
                        "over 100 MB"

                    Expect.stringContains (problem (BitConverter.GetBytes UInt64.MaxValue)) "at most" "2^64 - 1"
                    Expect.stringContains (problem (BitConverter.GetBytes 100UL)) "truncated" "beyond the end"
                    Expect.stringContains (problem (BitConverter.GetBytes 0UL)) "does not start" "no header"
                    Expect.stringContains (problem [| 1uy |]) "only 1 bytes" "one byte"
                    Expect.stringContains (problem [||]) "empty" "no byte"
                    let missing = Path.Combine(folder, "missing")
                    Expect.stringContains (refusal missing (fun () -> readAll missing)) "no such file" "missing file"
                    Expect.stringContains (refusal folder (fun () -> readAll folder)) "is a folder" "folder"))

            testCase "a Boolean of another value than 0 and 1 is refused when it is read" (fun () ->
                let header = """{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}"""
                Expect.stringContains (refused header [| 1uy; 2uy |]) "'a' holds 2" "message")

            testCase "every truncation is refused" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "whole")
                    write path [ "w", ElementType.Int16, [| 2L |], [| 1uy; 2uy; 3uy; 4uy |] ] (Dictionary())
                    let whole = File.ReadAllBytes path
                    readAll path

                    for length in 0 .. whole.Length - 1 do
                        let cut = Path.Combine(folder, $"cut{length}")
                        File.WriteAllBytes(cut, whole[.. length - 1])
                        refusal cut (fun () -> readAll cut) |> ignore))

            testCase "random damage is refused or harmless" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "whole")

                    write
                        path
                        [
                            "backbone.weight", ElementType.Float32, [| 2L; 3L |], Array.init 24 byte
                            "flag", ElementType.Bool, [| 3L |], [| 1uy; 0uy; 1uy |]
                            "count", ElementType.Int64, [||], Array.init 8 byte
                        ]
                        (Dictionary(dict [ "format", "pt" ]))

                    let accepted =
                        acceptedAfterDamage 7 damagedCopies (File.ReadAllBytes path) readAll folder

                    Expect.isLessThan accepted (damagedCopies / 2) "most damage is noticed"
                    Expect.isGreaterThan accepted 0 "some only changes numbers"))

            testCase "a write that fails leaves the old file and nothing else" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.safetensors")
                    write path [] null
                    let before = File.ReadAllBytes path

                    let failing =
                        [|
                            TensorToWrite.Of("a", ElementType.UInt8, [| 1L |], [| 1uy |])
                            TensorToWrite(
                                "b",
                                ElementType.UInt8,
                                [| 1L |],
                                (fun _ -> raise (IOException "disk full"))
                            )
                        |]

                    let refused (path: string) (tensors: TensorToWrite[]) =
                        try
                            SafetensorsWriter.Write(path, tensors)
                            failtest $"{path} was written"
                        with :? DeqDet.InputError as error ->
                            Expect.stringStarts error.Message path "the message names the file"
                            error.Message

                    Expect.stringContains (refused path failing) "disk full" "why"

                    let short = [| TensorToWrite.Of("a", ElementType.UInt8, [| 2L |], [| 1uy |]) |]

                    Expect.throwsT<InvalidOperationException>
                        (fun () -> SafetensorsWriter.Write(path, short))
                        "too few bytes"

                    Expect.equal (File.ReadAllBytes path) before "the old file"
                    Expect.equal (Directory.GetFileSystemEntries folder) [| path |] "nothing else"
                    refused (Path.Combine(folder, "none", "a")) [||] |> ignore))

            testCase "names must differ" (fun () ->
                let one name =
                    TensorToWrite.Of(name, ElementType.UInt8, [| 1L |], [| 1uy |])

                for names in [ [| "a"; "a" |]; [| "__metadata__" |] ] do
                    Expect.throwsT<ArgumentException>
                        (fun () -> SafetensorsWriter.Write("unused", Array.map one names))
                        "refused")

            testCase "libtorch tensors of every type, shape and stride survive" (fun () ->
                inFolder (fun folder ->
                    use _ = torch.NewDisposeScope()
                    let path = Path.Combine(folder, "a.safetensors")

                    let base' =
                        torch.arange(24, dtype = torch.float32).reshape(2L, 3L, 4L) - 7.5f.ToScalar()

                    let given =
                        [
                            for dtype in torchTypes do
                                let t = (base' % 2f.ToScalar()).to_type dtype
                                $"{dtype}", t
                                $"{dtype}.transposed", t.transpose (0, 2)

                                $"{dtype}.strided",
                                t[torch.TensorIndex.Ellipsis, torch.TensorIndex.Slice(1, step = 2)]

                                $"{dtype}.expanded", t[0, 0, 0].expand(3L, 2L)
                                $"{dtype}.scalar", t[1, 1, 1]
                                $"{dtype}.empty", torch.empty ([| 0L; 4L |], dtype = dtype)
                            "parameter", (base' * 1f.ToScalar()).requires_grad_()
                        ]

                    SafetensorsWriter.Write(path, [| for name, t in given -> Tensors.ToWrite(name, t) |])
                    use file = SafetensorsFile.Open path

                    for name, expected in given do
                        let loaded = Tensors.Load file[name]
                        Expect.equal loaded.dtype expected.dtype name
                        Expect.equal loaded.shape expected.shape name
                        Expect.isFalse loaded.requires_grad name
                        Expect.isTrue (loaded.eq(expected).all().ToBoolean()) name

                    refusal path (fun () -> file["absent"] |> ignore) |> ignore))

            testCase "a loaded tensor outlives its file, and loading leaves no tensor behind" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.safetensors")
                    write path [ "w", ElementType.UInt8, [| 3L |], [| 1uy; 2uy; 3uy |] ] null
                    let before = liveTensors ()

                    let loaded =
                        use file = SafetensorsFile.Open path
                        Tensors.Load file["w"]

                    Expect.equal (liveTensors () - before) 1L "one tensor"
                    Expect.equal (loaded.data<byte>().ToArray()) [| 1uy; 2uy; 3uy |] "values"
                    loaded.Dispose()))

            testCase "unsigned types that TorchSharp lacks are read as bytes but refused as tensors" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.safetensors")
                    write path [ "w", ElementType.UInt32, [| 1L |], [| 1uy; 2uy; 3uy; 4uy |] ] null
                    use file = SafetensorsFile.Open path
                    Expect.equal (file["w"].ToArray()) [| 1uy; 2uy; 3uy; 4uy |] "bytes"

                    Expect.stringContains
                        (refusal path (fun () -> (Tensors.Load file["w"]).Dispose()))
                        "U32"
                        "message"))
        ]
