/// What must never happen to a checkpoint: half of it, numbers that are not finite in it, a lock on it while training goes on.
module DeqDet.Tests.SavingTests

open System
open System.IO
open System.Text.Json.Nodes
open Expecto
open TorchSharp
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.FullDisk

let private info =
    CheckpointInfo("{}", [||], CheckpointProgress(1, 2L), 3UL, "test", JsonObject())

let private floating =
    [ torch.float16; torch.bfloat16; torch.float32; torch.float64 ]

let private notFinite = [ nan; infinity; -infinity ]

/// A tensor of 100,000 zeros but for one number.
let private holding (dtype: torch.ScalarType) (value: float) (at: int64) =
    let numbers = torch.zeros (100_000L, dtype = dtype)
    numbers[at] <- torch.tensor (value, dtype = dtype)
    numbers

let private failing =
    testList
        "a full disk, whichever byte is the last,"
        [
            for name, write in
                [
                    "safetensors",
                    (fun (stream: Stream) tensors ->
                        SafetensorsWriter.Write(stream, tensors, readOnlyDict [ "k", "v" ]))
                    "pth",
                    (fun stream tensors ->
                        PthWriter.Write(stream, tensors, JsonNode.Parse("""{"epoch":1}""").AsObject()))
                ] do
                testCase $"leaves the old {name} and nothing else" (fun () ->
                    inFolder (fun folder ->
                        let path = Path.Combine(folder, "a")
                        let old = [| 1uy; 2uy; 3uy |]
                        File.WriteAllBytes(path, old)

                        let tensors =
                            [|
                                TensorToWrite.Of("a", ElementType.Float32, [| 3L |], Array.init 12 byte)
                                TensorToWrite.Of("b", ElementType.UInt8, [| 0L; 2L |], [||])
                                TensorToWrite.Of("c", ElementType.Int64, [||], Array.init 8 byte)
                            |]

                        let whole = new MemoryStream()
                        write whole tensors

                        for room in 0L .. whole.Length - 1L do
                            let refused =
                                try
                                    AtomicFile.Write(path, (fun stream -> write (new FullDisk(stream, room)) tensors))
                                    false
                                with :? InputError ->
                                    true

                            Expect.isTrue refused $"{room} bytes"
                            Expect.equal (File.ReadAllBytes path) old "the old file"
                            Expect.equal (Directory.GetFileSystemEntries folder) [| path |] "nothing else"

                        AtomicFile.Write(path, (fun stream -> write stream tensors))
                        Expect.equal (File.ReadAllBytes path) (whole.ToArray()) "with enough room"))
        ]

let private finite =
    testList
        "numbers that are not finite"
        [
            testCase "are found wherever they stand, in every floating-point type" (fun () ->
                inFolder (fun folder ->
                    use _ = torch.NewDisposeScope()
                    let path = Path.Combine(folder, "a.safetensors")

                    let given =
                        [|
                            for dtype in floating do
                                $"{dtype} finite", torch.full ([| 777L |], 60000.0.ToScalar(), dtype = dtype)
                                $"{dtype} smallest", torch.full ([| 3L |], 1e-45.ToScalar(), dtype = dtype)

                                for value in notFinite do
                                    for at in [ 0L; 1L; 49_999L; 99_999L ] do
                                        $"{dtype} {value} {at}", holding dtype value at
                            "integer", torch.full ([| 9L |], Int64.MaxValue.ToScalar(), dtype = torch.int64)
                            "truth", torch.ones (9L, dtype = torch.bool)
                            "none", torch.empty (0L)
                        |]

                    let wrong =
                        [
                            for name, _ in given do
                                if name.Contains "NaN" || name.Contains "∞" || name.Contains "Infinity" then
                                    name
                        ]

                    Expect.equal wrong.Length (4 * 3 * 4) "as many as were made"
                    let pairs = [| for name, tensor in given -> struct (name, tensor) |]
                    Expect.sequenceEqual (FiniteNumbers.NotFinite pairs) wrong "tensors"
                    SafetensorsWriter.Write(path, [| for name, tensor in given -> Tensors.ToWrite(name, tensor) |])
                    use file = SafetensorsFile.Open path
                    Expect.sequenceEqual (FiniteNumbers.NotFinite file.Tensors) wrong "stored"))

            testCase "are not loaded, and every tensor that holds them is named" (fun () ->
                inFolder (fun folder ->
                    use _ = torch.NewDisposeScope()
                    let path = Path.Combine(folder, "a.safetensors")

                    let given =
                        [
                            "a.weight", torch.ones (3L)
                            "a.running_var", holding torch.float32 nan 7L
                            "b.weight", holding torch.float16 infinity 99_999L
                            "dead", holding torch.float32 nan 0L
                        ]

                    SafetensorsWriter.Write(path, [| for name, tensor in given -> Tensors.ToWrite(name, tensor) |])
                    use file = SafetensorsFile.Open path

                    let expected =
                        [|
                            for name, tensor in given ->
                                ExpectedTensor(name, tensor.shape, ElementType.Float32, Needed = (name <> "dead"))
                        |]

                    let before = liveTensors ()
                    let problem = refusal path (fun () -> Weights.Load(file, expected) |> ignore)
                    Expect.stringContains problem "2 tensors hold NaN or infinity (a.running_var, b.weight)" "message"
                    Expect.equal (liveTensors ()) before "no tensor is left"

                    let one = expected |> Array.filter (fun tensor -> tensor.Name <> "b.weight")

                    let stored =
                        file.Tensors
                        |> Seq.filter (fun tensor -> tensor.Name <> "b.weight")
                        |> Seq.toArray

                    Expect.stringContains
                        (refusal path (fun () -> Weights.Load(path, stored, one) |> ignore))
                        "tensor 'a.running_var' holds NaN or infinity"
                        "one"))

            testCase "are not made by a narrower type" (fun () ->
                inFolder (fun folder ->
                    use _ = torch.NewDisposeScope()
                    let path = Path.Combine(folder, "a.safetensors")
                    SafetensorsWriter.Write(path, [| Tensors.ToWrite("w", holding torch.float64 1e300 5L) |])
                    use file = SafetensorsFile.Open path

                    let expected kind =
                        [| ExpectedTensor("w", [| 100_000L |], kind) |]

                    let before = liveTensors ()

                    Expect.stringContains
                        (refusal path (fun () -> Weights.Load(file, expected ElementType.Float32) |> ignore))
                        "tensor 'w' holds numbers that are too large for the type F32"
                        "message"

                    Expect.equal (liveTensors ()) before "no tensor is left"
                    Expect.equal (Weights.Load(file, expected ElementType.Float64)).Count 1 "as they are"))

            testCase "are not saved, and the old checkpoint stays" (fun () ->
                inFolder (fun folder ->
                    use _ = torch.NewDisposeScope()
                    let path = Path.Combine(folder, "latest.safetensors")
                    let good = struct ("a.weight", torch.ones (3L))
                    CheckpointFile.Write(path, [| good |], info)
                    let before = File.ReadAllBytes path
                    let bad = holding torch.float32 -infinity 3L
                    let live = liveTensors ()

                    for name in [ "a.running_var"; "optimiser.exp_avg.a.weight" ] do
                        Expect.stringContains
                            (refusal path (fun () -> CheckpointFile.Write(path, [| good; struct (name, bad) |], info)))
                            $"is not written: tensor '{name}' holds NaN or infinity"
                            "message"

                    Expect.equal (liveTensors ()) live "no tensor is left"
                    Expect.equal (File.ReadAllBytes path) before "the old file"
                    Expect.equal (Directory.GetFileSystemEntries folder) [| path |] "nothing else"))
        ]

[<Tests>]
let tests = testList "saving" [ failing; finite ]
