namespace DeqDet.Benchmarks

open DeqDet

/// The median of some numbers, and between which ones the half of them in the middle lies.
type Quartiles =
    {
        Lower: float
        Median: float
        Upper: float
    }

module Quartiles =

    /// Quartiles of numbers in any order, at least one.
    let ofNumbers (numbers: float seq) : Quartiles =
        let sorted = numbers |> Array.ofSeq |> Array.sort

        {
            Lower = Quantile.ofSorted 0.25 sorted
            Median = Quantile.ofSorted 0.5 sorted
            Upper = Quantile.ofSorted 0.75 sorted
        }
