/// Reads the golden tensors that the tests compare with: a small safetensors reader.
module Golden

open System
open System.IO
open System.Runtime.InteropServices
open System.Text.Json
open TorchSharp

/// The folder tests/golden/<name>.
let folder (name: string) : string = GoldenFolder.path name

/// A path in the folder of golden numbers too large to be copied, beside the repository: it may be absent, and tests of it then skip.
let shared (path: string) : string = GoldenFolder.shared path

/// One tensor from its bytes; the copy made by `clone` is what lives on, the flat one goes with the caller's scope.
let private tensor (path: string) (name: string) (dtype: string) (shape: int64[]) (bytes: byte[]) : torch.Tensor =
    let flat =
        match dtype with
        | "F32" -> torch.tensor (MemoryMarshal.Cast<byte, float32>(ReadOnlySpan bytes).ToArray())
        | "F64" -> torch.tensor (MemoryMarshal.Cast<byte, float>(ReadOnlySpan bytes).ToArray())
        | "I64" -> torch.tensor (MemoryMarshal.Cast<byte, int64>(ReadOnlySpan bytes).ToArray())
        | "I32" -> torch.tensor (MemoryMarshal.Cast<byte, int32>(ReadOnlySpan bytes).ToArray())
        | "U8" -> torch.tensor bytes
        | "BOOL" -> torch.tensor (bytes |> Array.map (fun b -> b <> 0uy))
        | other -> raise (InvalidDataException $"{path}: tensor '{name}' has the type {other}, which is not read here")

    flat.reshape(shape).clone()

/// All tensors of a safetensors file by name (F32, F64, I64, I32, U8 and BOOL), on the CPU, outside every dispose scope,
/// so they live until the program ends or the caller disposes them.
/// Raises InvalidDataException, naming file and tensor, for a damaged file or another type.
let load (path: string) : Map<string, torch.Tensor> =
    let content = File.ReadAllBytes path

    let headerLength =
        if content.Length < 8 then
            -1L
        else
            BitConverter.ToInt64(content, 0)

    if headerLength < 2L || headerLength > int64 content.Length - 8L then
        raise (InvalidDataException $"{path}: not a safetensors file")

    let start = 8 + int headerLength
    use header = JsonDocument.Parse(ReadOnlyMemory(content, 8, int headerLength))
    use scope = torch.NewDisposeScope()

    [
        for entry in header.RootElement.EnumerateObject() do
            if entry.Name <> "__metadata__" then
                let dtype = entry.Value.GetProperty("dtype").GetString()

                let shape =
                    [|
                        for size in entry.Value.GetProperty("shape").EnumerateArray() -> size.GetInt64()
                    |]

                let offsets = entry.Value.GetProperty "data_offsets"
                let first, last = start + offsets[0].GetInt32(), start + offsets[1].GetInt32()

                if last > content.Length || first > last then
                    raise (InvalidDataException $"{path}: tensor '{entry.Name}' lies outside the file")

                entry.Name, (tensor path entry.Name dtype shape content[first .. last - 1]).DetachFromDisposeScope()
    ]
    |> Map.ofList
