namespace DeqDet.Detection

open System
open System.Runtime.ExceptionServices
open System.Text
open TorchSharp
open DeqDet.Communication
open DeqDet.Data
open DeqDet.Model

/// The processes of one run, as its training sees them: each does the same on its share of the images, and the first one writes.
[<Sealed>]
type Processes(communicator: ICommunicator) =

    let mutable failure: exn option = None

    let sumTensor (tensor: torch.Tensor) =
        use _ = torch.NewDisposeScope()
        let numbers = tensor.``to``(torch.float64).cpu().data<float>().ToArray()
        communicator.Sum numbers

        tensor.copy_ (torch.tensor(numbers, dtype = torch.float64).reshape tensor.shape)
        |> ignore

    let exchange =
        {
            Sum = sumTensor
            Failed = fun error -> failure <- Some error
        }

    /// One process alone.
    static member Alone: Processes = Processes(new Alone())

    /// What connects them.
    member _.Communicator: ICommunicator = communicator

    /// Whether this process has no others.
    member _.IsAlone: bool = communicator.Size = 1

    /// Whether this process writes files and speaks to people.
    member _.IsFirst: bool = communicator.Rank = 0

    /// The part of every batch that this process has.
    member _.Share: BatchShare = BatchShare(communicator.Rank, communicator.Size)

    /// Numbers summed over all processes; the same in each.
    member _.Sum(numbers: float[]) : float[] =
        let numbers = Array.copy numbers
        communicator.Sum numbers
        numbers

    /// The number that the first process has.
    member processes.OfFirst(number: float) : float =
        processes.Sum([| (if processes.IsFirst then number else 0.0) |])[0]

    /// The largest of the processes' numbers.
    member _.Largest(number: int) : int =
        communicator.Gather(ReadOnlySpan(BitConverter.GetBytes(number)))
        |> Array.map (fun bytes -> BitConverter.ToInt32(bytes, 0))
        |> Array.max

    /// The text that the first process has.
    member processes.OfFirst(text: string) : string =
        let mine =
            if processes.IsFirst then
                Encoding.UTF8.GetBytes text
            else
                [||]

        Encoding.UTF8.GetString(communicator.Gather(ReadOnlySpan mine)[0])

    /// What `work` makes in each process, if it succeeds in all. Otherwise the first process raises its own error, or else says which other one
    /// failed and why; the others end with it. `exitCodeOf` says how a program ends after an error.
    member processes.Together(exitCodeOf: Func<exn, int>, work: Func<'result>) : 'result =
        if processes.IsAlone then
            work.Invoke()
        else
            let result =
                try
                    Ok(work.Invoke())
                with error ->
                    Error error

            let said =
                match result with
                | Ok _ -> ""
                | Error error -> $"{exitCodeOf.Invoke error} {error.Message}"

            let all =
                communicator.Gather(ReadOnlySpan(Encoding.UTF8.GetBytes said))
                |> Array.map Encoding.UTF8.GetString

            match result, Array.tryFindIndex ((<>) "") all with
            | Ok result, None -> result
            | Error error, _ when processes.IsFirst ->
                ExceptionDispatchInfo.Throw error
                Unchecked.defaultof<'result>
            | _, rank ->
                let said = all[rank.Value].Split(' ', 2)
                raise (ProcessLostException(int said[0], $"process {rank.Value} of {communicator.Size}: {said[1]}"))

    /// Whether it is so in any process.
    member processes.Any(it: bool) : bool =
        processes.Sum([| (if it then 1.0 else 0.0) |])[0] > 0.0

    /// What they do together within a step; None in one process alone.
    member processes.Exchange: Exchange option =
        if processes.IsAlone then None else Some exchange

    /// Raises what went wrong in a backward pass, out of which no exception may come.
    member _.Check() : unit =
        match failure with
        | Some error ->
            failure <- None
            raise error
        | None -> ()
