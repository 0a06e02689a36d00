/// What every communicator promises, checked from the inside of a group: each member runs this.
module DeqDet.Communication.Tests.Contract

#nowarn "9" // sums are in native memory

open System
open System.Runtime.InteropServices
open DeqDet.Communication

let private demand (condition: bool) (message: string) =
    if not condition then
        failwith message

/// Numbers of one member in one round: any member can make those of all.
let private numbers (seed: int) (round: int) (rank: int) (count: int) : float32[] =
    let random = Random(seed + 1000 * round + rank)
    Array.init count (fun _ -> (random.NextSingle() - 0.5f) * MathF.Pow(2.f, float32 (random.Next(-20, 20))))

let private bytesOf (values: 'T[]) : byte[] =
    MemoryMarshal.AsBytes(ReadOnlySpan values).ToArray()

let private same (communicator: ICommunicator) (what: string) (bytes: byte[]) =
    let all =
        communicator.Gather(ReadOnlySpan(Security.Cryptography.SHA256.HashData bytes))

    demand (all |> Array.forall (fun hash -> hash = all[0])) $"{what}: other bits than elsewhere"

/// The sum of float32 numbers cannot be nearer to the exact one than rounding lets it.
let private near (seed: int) (round: int) (size: int) (sum: float32[]) =
    let all = Array.init size (fun rank -> numbers seed round rank sum.Length)

    for i in 0 .. sum.Length - 1 do
        let exact = all |> Array.sumBy (fun numbers -> float numbers[i])
        let scale = all |> Array.sumBy (fun numbers -> abs (float numbers[i]))

        demand
            (abs (float sum[i] - exact) <= scale * 1.2e-7 * float size)
            $"round {round}, number {i}: {sum[i]}, not {exact}"

/// Several sums under way at once, waited for in another order than they were started in.
let private severalSums (communicator: ICommunicator) (seed: int) (counts: int list) =
    let buckets =
        counts
        |> List.mapi (fun round count ->
            let memory = Marshal.AllocHGlobal(max 4 (4 * count))
            Marshal.Copy(numbers seed round communicator.Rank count, 0, memory, count)
            memory, count, communicator.StartSum(memory, int64 count))

    // in the meantime, something else altogether
    let ranks = [| float communicator.Rank; 1. |]
    communicator.Sum(Span ranks)

    demand
        (ranks =
            [|
                float (communicator.Size * (communicator.Size - 1) / 2)
                float communicator.Size
            |])
        "sum of ranks"

    let indexed = List.indexed buckets
    let odd, even = indexed |> List.partition (fun (round, _) -> round % 2 = 1)

    for round, (memory, count, pending) in odd @ List.rev even do
        pending.Wait()
        pending.Wait()
        let sum = Array.zeroCreate<float32> count
        Marshal.Copy(memory, sum, 0, count)
        near seed round communicator.Size sum
        same communicator $"sum of {count}" (bytesOf sum)
        Marshal.FreeHGlobal memory

let private gathers (communicator: ICommunicator) (seed: int) =
    let given (rank: int) =
        let random = Random(seed + rank)
        let bytes = Array.zeroCreate<byte>(if rank = 1 then 0 else random.Next 5000)
        random.NextBytes bytes
        bytes

    let all = communicator.Gather(ReadOnlySpan(given communicator.Rank))
    demand (all.Length = communicator.Size) "as many as there are members"

    all
    |> Array.iteri (fun rank bytes -> demand (bytes = given rank) $"what member {rank} gave")

    let nothing = communicator.Gather(ReadOnlySpan [||])
    demand (nothing |> Array.forall Array.isEmpty) "nothing from anybody"

/// Goes through everything; raises where a promise is broken. All members with the same seed and lengths.
let check (communicator: ICommunicator) (seed: int) (counts: int list) : unit =
    demand (communicator.Rank >= 0 && communicator.Rank < communicator.Size) "rank"
    demand (communicator.LocalRank >= 0 && communicator.LocalRank < communicator.LocalSize) "rank on this machine"

    let everybody =
        communicator.Gather(ReadOnlySpan(BitConverter.GetBytes communicator.Rank))

    demand
        (everybody
         |> Array.map (fun bytes -> BitConverter.ToInt32 bytes)
         |> (=) (Array.init communicator.Size id))
        "ranks"

    severalSums communicator seed counts
    gathers communicator seed

    let doubles =
        numbers seed 99 communicator.Rank 300
        |> Array.map (fun number -> float number / 3.)

    communicator.Sum(Span doubles)
    same communicator "sum of doubles" (bytesOf doubles)
    communicator.Sum(Span [||])
