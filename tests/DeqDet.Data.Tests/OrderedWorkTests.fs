/// Work beside the thread that hands it out.
module DeqDet.Tests.OrderedWorkTests

open System
open System.Threading
open Expecto
open DeqDet.Data

[<Tests>]
let tests =
    testList
        "ordered work"
        [
            testProperty "results come back in order, however long each takes, and no more than was allowed waits"
            <| fun (seed: int) ->
                let random = Random seed
                let most = int64 (random.Next(1, 20))
                let weights = [ for _ in 0 .. random.Next 30 -> int64 (random.Next 12) ]
                let back = ResizeArray<int>()
                let own = Environment.CurrentManagedThreadId

                let work =
                    OrderedWork<int>(
                        most,
                        fun number ->
                            Expect.equal Environment.CurrentManagedThreadId own "on the thread that hands out"
                            back.Add number
                    )

                for number, weight in List.indexed weights do
                    let pause = random.Next 3

                    work.Add(
                        weight,
                        fun () ->
                            Thread.SpinWait(pause * 20_000)
                            number
                    )

                    Expect.isTrue (work.Waiting <= max most weight) $"{work.Waiting} of {most} wait"

                work.Finish()
                Expect.equal (List.ofSeq back) [ 0 .. weights.Length - 1 ] "all, in order"
                Expect.equal work.Waiting 0L "none waits"

            test "what a piece raises comes when its turn comes, and the others come all the same" {
                let back = ResizeArray<int>()
                let work = OrderedWork<int>(100L, (fun number -> back.Add number))

                for number in 0..4 do
                    work.Add(
                        1L,
                        fun () ->
                            // the first one keeps the others waiting for their turn
                            if number = 0 then
                                Thread.Sleep 50

                            if number % 2 = 1 then failwith $"{number}" else number
                    )

                let raised =
                    [
                        while work.Waiting > 0L do
                            try
                                work.Finish()
                            with error ->
                                error.Message
                    ]

                Expect.equal (raised, List.ofSeq back) ([ "1"; "3" ], [ 0; 2; 4 ]) "each"
            }
        ]
