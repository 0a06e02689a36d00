/// What the tests of all kernels share: the instructions of this processor, properties over them, comparisons.
module DeqDet.Tests.KernelProperties

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open DeqDet.Kernels

type Tensor = torch.Tensor

/// Every kind of instructions that this processor has.
let instructions =
    [ Instructions.Vector128; Instructions.Avx2; Instructions.Avx512 ]
    |> List.filter (fun kind -> kind <= Computation.Best.Instructions)

let computation (kind: Instructions) = Computation(kind, Precision.Fp32)

/// Distance from 1 to the nearest float32 below it: the largest relative error of a rounding.
let rounding = 2.0 ** -24.0

/// What holds for random cases and every kind of instructions. A failing case is shrunk and printed with its seed.
let property (count: int) name (cases: Arbitrary<'Case>) (holds: Instructions -> 'Case -> unit) =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = count
        }
        name
        (Prop.forAll cases (fun case ->
            for kind in instructions do
                use _ = torch.NewDisposeScope()
                holds kind case))

/// A case for every kind of instructions.
let every name (holds: Instructions -> unit) =
    testCase name
    <| fun () ->
        for kind in instructions do
            use _ = torch.NewDisposeScope()
            holds kind

let normal (random: Random) : float32 =
    sqrt (-2.0 * log (1.0 - random.NextDouble()))
    * cos (2.0 * Math.PI * random.NextDouble())
    |> float32

/// So many standard normal numbers.
let normals (random: Random) count : float32[] =
    Array.init count (fun _ -> normal random)

let tensor (shape: int list) (numbers: float32[]) : Tensor =
    torch.tensor(numbers).reshape [| for n in shape -> int64 n |]

let numbers (tensor: Tensor) : float32[] =
    if tensor.numel () = 0L then
        [||]
    else
        tensor.detach().contiguous().data<float32>().ToArray()

/// The numbers' bits, by which also NaN is equal to itself.
let bits (tensor: Tensor) : int[] =
    numbers tensor |> Array.map BitConverter.SingleToInt32Bits

/// That numbers are as expected: NaN and infinities in the same places, the others within their bounds.
let expectWithin (bound: int -> float) (expected: float[]) (actual: float32[]) (what: string) =
    Expect.equal actual.Length expected.Length $"{what}: how many numbers"

    for i in 0 .. expected.Length - 1 do
        let e, a = expected[i], float actual[i]

        let isSame =
            if Double.IsFinite e then
                abs (a - e) <= bound i
            else
                a = e || Double.IsNaN e && Double.IsNaN a

        if not isSame then
            failtest $"{what}: number {i} of {expected.Length} is {a} instead of {e}, of which {bound i} may differ"
