/// Checkpoints in PyTorch's format, put together instruction by instruction, so that they can be wrong in any way.
module DeqDet.Tests.PthBytes

open System
open System.IO
open System.IO.Compression
open System.Text
open Expecto
open DeqDet.Checkpoints
open DeqDet.Tests.CheckpointFiles

/// Opens a file and reads every number and all metadata.
let readAll (path: string) =
    use file = PthFile.Open path
    file.Metadata.ToJsonString() |> ignore
    file.Classes |> ignore

    for tensor in file.Tensors do
        tensor.ToArray() |> ignore

let code (text: string) = Encoding.Latin1.GetBytes text

let text (value: string) =
    let utf8 = Encoding.UTF8.GetBytes value
    Array.concat [ code "X"; BitConverter.GetBytes utf8.Length; utf8 ]

let integer (value: int64) =
    Array.concat [ [| 0x8auy; 8uy |]; BitConverter.GetBytes value ]

let tuple items =
    Array.concat [ code "("; Array.concat items; code "t" ]

let dict' pairs =
    Array.concat
        [
            code "}("
            Array.concat [ for key, value in pairs -> Array.append (text key) value ]
            code "u"
        ]

let call (what: string) arguments =
    Array.concat [ code $"c{what}\n"; tuple arguments; code "R" ]

let emptyDictionary = code "ccollections\nOrderedDict\n)R"

let pickle body =
    Array.concat [ [| 0x80uy; 2uy |]; body; code "." ]

let storage (kind: string) (key: string) (count: int64) =
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

let tensor storage (offset: int64) (shape: int64 list) (strides: int64 list) =
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
let archive (path: string) (level: CompressionLevel) (members: (string * byte[]) list) =
    use stream = File.Create path
    use zip = new ZipArchive(stream, ZipArchiveMode.Create)

    for name, bytes in members do
        use target = zip.CreateEntry(name, level).Open()
        target.Write(ReadOnlySpan bytes)

let plainArchive path members =
    archive path CompressionLevel.NoCompression members

let floats = storage "FloatStorage" "0" 8L
let good = tensor floats 0L [ 2L; 4L ] [ 4L; 1L ]
let repeat (count: int) (what: string) = code (String.replicate count what)

/// Nothing that a hostile file wants may happen: its command would create this file.
let withoutSideEffect (test: unit -> unit) =
    let mark = "/tmp/pwned"
    Expect.isFalse (File.Exists mark) $"{mark} must not exist before"
    test ()
    Expect.isFalse (File.Exists mark) $"{mark} was created"
