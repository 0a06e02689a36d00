namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Threading
open DeqDet.Model

/// What the time between a file and its annotated picture goes into, in the order in which it is done.
[<RequireQualifiedAccess>]
type DetectionPart =
    /// Reading and decoding, beside the network.
    | Decode
    /// Resizing, normalising, and the way to the device.
    | Prepare
    /// Backbone and neck.
    | Backbone
    /// Heads before the refinement head; all of them where there is none.
    | Heads
    /// The n-th application of the refinement head, from 1.
    | Step of int
    /// The best pairs of query and class, as plain numbers.
    | ReadOut
    /// Drawing and writing, beside the network.
    | Draw

/// Times of the parts of predictions, added up over images; from any thread.
[<Sealed; AllowNullLiteral>]
type PartTimes() =
    let access = Lock()
    let times = SortedDictionary<DetectionPart, TimeSpan>()

    /// Adds a time.
    member _.Add(part: DetectionPart, time: TimeSpan) : unit =
        lock access (fun () ->
            let mutable before = TimeSpan.Zero
            times.TryGetValue(part, &before) |> ignore
            times[part] <- before + time)

    /// What was added up, part by part; parts that took no time are left out.
    member _.All: struct (DetectionPart * TimeSpan)[] =
        lock access (fun () -> [| for entry in times -> struct (entry.Key, entry.Value) |])

    /// The time of one part.
    member times.Of(part: DetectionPart) : TimeSpan =
        times.All
        |> Array.tryPick (fun struct (known, time) -> if known = part then Some time else None)
        |> Option.defaultValue TimeSpan.Zero

    /// The times of the applications, the first one first.
    member times.Steps: TimeSpan[] =
        [|
            for struct (part, time) in times.All do
                match part with
                | DetectionPart.Step _ -> time
                | _ -> ()
        |]

/// The way of one batch through the network: what its parts take by a clock, which on an accelerator waits for the device.
[<Sealed>]
type internal PartWatch(times: PartTimes, clock: unit -> TimeSpan) =
    let mutable last = clock ()
    let mutable steps = 0

    /// Adds the time since the last call to a part.
    member _.Lap(part: DetectionPart) : unit =
        let now = clock ()
        times.Add(part, now - last)
        last <- now

    /// Leaves out the time since the last call.
    member _.Skip() : unit = last <- clock ()

    /// The same for what the detector says that it has passed.
    member watch.Pass(passed: Passed) : unit =
        match passed with
        | ThroughBackbone -> watch.Lap DetectionPart.Backbone
        | ThroughHead _ -> watch.Lap DetectionPart.Heads
        | ThroughApplication _ ->
            steps <- steps + 1
            watch.Lap(DetectionPart.Step steps)
