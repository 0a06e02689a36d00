namespace DeqDet

/// The known word that a mistyped one most likely meant.
module Nearest =

    /// Edit distance (insert, delete, replace, swap of neighbours; each costs 1) ignoring case.
    let distance (a: string) (b: string) : int =
        let a, b = a.ToLowerInvariant(), b.ToLowerInvariant()
        let table = Array2D.init (a.Length + 1) (b.Length + 1) (fun i j -> max i j)

        for i in 1 .. a.Length do
            for j in 1 .. b.Length do
                let replace = table[i - 1, j - 1] + (if a[i - 1] = b[j - 1] then 0 else 1)

                let straight = min replace (1 + min table[i - 1, j] table[i, j - 1])

                let swapped = i > 1 && j > 1 && a[i - 1] = b[j - 2] && a[i - 2] = b[j - 1]

                table[i, j] <-
                    if swapped then
                        min straight (table[i - 2, j - 2] + 1)
                    else
                        straight

        table[a.Length, b.Length]

    /// The candidate with the smallest edit distance to `word` (the first of several); None without candidates.
    let find (candidates: string seq) (word: string) : string option =
        if Seq.isEmpty candidates then
            None
        else
            Some(candidates |> Seq.minBy (distance word))

    /// Whether two words are near enough for one to be a slip of the other: about a third of the letters.
    let isClose (a: string) (b: string) : bool =
        distance a b <= max 1 (max a.Length b.Length / 3)
