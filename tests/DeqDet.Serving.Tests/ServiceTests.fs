/// The queue and the thread behind it, without a web server.
module DeqDet.Tests.ServiceTests

open System
open System.Threading
open System.Threading.Tasks
open Expecto
open Microsoft.Extensions.Logging.Abstractions
open DeqDet.Serving
open DeqDet.Serving.Measures
open DeqDet.Tests.Fakes

let private never = CancellationToken.None

let private withService (fake: Fake) (options: ServingOptions) (test: DetectionService -> Task<unit>) =
    task {
        let service =
            DetectionService(fake, options, TimeProvider.System, NullLogger<DetectionService>.Instance)

        do! service.StartAsync never
        do! test service
        fake.Release()
        do! service.StopAsync never
    }

let private detect (service: DetectionService) (number: int) =
    service.DetectAsync(picture 4 4 number, Nullable(), never)

let private number (answer: Answer) =
    int answer.Prediction.Findings[0].Box.X1

/// One picture is in the network and stays there.
let private occupied (fake: Fake) (service: DetectionService) =
    task {
        fake.Hold()
        let calls = fake.Calls
        let first = detect service 1
        do! eventually "it is in the network" (fun () -> fake.Calls > calls)
        return first
    }

let private options = ServingOptions(BatchWindow = TimeSpan.Zero)

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Service"
        [
            testCaseTask "what comes while the network computes goes through it together, and each gets its own answer"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withService fake options (fun service ->
                            task {
                                let! first = occupied fake service
                                let others = [ for number in 2..9 -> detect service number ]
                                Expect.equal service.Waiting 8 "they wait"
                                fake.Release()
                                let! answers = Task.WhenAll(first :: others)
                                Expect.equal (Array.map number answers) [| 1..9 |] "each its own"
                                Expect.equal fake.Batches [ [ 1 ]; [ 2..9 ] ] "one batch"

                                Expect.equal
                                    [ for a in answers -> a.Batch ]
                                    (1 :: List.replicate 8 8)
                                    "as the answers say"
                            })
                }

            testCaseTask "pictures of other sizes and tolerances go in batches of their own"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withService fake options (fun service ->
                            task {
                                let! first = occupied fake service

                                let ask width tolerance number =
                                    service.DetectAsync(picture width 4 number, tolerance, never)

                                let! _ =
                                    task {
                                        let others =
                                            [
                                                ask 4 (Nullable()) 2
                                                ask 8 (Nullable()) 3
                                                ask 4 (Nullable 0.1) 4
                                                ask 8 (Nullable()) 5
                                                ask 4 (Nullable()) 6
                                            ]

                                        fake.Release()
                                        return! Task.WhenAll(first :: others)
                                    }

                                Expect.equal fake.Batches [ [ 1 ]; [ 2; 6 ]; [ 3; 5 ]; [ 4 ] ] "by size and tolerance"
                            })
                }

            testCaseTask "a full queue refuses and says when to come back; there is room again when it has emptied"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withService fake (ServingOptions(QueueLength = 2)) (fun service ->
                            task {
                                let! first = occupied fake service
                                let others = [ detect service 2; detect service 3 ]

                                let! busy =
                                    task {
                                        try
                                            let! _ = detect service 4
                                            return None
                                        with :? BusyException as busy ->
                                            return Some busy
                                    }

                                let busy = Expect.wantSome busy "the fourth is refused"
                                Expect.isFalse busy.IsStopping "for now"
                                Expect.isTrue (busy.RetryAfter.TotalSeconds >= 1.0) "when to come back"
                                fake.Release()
                                let! _ = Task.WhenAll(first :: others)
                                let! answer = detect service 5
                                Expect.equal (number answer) 5 "room again"
                            })
                }

            testCaseTask "whoever gives up leaves the queue; a batch that nobody waits for is cancelled"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withService fake options (fun service ->
                            task {
                                use giveUp = new CancellationTokenSource()
                                fake.Hold()
                                let calls = fake.Calls
                                let computing = service.DetectAsync(picture 4 4 1, Nullable(), giveUp.Token)
                                do! eventually "it is in the network" (fun () -> fake.Calls > calls)
                                let waiting = service.DetectAsync(picture 4 4 2, Nullable(), giveUp.Token)
                                let other = detect service 3
                                giveUp.Cancel()

                                for task in [ computing; waiting ] do
                                    do! eventually "it gives up" (fun () -> task.IsCanceled)

                                // the gate is still closed: only the cancellation can have ended the first
                                do! eventually "the next is in the network" (fun () -> fake.Calls = calls + 2)
                                fake.Release()
                                let! answer = other
                                Expect.equal (number answer) 3 "the one that stayed"
                                Expect.equal fake.Batches [ [ 3 ] ] "nothing else was computed to its end"
                            })
                }

            testCaseTask "a picture that makes the network fail spoils nobody else's answer"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withService fake options (fun service ->
                            task {
                                let! first = occupied fake service
                                let others = [ for number in [ 2; poison; 3 ] -> detect service number ]
                                fake.Release()
                                let! _ = first
                                let! second = others[0]
                                let! third = others[2]
                                Expect.equal (number second, number third) (2, 3) "the others"
                                do! eventually "it ends" (fun () -> others[1].IsCompleted)
                                Expect.stringContains (string others[1].Exception) "poisoned" "its own failure"
                                Expect.isTrue service.IsReady "and the service goes on"
                            })
                }

            testCaseTask "asked to stop, it answers what waits and takes no more"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withService fake options (fun service ->
                            task {
                                let! first = occupied fake service
                                let others = [ for number in 2..5 -> detect service number ]
                                let stopped = service.StopAsync never
                                Expect.isFalse service.IsReady "not ready"

                                let busy =
                                    Expect.throwsC (fun () -> service.ThrowIfBusy()) (fun error ->
                                        error :?> BusyException)

                                Expect.isTrue busy.IsStopping "why"
                                Expect.isFalse stopped.IsCompleted "it waits for what is on its way"
                                fake.Release()
                                let! answers = Task.WhenAll(first :: others)
                                Expect.equal (Array.map number answers) [| 1..5 |] "all of them"
                                do! stopped
                            })
                }

            testCaseTask "when there is no time to stop in peace, nobody is left waiting"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withService fake options (fun service ->
                            task {
                                let! first = occupied fake service
                                let second = detect service 2
                                do! service.StopAsync(CancellationToken true)

                                for task in [ first; second ] do
                                    do! eventually "it ends" (fun () -> task.IsFaulted)
                                    Expect.isTrue (task.Exception.InnerException :? BusyException) "as busy"
                            })
                }

            testCaseTask "what cannot compute does not start"
            <| fun () ->
                task {
                    let broken =
                        { new IPredictor with
                            member _.Facts = (Fake() :> IPredictor).Facts
                            member _.InputSize picture = struct (picture.Width, picture.Height)
                            member _.Together(_, most) = most
                            member _.Predict(_, _, _) = failwith "no such instruction"
                        }

                    let service =
                        DetectionService(broken, options, TimeProvider.System, NullLogger<DetectionService>.Instance)

                    let started = service.StartAsync never
                    do! eventually "it ends" (fun () -> started.IsFaulted)
                    Expect.stringContains (string started.Exception) "no such instruction" "why"
                    Expect.isFalse service.IsReady "not ready"
                }

            testCase "options out of their ranges are refused by name"
            <| fun () ->
                for options, name in
                    [
                        ServingOptions(BatchSize = Nullable 0), "BatchSize"
                        ServingOptions(BatchWindow = TimeSpan.FromSeconds 2.0), "BatchWindow"
                        ServingOptions(QueueLength = 0), "QueueLength"
                        ServingOptions(Timeout = TimeSpan.Zero), "Timeout"
                        ServingOptions(MaxBodyBytes = 0L), "MaxBodyBytes"
                        ServingOptions(MaxPixels = 0L), "MaxPixels"
                        ServingOptions(MemoryBytes = 100L), "MemoryBytes"
                    ] do
                    Expect.throwsC
                        (fun () ->
                            DetectionService(
                                Fake(),
                                options,
                                TimeProvider.System,
                                NullLogger<DetectionService>.Instance
                            )
                            |> ignore)
                        (fun error -> Expect.stringContains error.Message name "the name")

            testCase "shares of the memory are given back, and no more is given than there is"
            <| fun () ->
                let budget = MemoryBudget 100L
                let one, other = budget.Open(), budget.Open()
                Expect.isTrue (one.TryHold 60L) "fits"
                Expect.isFalse (other.TryHold 50L) "does not"
                Expect.isTrue (other.TryHold 40L) "fits exactly"
                Expect.isFalse (one.TryHold 61L) "no more"
                Expect.equal budget.Held 100L "a refusal changes nothing"
                Expect.isTrue (one.TryHold 10L) "less is always possible"
                Expect.equal budget.Held 50L "held"
                (one :> IDisposable).Dispose()
                (other :> IDisposable).Dispose()
                Expect.equal budget.Held 0L "nothing"

            testCase "percentiles are those of the last times alone"
            <| fun () ->
                let times = RecentTimes 100
                Expect.isNull (times.Percentiles()) "none yet"

                for n in 1..250 do
                    times.Add(TimeSpan.FromMilliseconds(float n))

                let found = times.Percentiles()
                Expect.floatClose Accuracy.high found.Half 200.5 "half of 151 to 250"
                Expect.floatClose Accuracy.high found.Ninety 240.1 "nine in ten"
                Expect.floatClose Accuracy.high found.Longest 250.0 "the longest"
        ]
