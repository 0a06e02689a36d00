/// Processes played by threads of one process, for tests of what several processes do together.
module ThreadedCommunicator

#nowarn "9" // sums are in native memory

open System
open System.Threading
open Microsoft.FSharp.NativeInterop
open DeqDet.Communication

/// What the ranks bring to their k-th common call; the last one to come computes what all of them get.
type private Meeting(size: int) =
    member val Brought: (nativeint * int64)[] = Array.create size (0n, -1L)
    member val Given: byte[][] = Array.create size null
    member val Present = 0 with get, set
    member val Left = 0 with get, set

type private Group(size: int) =
    let meetings = System.Collections.Generic.Dictionary<int, Meeting>()
    let mutable lost: (int * int * string) option = None

    member _.Size = size

    member group.Fail (rank: int) (exitCode: int) (message: string) =
        lock group (fun () ->
            if lost.IsNone then
                lost <- Some(rank, exitCode, message)
                Monitor.PulseAll group)

    /// Comes to a meeting, and has it held when everybody is there.
    member group.Come (number: int) (bring: Meeting -> unit) (hold: Meeting -> unit) =
        lock group (fun () ->
            let found, meeting = meetings.TryGetValue number
            let meeting = if found then meeting else Meeting size

            if not found then
                meetings[number] <- meeting

            bring meeting
            meeting.Present <- meeting.Present + 1

            if meeting.Present = size then
                hold meeting
                Monitor.PulseAll group)

    /// Returns when a meeting has been held, or throws when somebody has failed before.
    member group.Await (rank: int) (number: int) (take: Meeting -> 'T) : 'T =
        lock group (fun () ->
            let meeting = meetings[number]
            let patience = DateTime.UtcNow.AddSeconds 60.

            while meeting.Present < size do
                match lost with
                | Some(other, exitCode, message) when other <> rank ->
                    raise (ProcessLostException(exitCode, $"process {other} of {size}: {message}"))
                | _ -> ()

                if DateTime.UtcNow > patience then
                    failwith $"only {meeting.Present} of {size} came to common call {number} in 60 s"

                Monitor.Wait(group, 1000) |> ignore

            meeting.Left <- meeting.Left + 1

            if meeting.Left = size then
                meetings.Remove number |> ignore

            take meeting)

/// Sums in the order of ranks, in float32, into everybody's memory.
let private sum (brought: (nativeint * int64)[]) =
    let counts = brought |> Array.map snd |> Array.distinct

    if counts.Length > 1 then
        failwithf "sums of different lengths: %A" counts

    let all =
        brought
        |> Array.map (fun (address, _) -> NativePtr.ofNativeInt<float32> address)

    for i in 0 .. int counts[0] - 1 do
        let mutable total = NativePtr.get all[0] i

        for rank in 1 .. all.Length - 1 do
            total <- total + NativePtr.get all[rank] i

        for data in all do
            NativePtr.set data i total

type private Member(group: Group, rank: int) =
    let mutable calls = 0

    let next () =
        calls <- calls + 1
        calls

    let gather (mine: byte[]) =
        let number = next ()
        group.Come number (fun meeting -> meeting.Given[rank] <- mine) ignore
        group.Await rank number (fun meeting -> meeting.Given |> Array.map Array.copy)

    interface ICommunicator with
        member _.Rank = rank
        member _.Size = group.Size
        member _.LocalRank = rank
        member _.LocalSize = group.Size

        member _.Sum(numbers: Span<double>) =
            let mine = System.Runtime.InteropServices.MemoryMarshal.AsBytes(numbers).ToArray()

            let all =
                gather mine
                |> Array.map (fun bytes -> Array.init (bytes.Length / 8) (fun i -> BitConverter.ToDouble(bytes, 8 * i)))

            for i in 0 .. numbers.Length - 1 do
                numbers[i] <- all |> Array.map (fun given -> given[i]) |> Array.reduce (+)

        member _.StartSum(data: nativeint, count: int64) =
            let number = next ()

            group.Come number (fun meeting -> meeting.Brought[rank] <- (data, count)) (fun meeting ->
                sum meeting.Brought)

            let mutable waited = false

            { new IPending with
                member _.Wait() =
                    if not waited then
                        group.Await rank number ignore
                        waited <- true
            }

        member _.Gather(mine: ReadOnlySpan<byte>) = gather (mine.ToArray())
        member _.Fail(exitCode: int, message: string) = group.Fail rank exitCode message
        member _.Dispose() = ()

/// Runs `body` for each rank of a group, on a thread each, and gives their results by rank. When one raises, the others learn of it as they
/// would of a process that has failed; the exception of the first to raise is raised here.
let run (size: int) (body: ICommunicator -> 'T) : 'T[] =
    let group = Group size
    let results: 'T[] = Array.zeroCreate size
    let first: exn ref = ref null

    let threads =
        [
            for rank in 0 .. size - 1 do
                let thread =
                    Thread(
                        (fun () ->
                            let communicator = new Member(group, rank) :> ICommunicator

                            try
                                results[rank] <- body communicator
                            with error ->
                                Interlocked.CompareExchange(first, error, null) |> ignore
                                communicator.Fail(1, error.Message)),
                        16 * 1024 * 1024
                    )

                thread.IsBackground <- true
                thread.Start()
                thread
        ]

    for thread in threads do
        thread.Join()

    if not (isNull first.Value) then
        System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(first.Value).Throw()

    results
