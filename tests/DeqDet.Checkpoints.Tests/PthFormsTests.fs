/// Forms in which PyTorch writes tensors and files. Files/ holds what PyTorch 1.13 wrote.
module DeqDet.Tests.PthFormsTests

open System
open System.IO
open System.Reflection
open Expecto
open DeqDet.Checkpoints
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.PthBytes

/// Puts one of the files into a folder.
let private withFile (name: string) (test: string -> unit) =
    inFolder (fun folder ->
        let path = Path.Combine(folder, name)
        let assembly = Assembly.GetExecutingAssembly()

        do
            use source =
                assembly.GetManifestResourceStream $"{assembly.GetName().Name}.Files.{name}"

            use target = File.Create path
            source.CopyTo target

        test path)

let private floatsOf (tensor: StoredTensor) =
    tensor.ToArray() |> Array.chunkBySize 4 |> Array.map BitConverter.ToSingle

let private expectPyTorchs (file: PthFile) =
    let expected =
        [
            "plain", [ 2L; 3L ], [| 0f; 1f; 2f; 3f; 4f; 5f |]
            "view", [ 2L; 3L ], [| 6f; 8f; 10f; 12f; 14f; 16f |]
            "subclass", [ 3L ], [| 0f; 1f; 2f |]
            "parameter", [ 2L ], [| 0f; 1f |]
            "subclass of a parameter", [ 4L ], [| 0f; 1f; 2f; 3f |]
        ]

    Expect.sequenceEqual
        (file.Tensors |> Seq.map _.Name)
        ((expected |> List.map (fun (name, _, _) -> name)) @ [ "scalar"; "bfloat16" ])
        "names"

    for name, shape, values in expected do
        Expect.sequenceEqual file[name].Shape shape name
        Expect.equal (floatsOf file[name]) values name

    Expect.equal (file["scalar"].ToArray()) (BitConverter.GetBytes 7L) "scalar"

    Expect.equal (file["bfloat16"].ToArray()) [| 0uy; 0uy; 0x80uy; 0x3fuy; 0uy; 0x40uy; 0x40uy; 0x40uy |] "bfloat16"

    let meta = file.Metadata["meta"].AsObject()
    Expect.equal (meta["epoch"].GetValue<int64>()) 3L "epoch"

    Expect.equal
        (meta["long"].AsArray() |> Seq.map _.GetValue<int64>() |> Seq.toList)
        [ 0L .. 299L ]
        "a tuple of 300 numbers"

    Expect.equal (meta["text"].GetValue<string>()) (String('x', 300)) "a text of 300 bytes"

let private readOne value (expect: PthFile -> unit) =
    inFolder (fun folder ->
        let path = Path.Combine(folder, "a.pth")
        plainArchive path [ "x/data.pkl", pickle value; "x/data/0", Array.init 32 byte ]
        use file = PthFile.Open path
        expect file)

let private problem value =
    let mutable problem = ""

    inFolder (fun folder ->
        let path = Path.Combine(folder, "a.pth")
        plainArchive path [ "x/data.pkl", pickle value; "x/data/0", Array.zeroCreate 32 ]
        problem <- refusal path (fun () -> readAll path))

    problem

let private tensorArguments =
    [
        floats
        integer 0L
        tuple [ integer 2L; integer 4L ]
        tuple [ integer 4L; integer 1L ]
        [| 0x89uy |]
        emptyDictionary
    ]

let private fromType form maker arguments =
    call
        $"torch._tensor\n{form}"
        [
            code $"c{maker}\n"
            code "cboxes\nBoxes\n"
            tuple arguments
            dict' [ "canvas", code "N" ]
        ]

let private subclasses =
    testList
        "an instance of a subclass of Tensor"
        [
            for form in [ "_rebuild_from_type"; "_rebuild_from_type_v2" ] do
                testCase $"by {form} is read as the tensor inside" (fun () ->
                    let inner = fromType form "torch._utils\n_rebuild_tensor_v2" tensorArguments

                    readOne (dict' [ "a", inner ]) (fun file ->
                        Expect.sequenceEqual file["a"].Shape [ 2L; 4L ] "shape"
                        Expect.equal (file["a"].ToArray()) (Array.init 32 byte) "values"))

            testCase "may be a parameter, and a parameter may have a state" (fun () ->
                let parameter =
                    fromType
                        "_rebuild_from_type_v2"
                        "torch._utils\n_rebuild_parameter"
                        [ good; code "\x88"; emptyDictionary ]

                let withState =
                    call
                        "torch._utils\n_rebuild_parameter_with_state"
                        [ good; code "\x88"; emptyDictionary; dict' [ "hook", call "my\nHook" [] ] ]

                readOne (dict' [ "a", parameter; "b", withState ]) (fun file ->
                    for name in [ "a"; "b" ] do
                        Expect.equal (file[name].ToArray()) (Array.init 32 byte) name))

            testCase "made by something else is refused by the name of that" (fun () ->
                let wrong = fromType "_rebuild_from_type_v2" "os\nsystem" [ text "true" ]

                Expect.stringContains
                    (problem (dict' [ "good", good; "a", wrong ]))
                    "'a' in its state dict is made by os.system"
                    "message")

            testCase "in an instance in an instance, a hundred thousand times, is no danger" (fun () ->
                let depth = 100_000

                // (function, class, arguments, state), where the arguments are again such a tuple.
                let nested =
                    Array.concat
                        [
                            code "ctorch._tensor\n_rebuild_from_type_v2\nq\x01"
                            repeat depth "(h\x01h\x01"
                            code ")"
                            repeat depth "}t"
                            code "R"
                        ]

                problem (dict' [ "good", good; "a", nested ]) |> ignore)
        ]

let private refusals =
    testList
        "is refused by name:"
        [
            for file, name, expected in
                [
                    "quantised.pth", "q", "_rebuild_qtensor (a quantised tensor"
                    "sparse.pth", "s", "_rebuild_sparse_tensor (a sparse tensor"
                    "meta.pth", "m", "_rebuild_meta_tensor_no_storage (a tensor on the meta device"
                ] do
                testCase file (fun () ->
                    withFile file (fun path ->
                        let message = refusal path (fun () -> readAll path)
                        Expect.stringContains message expected "what it is"
                        Expect.stringContains message $"'{name}'" "which it is"))

            testCase "numbers that are to be read with the other sign" (fun () ->
                let negative marks =
                    call "torch._utils\n_rebuild_tensor_v2" (tensorArguments @ [ marks ])

                Expect.stringContains
                    (problem (dict' [ "a", negative (dict' [ "neg", code "\x88" ]) ]))
                    "'a', made by torch._utils._rebuild_tensor_v2"
                    "neg"

                for none in [ code "N"; code "}" ] do
                    readOne (dict' [ "a", negative none ]) (fun file ->
                        Expect.equal (file["a"].ToArray()) (Array.init 32 byte) "no marks"))

            testCase "a stream of texts" (fun () ->
                withFile "stream0.pth" (fun path ->
                    Expect.stringContains (refusal path (fun () -> readAll path)) "protocol 0 or 1" "message"))

            testCase "a whole model" (fun () ->
                let whole = dict' [ "epoch", integer 3L; "model", call "models\nNet" [] ]
                let message = problem whole
                Expect.stringContains message "'epoch', 'model', made by models.Net" "keys"
                Expect.stringContains message "save the state_dict() instead" "remedy")
        ]

[<Tests>]
let tests =
    testList
        "pth forms"
        [
            for name in [ "stream3.pth"; "stream4.pth"; "stream5.pth"; "archive4.pth" ] do
                testCase $"{name} is read" (fun () ->
                    withFile name (fun path ->
                        use file = PthFile.Open path
                        expectPyTorchs file))

                testCase $"{name} is refused wherever it is cut off" (fun () ->
                    withFile name (fun path ->
                        let whole = File.ReadAllBytes path

                        for length in 0 .. whole.Length - 1 do
                            File.WriteAllBytes(path, whole[.. length - 1])
                            refusal path (fun () -> readAll path) |> ignore))

            testCase "random damage to stream4.pth is refused or harmless" (fun () ->
                withFile "stream4.pth" (fun path ->
                    let whole = File.ReadAllBytes path
                    let folder = Path.GetDirectoryName path
                    let accepted = acceptedAfterDamage 13 damagedCopies whole readAll folder
                    Expect.isLessThan accepted (damagedCopies * 4 / 5) "much damage is noticed"
                    Expect.isGreaterThan accepted 0 "some is harmless"))

            subclasses
            refusals
        ]
