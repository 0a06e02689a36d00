/// TorchScript modules as files, as torch.jit.save lays them out: a zip archive of code, a pickled module and the numbers of its tensors.
module DeqDet.Tests.ScriptArchive

open System
open System.IO
open System.IO.Compression
open System.Text
open TorchSharp

/// The part of pickle's protocol 2 that a module of tensors takes.
type private Pickle() =
    let bytes = new MemoryStream()
    let write (data: byte[]) = bytes.Write(data, 0, data.Length)
    do write [| 0x80uy; 2uy |]

    member _.Op(code: char) = bytes.WriteByte(byte code)

    member _.Text(text: string) =
        let utf8 = Encoding.UTF8.GetBytes text
        bytes.WriteByte(byte 'X')
        write (BitConverter.GetBytes utf8.Length)
        write utf8

    member _.Number(number: int64) =
        bytes.WriteByte(byte 'J')
        write (BitConverter.GetBytes(int number))

    member _.Global(place: string, name: string) =
        write (Encoding.ASCII.GetBytes $"c{place}\n{name}\n")

    member _.Bytes = bytes.ToArray()

/// Sizes as a tuple.
let private tuple (pickle: Pickle) (numbers: int64 seq) =
    pickle.Op '('

    for number in numbers do
        pickle.Number number

    pickle.Op 't'

/// A float32 tensor whose numbers stand in data/INDEX.
let private tensor (pickle: Pickle) (index: int) (value: torch.Tensor) =
    pickle.Global("torch._utils", "_rebuild_tensor_v2")
    pickle.Op '('
    pickle.Op '('
    pickle.Text "storage"
    pickle.Global("torch", "FloatStorage")
    pickle.Text(string index)
    pickle.Text "cpu"
    pickle.Number(value.numel ())
    pickle.Op 't'
    pickle.Op 'Q' // a storage by its description
    pickle.Number 0L
    tuple pickle value.shape
    tuple pickle (value.stride ())
    pickle.Op '\u0089' // requires no gradient
    pickle.Global("collections", "OrderedDict")
    pickle.Op ')'
    pickle.Op 'R'
    pickle.Op 't'
    pickle.Op 'R'

/// The module: its class, made without arguments, then its attributes.
let private pickled (tensors: (string * torch.Tensor) list) : byte[] =
    let pickle = Pickle()
    pickle.Global("__torch__", "M")
    pickle.Op ')'
    pickle.Op '\u0081'
    pickle.Op '}'
    pickle.Op '('
    pickle.Text "training"
    pickle.Op '\u0089'

    for index, (name, value) in List.indexed tensors do
        pickle.Text name
        tensor pickle index value

    pickle.Op 'u'
    pickle.Op 'b'
    pickle.Op '.'
    pickle.Bytes

/// Writes a module: `signature` is what follows the name of its method, `body` its lines, `tensors` its attributes (contiguous, float32,
/// on the CPU).
let write (path: string) (signature: string) (body: string list) (tensors: (string * torch.Tensor) list) : unit =
    let code =
        [
            "class M(Module):"
            "  __parameters__ = []"
            "  __buffers__ = []"
            "  training : bool"
            for name, _ in tensors do
                $"  {name} : Tensor"
            $"  def {signature}:"
            for line in body do
                $"    {line}"
            ""
        ]
        |> String.concat "\n"

    use file = File.Create path
    use archive = new ZipArchive(file, ZipArchiveMode.Create)

    let add (name: string) (content: byte[]) =
        use stream =
            archive.CreateEntry($"archive/{name}", CompressionLevel.NoCompression).Open()

        stream.Write(content, 0, content.Length)

    add "data.pkl" (pickled tensors)
    add "code/__torch__.py" (Encoding.UTF8.GetBytes code)
    add "constants.pkl" [| 0x80uy; 2uy; byte ')'; byte '.' |]

    for index, (_, value) in List.indexed tensors do
        add $"data/{index}" (value.bytes.ToArray())

    add "version" (Encoding.ASCII.GetBytes "3\n")

/// The method of one application: four maps, position, content and box.
let applicationOf (result: string) : string =
    let arguments =
        [ "feat0"; "feat1"; "feat2"; "feat3"; "position"; "content"; "box" ]
        |> List.map (fun name -> $", {name}: Tensor")
        |> String.concat ""

    $"forward(self: __torch__.M{arguments}) -> {result}"

/// Position, content, box and logits.
let fourTensors = "Tuple[Tensor, Tensor, Tensor, Tensor]"
