module DeqDet.Tests.CheckpointTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json.Nodes
open Expecto
open TorchSharp
open DeqDet
open DeqDet.Model
open DeqDet.Checkpoints
open DeqDet.Detection
open DeqDet.Tests.CheckpointFiles

let private info =
    CheckpointInfo(
        """{"model":{"queries":100}}""",
        [|
            { Id = CocoId 1L; Name = "cat" }
            {
                Id = CocoId 90_000_000_000L
                Name = "\u00e9\""
            }
            { Id = CocoId "1"; Name = "text" }
        |],
        CheckpointProgress(3, 12_345_678_901L),
        UInt64.MaxValue,
        "0.1.0",
        JsonNode.Parse("""{"images":2000,"threads":2}""").AsObject()
    )

let private expected name shape kind =
    ExpectedTensor(name, List.toArray shape, kind)

let private same (a: torch.Tensor) (b: torch.Tensor) =
    a.dtype = b.dtype && a.shape = b.shape && a.eq(b).all().ToBoolean()

[<Tests>]
let tests =
    testList
        "checkpoint"
        [
            testCase "weights, state and information come back, whatever the order" (fun () ->
                inFolder (fun folder ->
                    use _ = torch.NewDisposeScope()
                    let path = Path.Combine(folder, "epoch_3.safetensors")
                    let weight = torch.randn(3L, 4L).requires_grad_()
                    let average = torch.randn (3L, 4L)
                    let order = torch.arange 5L

                    CheckpointFile.Write(
                        path,
                        [
                            struct ("optimiser.exp_avg.neck.weight", average)
                            struct ("neck.weight", weight)
                            struct ("training.order", order)
                        ],
                        info
                    )

                    use file = CheckpointFile.Open path
                    Expect.sequenceEqual (file.Weights |> Seq.map _.Name) [ "neck.weight" ] "weights"
                    Expect.isTrue (same (Tensors.Load file.Weights[0]) weight) "values of the weights"

                    Expect.sequenceEqual
                        (file.State |> Seq.map _.Name)
                        [ "optimiser.exp_avg.neck.weight"; "training.order" ]
                        "state"

                    Expect.isTrue (same (Tensors.Load file.State[0]) average) "values of the averages"
                    Expect.isTrue (same (Tensors.Load file.State[1]) order) "values of the order"
                    Expect.equal file.Info.Settings info.Settings "settings"
                    Expect.sequenceEqual file.Info.Classes info.Classes "classes"
                    Expect.equal file.Info.Progress info.Progress "progress"
                    Expect.equal file.Info.Seed info.Seed "seed"
                    Expect.equal file.Info.Version info.Version "version"
                    Expect.isTrue (JsonNode.DeepEquals(file.Info.Training, info.Training)) "training"))

            testList
                "information that is missing or damaged is refused"
                [
                    for key, value, expected in
                        [
                            "format", null, "no DeqDet checkpoint"
                            "format", "pt", "no DeqDet checkpoint"
                            "format",
                            "deqdet-checkpoint-2",
                            $"newer version of this program ({info.Version}), in format 2"
                            "format", "deqdet-checkpoint-", "damaged"
                            "format", "deqdet-checkpoint-0", "damaged"
                            "format", "deqdet-checkpoint--1", "damaged"
                            "settings", null, "no 'settings'"
                            "classes", null, "no 'classes'"
                            "classes", "[", "damaged"
                            "classes", """[{"id":1}]""", "damaged"
                            "classes", """[{"id":1,"name":null}]""", "damaged"
                            "classes", "null", "damaged"
                            "progress", """{"epoch":1.5,"step":1}""", "damaged"
                            "progress", "[]", "damaged"
                            "seed", "-1", "damaged"
                            "seed", "99999999999999999999", "damaged"
                            "training", "3", "damaged"
                        ] do
                        let shown = if isNull value then "absent" else value

                        testCase $"{key}: {shown}" (fun () ->
                            inFolder (fun folder ->
                                let path = Path.Combine(folder, "a.safetensors")
                                let metadata = Dictionary<string, string>(info.ToMetadata())
                                metadata.Remove key |> ignore

                                if not (isNull value) then
                                    metadata[key] <- value

                                SafetensorsWriter.Write(path, [||], metadata)
                                let open' () = (CheckpointFile.Open path).Dispose()
                                Expect.stringContains (refusal path open') expected "message"))
                ]

            testCase "everything that does not fit is said at once, and nothing is loaded" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.safetensors")

                    let one name kind =
                        TensorToWrite.Of(name, kind, [| 2L |], Array.zeroCreate (2 * kind.ByteSize()))

                    SafetensorsWriter.Write(
                        path,
                        [|
                            one "good" ElementType.Float32
                            one "shape" ElementType.Float32
                            one "kind" ElementType.Int64
                            one "extra1" ElementType.Float32
                            one "extra2" ElementType.Float32
                        |]
                    )

                    use file = SafetensorsFile.Open path

                    let wanted =
                        [|
                            expected "good" [ 2L ] ElementType.Float32
                            expected "shape" [ 1L; 2L ] ElementType.Float32
                            expected "kind" [ 2L ] ElementType.Float32
                            expected "absent1" [ 7L ] ElementType.Float32
                            expected "absent2" [] ElementType.Int64
                            ExpectedTensor("dead", [| 9L |], ElementType.Float32, false)
                        |]

                    let before = liveTensors ()
                    let problem = refusal path (fun () -> Weights.Load(file, wanted) |> ignore)
                    Expect.equal (liveTensors ()) before "no tensor was made"

                    let list = problem.Split '\n' |> Array.skip 1 |> Array.map _.Trim()

                    Expect.sequenceEqual
                        list
                        [
                            "missing (2):"
                            "absent1 [7]"
                            "absent2 []"
                            "unexpected (2):"
                            "extra1 [2]"
                            "extra2 [2]"
                            "of another shape or kind (2):"
                            "shape is F32 [2], should be F32 [1, 2]"
                            "kind is I64 [2], should be F32 [2]"
                        ]
                        "message"))

            testCase "weights are loaded in the wanted precision, dead ones left alone" (fun () ->
                inFolder (fun folder ->
                    use _ = torch.NewDisposeScope()
                    let path = Path.Combine(folder, "a.pth")
                    let half = torch.tensor([| 1.5f; -2f |]).to_type torch.float16

                    PthWriter.Write(
                        path,
                        [|
                            Tensors.ToWrite("half", half)
                            Tensors.ToWrite("count", torch.tensor ([| 3 |]))
                            Tensors.ToWrite("dead", torch.zeros (1000L))
                        |]
                    )

                    use file = TensorFile.Open path

                    let wanted =
                        [|
                            expected "half" [ 2L ] ElementType.Float32
                            expected "count" [ 1L ] ElementType.Int64
                            ExpectedTensor("dead", [| 9L |], ElementType.Float32, false)
                        |]

                    let before = liveTensors ()
                    let loaded = Weights.Load(file, wanted)
                    Expect.equal (liveTensors () - before) 2L "two tensors and no others"
                    Expect.isTrue (same loaded["half"] (torch.tensor [| 1.5f; -2f |])) "half"
                    Expect.isTrue (same loaded["count"] (torch.tensor [| 3L |])) "count"

                    for tensor in loaded.Values do
                        tensor.Dispose()))

            testCase "nothing is left behind when a number turns out to be damaged" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.safetensors")

                    SafetensorsWriter.Write(
                        path,
                        [|
                            TensorToWrite.Of("a", ElementType.Float32, [| 1L |], Array.zeroCreate 4)
                            TensorToWrite.Of("b", ElementType.Bool, [| 1L |], [| 9uy |])
                        |]
                    )

                    use file = SafetensorsFile.Open path

                    let wanted =
                        [|
                            expected "a" [ 1L ] ElementType.Float32
                            expected "b" [ 1L ] ElementType.Bool
                        |]

                    let before = liveTensors ()
                    refusal path (fun () -> Weights.Load(file, wanted) |> ignore) |> ignore
                    Expect.equal (liveTensors ()) before "no tensor is left"))

            testCase "a model's list of tensors is what its checkpoint must hold" (fun () ->
                let spec name role integer =
                    {
                        Name = name
                        Shape = [| 2L |]
                        Role = role
                        Trainable = false
                        Initialiser = Constant 0.0
                        Integer = integer
                    }

                let describe (spec: Spec) =
                    let e = ExpectedWeights.ofSpec spec
                    e.Name, Seq.toList e.Shape, e.Type, e.Needed

                Expect.equal
                    (describe (spec "w" Role.Parameter false))
                    ("w", [ 2L ], ElementType.Float32, true)
                    "parameter"

                Expect.equal (describe (spec "n" Role.Buffer true)) ("n", [ 2L ], ElementType.Int64, true) "buffer"

                let dead =
                    ExpectedWeights.ofOfficial
                        {
                            Spec = spec "d" Role.Parameter false
                            Dead = true
                        }

                Expect.isFalse dead.Needed "dead")

            testCase "files are told apart by what they hold" (fun () ->
                inFolder (fun folder ->
                    let one = [| TensorToWrite.Of("w", ElementType.UInt8, [| 1L |], [| 7uy |]) |]

                    let first, second =
                        Path.Combine(folder, "a.pth"), Path.Combine(folder, "b.safetensors")

                    SafetensorsWriter.Write(first, one)
                    PthWriter.Write(second, one)

                    for path in [ first; second ] do
                        use file = TensorFile.Open path
                        Expect.equal (file.Find("w").ToArray()) [| 7uy |] path

                    let neither = Path.Combine(folder, "c")
                    File.WriteAllText(neither, "neither of the two")
                    refusal neither (fun () -> (TensorFile.Open neither).Dispose()) |> ignore))
        ]
