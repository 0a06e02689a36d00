module DeqDet.Host.Tests.PthTests

open System
open System.Collections.Generic
open System.IO
open System.IO.Compression
open System.Text
open System.Text.Json
open System.Text.Json.Nodes
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Host.Checkpoints
open DeqDet.Host.Tests.CheckpointFiles

let private golden (name: string) = Path.Combine(Golden.folder "pth", name)

/// Opens a file and reads every number and all metadata.
let private readAll (path: string) =
    use file = PthFile.Open path
    file.Metadata.ToJsonString() |> ignore
    file.Classes |> ignore

    for tensor in file.Tensors do
        tensor.ToArray() |> ignore

// ---- A pickle in the making, instruction by instruction ----

let private code (text: string) = Encoding.Latin1.GetBytes text

let private text (value: string) =
    let utf8 = Encoding.UTF8.GetBytes value
    Array.concat [ code "X"; BitConverter.GetBytes utf8.Length; utf8 ]

let private integer (value: int64) =
    Array.concat [ [| 0x8auy; 8uy |]; BitConverter.GetBytes value ]

let private tuple items =
    Array.concat [ code "("; Array.concat items; code "t" ]

let private dict' pairs =
    Array.concat
        [
            code "}("
            Array.concat [ for key, value in pairs -> Array.append (text key) value ]
            code "u"
        ]

let private call (what: string) arguments =
    Array.concat [ code $"c{what}\n"; tuple arguments; code "R" ]

let private emptyDictionary = code "ccollections\nOrderedDict\n)R"

let private pickle body =
    Array.concat [ [| 0x80uy; 2uy |]; body; code "." ]

let private storage (kind: string) (key: string) (count: int64) =
    Array.append
        (tuple
            [
                text "storage"
                code $"ctorch\n{kind}\n"
                text key
                text "cpu"
                integer count
            ])
        (code "Q")

let private tensor storage (offset: int64) (shape: int64 list) (strides: int64 list) =
    call
        "torch._utils\n_rebuild_tensor_v2"
        [
            storage
            integer offset
            tuple (List.map integer shape)
            tuple (List.map integer strides)
            [| 0x89uy |]
            emptyDictionary
        ]

/// A zip archive, as anyone else would write it.
let private archive (path: string) (level: CompressionLevel) (members: (string * byte[]) list) =
    use stream = File.Create path
    use zip = new ZipArchive(stream, ZipArchiveMode.Create)

    for name, bytes in members do
        use target = zip.CreateEntry(name, level).Open()
        target.Write(ReadOnlySpan bytes)

let private plainArchive path members =
    archive path CompressionLevel.NoCompression members

/// The refusal of an archive with this pickle and one storage '0' of eight floats; None if it is accepted.
let private refused (value: byte[]) : string =
    let mutable problem = ""

    inFolder (fun folder ->
        let path = Path.Combine(folder, "bad.pth")
        plainArchive path [ "x/data.pkl", pickle value; "x/data/0", Array.zeroCreate 32 ]
        problem <- refusal path (fun () -> readAll path))

    problem

let private floats = storage "FloatStorage" "0" 8L
let private good = tensor floats 0L [ 2L; 4L ] [ 4L; 1L ]
let private repeat (count: int) (what: string) = code (String.replicate count what)

/// A value that is wrong in one way, and what the message must say.
let private wrongValues =
    let state value = dict' [ "a", value ]

    [
        "an instruction of protocol 0", code "I1\n", "instruction 0x49"
        "an extension code", [| 0x82uy; 1uy |], "instruction 0x82"
        "a protocol of the future", [| 0x80uy; 9uy |], "protocol 9"
        "nothing on the stack", code "", "empty stack"
        "a tuple of too little", code "N\x87", "empty stack"
        "no mark", code "Nt", "mark that is not there"
        "taking below a mark", code "N(\x85", "empty stack"
        "a memo entry never stored", code "h\x05", "never stored"
        "a list as key holder", code "](NNu", "no dictionary"
        "appending to a text", Array.append (text "a") (code "Na"), "no list"
        "a key without a value", code "}(Nu", "without a value"
        "a text beyond the end", code "X\xff\xff\xff\xff", "ends too early"
        "a text of 2^63 bytes", code "\x8d\x00\x00\x00\x00\x00\x00\x00\x80", "ends too early"
        "a name without an end", code ("c" + String('a', 600) + "\nb\n"), "without an end"
        "an integer of 2 GB", code "\x8b\xff\xff\xff\x7f", "integer of"
        "an integer of negative length", code "\x8b\xff\xff\xff\xff", "integer of"
        "a value that is no dictionary", integer 3L, "not a state dict"
        "a whole model", call "models\nNet" [], "an object of models.Net"
        "no tensor at all", dict' [ "epoch", integer 3L ], "has no tensors"
        "a key that is a number", Array.concat [ code "}("; integer 1L; good; code "u" ], "no text"
        "a name twice", dict' [ "a", good; "a", good ], "'a' twice"
        "a call in the state dict", state (call "__builtin__\neval" [ text "1" ]), "made by __builtin__.eval"
        "a tensor of wrong arguments",
        state (call "torch._utils\n_rebuild_tensor_v2" [ integer 1L ]),
        "_rebuild_tensor_v2"
        "complex numbers", state (tensor (storage "ComplexFloatStorage" "0" 4L) 0L [ 4L ] [ 1L ]), "_rebuild_tensor_v2"
        "untyped numbers", state (tensor (storage "UntypedStorage" "0" 32L) 0L [ 4L ] [ 1L ]), "does not say"
        "a storage that is missing",
        state (tensor (storage "FloatStorage" "7" 8L) 0L [ 8L ] [ 1L ]),
        "'7', which is missing"
        "a storage that is shorter", state (tensor (storage "FloatStorage" "0" 9L) 0L [ 8L ] [ 1L ]), "it has 32 bytes"
        "a storage that is longer", state (tensor (storage "FloatStorage" "0" 7L) 0L [ 7L ] [ 1L ]), "it has 32 bytes"
        "a storage of 2^63 bytes",
        state (tensor (storage "FloatStorage" "0" 0x2000000000000008L) 0L [ 8L ] [ 1L ]),
        "it has 32 bytes"
        "a storage with two types",
        dict' [ "a", good; "b", tensor (storage "IntStorage" "0" 8L) 0L [ 8L ] [ 1L ] ],
        "in two ways"
        "an offset beyond the end", state (tensor floats 1L [ 8L ] [ 1L ]), "reaches beyond"
        "a negative offset", state (tensor floats -1L [ 2L ] [ 1L ]), "reaches beyond"
        "a stride beyond the end", state (tensor floats 0L [ 2L; 4L ] [ 5L; 1L ]), "reaches beyond"
        "a negative stride", state (tensor floats 7L [ 8L ] [ -1L ]), "reaches beyond"
        "strides that overflow",
        state (tensor floats 0L [ 3L; 3L ] [ Int64.MaxValue; Int64.MaxValue ]),
        "reaches beyond"
        "an offset that overflows", state (tensor floats Int64.MaxValue [ 2L ] [ 1L ]), "reaches beyond"
        "fewer strides than sizes", state (tensor floats 0L [ 2L; 4L ] [ 4L ]), "reaches beyond"
        "a negative size", state (tensor floats 0L [ -2L ] [ 1L ]), "impossible shape"
        "sizes that overflow", state (tensor floats 0L [ 1L <<< 32; 1L <<< 32 ] [ 0L; 0L ]), "impossible shape"
        "one number repeated 2^40 times", state (tensor floats 0L [ 1L <<< 40 ] [ 0L ]), "repeat the same numbers"
        "one number repeated 2^60 times",
        dict' [ "a", good; "b", tensor floats 0L [ 1L <<< 60 ] [ 0L ] ],
        "repeat the same"
        "one storage repeated by a thousand names",
        dict' [ for i in 1..1000 -> $"{i}", tensor floats 0L [ 65536L ] [ 0L ] ],
        "repeat the same numbers"
        "metadata that contain themselves",
        Array.concat
            [
                code "}("
                text "state_dict"
                dict' [ "a", good ]
                text "meta"
                code "]q\x00h\x00a"
                code "u"
            ],
        "contain themselves"
        "metadata nested deeply",
        dict'
            [
                "state_dict", dict' [ "a", good ]
                "meta", Array.append (code ")") (repeat 1_000_000 "\x85")
            ],
        "than any checkpoint"
        "metadata nested somewhat deeply",
        dict'
            [
                "state_dict", dict' [ "a", good ]
                "meta", Array.append (code ")") (repeat 1_000 "\x85")
            ],
        "contain themselves"
        "metadata that double 40 times",
        dict'
            [
                "state_dict", dict' [ "a", good ]
                "meta", Array.append (code "]") (repeat 30 "q\x00h\x00\x86")
            ],
        "than any checkpoint"
        "a million dictionaries", Array.append (repeat 1_000_000 "}0") (dict' [ "a", good ]), "than any checkpoint"
        "a million marks", repeat 1_000_000 "(", "on its stack"
        "a million values", repeat 1_000_000 "N", "on its stack"
        "a million memo entries",
        Array.append
            (code "N")
            (Array.concat [ for i in 0..999_999 -> Array.append (code "r") (BitConverter.GetBytes i) ]),
        "than any checkpoint"
        "a list that grows and grows", Array.append (code "]q\x00") (repeat 3_000_000 "h\x00a"), "than any checkpoint"
    ]

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

/// Nothing that a hostile file wants may happen: its command would create this file.
let private withoutSideEffect (test: unit -> unit) =
    let mark = "/tmp/pwned"
    Expect.isFalse (File.Exists mark) $"{mark} must not exist before"
    test ()
    Expect.isFalse (File.Exists mark) $"{mark} was created"

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

let private archives =
    let state = pickle (dict' [ "a", good ])
    let numbers = "x/data/0", Array.zeroCreate 32

    let check name expected (write: string -> unit) =
        testCase name (fun () ->
            inFolder (fun folder ->
                let path = Path.Combine(folder, "a.pth")
                write path
                Expect.stringContains (refusal path (fun () -> readAll path)) expected "message"))

    /// An archive with one byte of a header changed, counted from the last appearance of a signature.
    let patched (signature: string) offset (value: byte) path =
        plainArchive path [ "x/data.pkl", state; numbers ]
        let bytes = File.ReadAllBytes path

        let at =
            (Encoding.Latin1.GetString bytes).LastIndexOf(signature, StringComparison.Ordinal)

        bytes[at + offset] <- value
        File.WriteAllBytes(path, bytes)

    testList
        "refused archive"
        [
            check "compressed" "is compressed" (fun path ->
                archive path CompressionLevel.Optimal [ "x/data.pkl", state; numbers ])
            check "without data.pkl" "has 0 data.pkl" (fun path -> plainArchive path [ numbers ])
            check "with two data.pkl" "has 2 data.pkl" (fun path ->
                plainArchive path [ "x/data.pkl", state; "y/data.pkl", state ])
            check "with two members of one name" "two members" (fun path ->
                plainArchive path [ "x/data.pkl", state; numbers; numbers ])
            check "a TorchScript program" "TorchScript" (fun path ->
                plainArchive path [ "x/data.pkl", state; "x/constants.pkl", state; numbers ])
            check "big-endian" "big-endian" (fun path ->
                plainArchive path [ "x/data.pkl", state; "x/byteorder", code "big"; numbers ])
            check "encrypted" "encrypted" (patched "PK\001\002" 8 1uy)
            check "a member beyond the end" "broken" (patched "PK\001\002" 45 0x7fuy)
            check "a member elsewhere" "does not lie where" (patched "PK\001\002" 42 1uy)
            check "numbers that do not fit their check sum" "check sum of 'x/data/0'" (patched "PK\001\002" 16 1uy)
            check "a directory beyond the end" "inside the file" (patched "PK\005\006" 15 0x7fuy)
            check "more members than the directory has" "ends too early" (patched "PK\005\006" 10 9uy)
            check "several disks" "inside the file" (patched "PK\005\006" 4 1uy)
            check "text" "is no PyTorch checkpoint" (fun path -> File.WriteAllText(path, "weights"))
            check "PyTorch's oldest format" "is no PyTorch checkpoint" (fun path ->
                File.WriteAllText(path, "sys_info\000\000"))
        ]

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

let private writer =
    let types =
        Enum.GetValues<ElementType>()
        |> Array.except [ ElementType.UInt16; ElementType.UInt32; ElementType.UInt64 ]

    let tensors =
        Gen.listOf (
            gen {
                let! kind = Gen.elements types
                let! shape = Gen.arrayOfLength 3 (Gen.choose (0, 4) |> Gen.map int64)
                let! rank = Gen.choose (0, 3)
                let shape = shape[.. rank - 1]

                let count =
                    Array.fold (fun product size -> product * int size) 1 shape * kind.ByteSize()

                let! bytes =
                    Gen.arrayOfLength
                        count
                        (Gen.choose (0, (if kind = ElementType.Bool then 1 else 255)) |> Gen.map byte)

                return kind, shape, bytes
            }
        )

    testList
        "writer"
        [
            testCase "what is written is read again, aligned, and by other zip readers too" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.pth")

                    let roundTrip (given: (ElementType * int64[] * byte[]) list) =
                        let given =
                            (ElementType.Int64, [||], Array.init 8 byte) :: given
                            |> List.mapi (fun i t -> $"w.{i}\u00e9", t)

                        let list =
                            [|
                                for name, (kind, shape, bytes) in given -> TensorToWrite.Of(name, kind, shape, bytes)
                            |]

                        PthWriter.Write(path, list)

                        let again =
                            use file = PthFile.Open path
                            Expect.isFalse (file.Metadata.Count > 0) "no metadata"
                            [ for t in file.Tensors -> t.Name, (t.Type, Seq.toArray t.Shape, t.ToArray()) ]

                        use zip = ZipFile.OpenRead path

                        for i, (_, (_, _, bytes)) in List.indexed given do
                            use stream = zip.GetEntry($"archive/data/{i}").Open()
                            let copy = new MemoryStream()
                            stream.CopyTo copy
                            Expect.equal (copy.ToArray()) bytes "as another reader sees it"

                        let first = File.ReadAllBytes path
                        PthWriter.Write(path, list)
                        again = given && File.ReadAllBytes path = first

                    Check.One(Config.QuickThrowOnFailure.WithMaxTest 50, Prop.forAll (Arb.fromGen tensors) roundTrip)))

            testCase "members start at multiples of 64 bytes" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.pth")

                    PthWriter.Write(
                        path,
                        [|
                            for i in 0..20 ->
                                TensorToWrite.Of(String('n', i), ElementType.UInt8, [| int64 i |], Array.zeroCreate i)
                        |]
                    )

                    let bytes = File.ReadAllBytes path
                    let mutable at = 0
                    let mutable members = 0

                    while BitConverter.ToUInt32(bytes, at) = 0x04034b50u do
                        let start =
                            at
                            + 30
                            + int (BitConverter.ToUInt16(bytes, at + 26))
                            + int (BitConverter.ToUInt16(bytes, at + 28))

                        Expect.equal (start % 64) 0 "start"
                        at <- start + int (BitConverter.ToUInt32(bytes, at + 18))
                        members <- members + 1

                    Expect.equal members 24 "members"))

            testCase "metadata come back as they were" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.pth")

                    let meta =
                        """{"epoch":12,"iter":-90000,"big":9007199254740993,"small":65535,"lr":2.5E-05,"ok":true,"no":false,"none":null,"dataset_meta":{"CLASSES":["cat","\u00e9\ud83d\ude00"],"PALETTE":[[1,2,3],[]]},"empty":{}}"""

                    PthWriter.Write(
                        path,
                        [| TensorToWrite.Of("w", ElementType.UInt8, [| 1L |], [| 7uy |]) |],
                        JsonNode.Parse(meta).AsObject()
                    )

                    use file = PthFile.Open path
                    Expect.isTrue (JsonNode.DeepEquals(file.Metadata["meta"], JsonNode.Parse meta)) "meta"
                    Expect.sequenceEqual file.Classes [ "cat"; "\u00e9\U0001F600" ] "classes"
                    Expect.equal (file["w"].ToArray()) [| 7uy |] "values"))

            testCase "the pickle of one tensor has exactly these bytes" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.pth")

                    PthWriter.Write(
                        path,
                        [|
                            TensorToWrite.Of("w", ElementType.Float32, [| 2L; 300L |], Array.zeroCreate 2400)
                        |]
                    )

                    use zip = ZipFile.OpenRead path
                    use stream = zip.GetEntry("archive/data.pkl").Open()
                    let copy = new MemoryStream()
                    stream.CopyTo copy

                    let expected =
                        "\x80\x02ccollections\nOrderedDict\nr\x00\x00\x00\x00)R(X\x01\x00\x00\x00w"
                        + "ctorch._utils\n_rebuild_tensor_v2\nr\x01\x00\x00\x00((X\x07\x00\x00\x00storager\x02\x00\x00\x00"
                        + "ctorch\nFloatStorage\nr\x03\x00\x00\x00X\x01\x00\x00\x000X\x03\x00\x00\x00cpur\x04\x00\x00\x00M\x58\x02tQ"
                        + "K\x00(K\x02M\x2c\x01t(M\x2c\x01K\x01t\x89j\x00\x00\x00\x00)RtRu."

                    Expect.equal (Encoding.Latin1.GetString(copy.ToArray())) expected "pickle"))

            testCase "types and names that cannot be written are refused" (fun () ->
                let one name kind =
                    TensorToWrite.Of(name, kind, [| 1L |], Array.zeroCreate 8)

                for list in
                    [
                        [| one "a" ElementType.UInt64 |]
                        [| one "a" ElementType.Int64; one "a" ElementType.Int64 |]
                    ] do
                    Expect.throwsT<ArgumentException> (fun () -> PthWriter.Write("unused", list)) "refused")
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
            testList
                "refused pickle"
                [
                    for name, value, expected in wrongValues ->
                        testCase name (fun () ->
                            let before = GC.GetAllocatedBytesForCurrentThread()
                            Expect.stringContains (refused value) expected "message"
                            let spent = GC.GetAllocatedBytesForCurrentThread() - before
                            // Twice the value: the archive is made in memory too.
                            Expect.isLessThan spent (int64 value.Length * 4L + (64L <<< 20)) "memory")
                ]
            archives
            layouts
            writer
        ]
