namespace DeqDet

open System

/// Order statistics: the only median here.
module Quantile =

    /// The number below which a share (0 to 1) of sorted numbers lies, between the two nearest ones, as most programs have it; NaN where
    /// there are none.
    let ofSorted (share: float) (sorted: float[]) : float =
        if sorted.Length = 0 then
            nan
        else
            let at = share * float (sorted.Length - 1)
            let below = int at
            let above = min (below + 1) (sorted.Length - 1)

            // infinity is no number to go part of the way to
            if at = float below || sorted[below] = sorted[above] then
                sorted[below]
            else
                sorted[below] + (at - float below) * (sorted[above] - sorted[below])

    /// The median of numbers in any order, NaN ignored; NaN where nothing is left.
    let median (numbers: float seq) : float =
        numbers
        |> Seq.filter (Double.IsNaN >> not)
        |> Array.ofSeq
        |> Array.sort
        |> ofSorted 0.5
