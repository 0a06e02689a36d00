/// TorchSharp.PyBridge as a second reader and writer of the same formats: what one writes, the other reads to the same tensors.
module DeqDet.Tests.PyBridgeTests

open System.Collections
open System.Collections.Generic
open System.IO
open System.IO.Compression
open Expecto
open TorchSharp
open TorchSharp.PyBridge
open DeqDet.Checkpoints
open DeqDet.Tests.CheckpointFiles

/// Tensors of every type that both sides know, of several shapes; PyBridge gives a scalar of a .pth back as [1], so there are none.
let private tensors () : (string * torch.Tensor) list =
    let numbers =
        torch.arange(24, dtype = torch.float32).reshape(2L, 3L, 4L) - 7.5f.ToScalar()

    [
        for dtype in
            [
                torch.float64
                torch.float32
                torch.float16
                torch.bfloat16
                torch.int64
                torch.int32
                torch.int16
                torch.int8
                torch.uint8
                torch.bool
            ] do
            $"layer.{dtype}.weight", (numbers % 5f.ToScalar()).abs().to_type dtype
            $"layer.{dtype}.empty", torch.empty ([| 0L; 3L |], dtype = dtype)
        "one", torch.tensor [| 3.25f |]
        "schicht.\u00e9\u4e2d", torch.arange (300L, dtype = torch.int64)
    ]

let private expectSame (expected: (string * torch.Tensor) list) (read: string -> torch.Tensor) =
    for name, tensor in expected do
        let again = read name
        Expect.equal again.dtype tensor.dtype $"type of {name}"
        Expect.equal again.shape tensor.shape $"shape of {name}"
        Expect.isTrue (again.eq(tensor).all().ToBoolean()) $"values of {name}"

let private toWrite (list: (string * torch.Tensor) list) =
    [| for name, tensor in list -> Tensors.ToWrite(name, tensor) |]

/// The same archive with its members stored.
let private withoutCompression (source: string) (target: string) =
    use archive = ZipFile.OpenRead source

    PthBytes.plainArchive
        target
        [
            for entry in archive.Entries do
                use stream = entry.Open()
                let copy = new MemoryStream()
                stream.CopyTo copy
                entry.FullName, copy.ToArray()
        ]

[<Tests>]
let tests =
    let check name (test: string -> (string * torch.Tensor) list -> unit) =
        testCase name (fun () ->
            inFolder (fun folder ->
                use _ = torch.NewDisposeScope()
                test folder (tensors ())))

    testList
        "beside TorchSharp.PyBridge"
        [
            check "it reads our .pth" (fun folder given ->
                let path = Path.Combine(folder, "a.pth")
                PthWriter.Write(path, toWrite given)
                let table = PyTorchUnpickler.UnpickleStateDict path
                Expect.equal table.Count given.Length "names"
                expectSame given (fun name -> table[name] :?> torch.Tensor))

            check "we read its .pth" (fun folder given ->
                let packed, path = Path.Combine(folder, "packed.pth"), Path.Combine(folder, "a.pth")
                let table = Hashtable()
                given |> List.iter table.Add
                PyTorchPickler.PickleStateDict(packed, table)

                // It packs; PyTorch and this reader leave the numbers as they are.
                Expect.stringContains
                    (refusal packed (fun () -> PthBytes.readAll packed))
                    "is compressed"
                    "a packed archive"

                withoutCompression packed path
                use file = PthFile.Open path
                Expect.equal file.Tensors.Count given.Length "names"
                expectSame given (fun name -> Tensors.Load file[name]))

            check "it reads our safetensors" (fun folder given ->
                let path = Path.Combine(folder, "a.safetensors")
                SafetensorsWriter.Write(path, toWrite given)
                let read = Safetensors.LoadStateDict path
                Expect.equal read.Count given.Length "names"
                expectSame given (fun name -> read[name]))

            check "we read its safetensors" (fun folder given ->
                let path = Path.Combine(folder, "a.safetensors")
                let table = Dictionary<string, torch.Tensor>()
                given |> List.iter table.Add
                use stream = File.Create path
                Safetensors.SaveStateDict(stream, table)
                use file = SafetensorsFile.Open path
                Expect.equal file.Tensors.Count given.Length "names"
                expectSame given (fun name -> Tensors.Load file[name]))
        ]
