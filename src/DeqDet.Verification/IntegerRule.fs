/// Weights that follow from integer arithmetic instead of being stored.
module DeqDet.Verification.IntegerRule

open System
open System.Runtime.InteropServices
open System.Threading.Tasks
open TorchSharp
open DeqDet.Model

/// Element i of tensor k is offset + scale * u, u in [-1, 1) being a hash of i and k.
type Rule =
    {
        Index: int
        Offset: float
        Scale: float
    }

/// A hash of 32 bits (multiplications and shifts modulo 2^32).
let private hash (index: int) (element: int) : uint32 =
    let mutable x = uint32 element * 2654435761u + uint32 index * 40503u + 12345u
    x <- x ^^^ (x >>> 16)
    x <- x * 0x85ebca6bu
    x <- x ^^^ (x >>> 13)
    x <- x * 0xc2b2ae35u
    x ^^^ (x >>> 16)

/// Element i of a tensor, row by row.
let element (rule: Rule) (i: int) : float32 =
    let u = float (hash rule.Index i) / 2147483648.0 - 1.0
    float32 (rule.Offset + rule.Scale * u)

let private piece = 1 <<< 16

/// A new tensor of that shape on the CPU.
let tensor (shape: int64[]) (rule: Rule) : Tensor =
    let result = torch.empty (shape, dtype = torch.float32)
    let count = int (result.numel ())
    let pieces = (count + piece - 1) / piece

    let fill p =
        let values = MemoryMarshal.Cast<byte, float32> result.bytes

        for i in p * piece .. min count ((p + 1) * piece) - 1 do
            values[i] <- element rule i

    if count > 0 then
        Parallel.For(0, pieces, fill) |> ignore

    result
