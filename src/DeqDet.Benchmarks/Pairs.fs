namespace DeqDet.Benchmarks

open System

/// How often two workloads are run, one after the other.
type Pairs =
    | Exactly of int
    /// As often as fits into a time, but three times at least and thirty times at most.
    | Within of TimeSpan

module Pairs =

    let private least = 3
    let private most = 30

    /// Whether one more is to be run after so many, which took so long.
    let isNext (pairs: Pairs) (finished: int) (elapsed: TimeSpan) : bool =
        match pairs with
        | Exactly count -> finished < count
        | Within limit -> finished < least || finished < most && elapsed < limit

    /// Runs one thing over and over. `clock`: the time since any origin.
    let repeat (pairs: Pairs) (clock: unit -> TimeSpan) (run: int -> 'T) : 'T list =
        let start = clock ()

        let rec next finished =
            if isNext pairs finished (clock () - start) then
                let result = run finished
                result :: next (finished + 1)
            else
                []

        next 0

    /// Runs two by turns, so that what changes on the machine meets both: A B, B A, A B, ... The order changes with every pair, as
    /// the one that runs first may find the caches and the clock rate in another state.
    let interleave (pairs: Pairs) (clock: unit -> TimeSpan) (a: unit -> 'T) (b: unit -> 'T) : ('T * 'T) list =
        repeat pairs clock (fun pair ->
            if pair % 2 = 0 then
                let first = a ()
                first, b ()
            else
                let first = b ()
                a (), first)
