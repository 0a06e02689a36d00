/// Final detections: which of them are the expected ones, whatever their order.
module DeqDet.Verification.Detected

open DeqDet.Model

/// Detections of one image: scores [n], labels [n], boxes [n, 4].
type Found =
    {
        Scores: float[]
        Labels: int64[]
        Boxes: float[]
    }

let ofTensors (scores: Tensor) (labels: Tensor) (boxes: Tensor) : Found =
    {
        Scores = GoldenFile.floats scores
        Labels = GoldenFile.integers labels
        Boxes = GoldenFile.floats boxes
    }

/// What became of the expected detections: how many have no counterpart (equal label, score within the tolerance), and the largest
/// differences of the others.
type Comparison =
    {
        Missing: int
        Score: float
        Box: float
    }

/// Pairs expected detections with computed ones of the same label and nearly the same score, each used once, the nearest box first.
/// The computed ones should be some more than the expected ones: scores nearly equal at the end of the list may swap.
let compare (scoreTolerance: float) (expected: Found) (actual: Found) : Comparison =
    let used = Array.create actual.Scores.Length false

    let distance i j =
        Seq.max (seq { for k in 0..3 -> abs (expected.Boxes[4 * i + k] - actual.Boxes[4 * j + k]) })

    let counterpart i =
        seq {
            for j in 0 .. actual.Scores.Length - 1 do
                if
                    not used[j]
                    && actual.Labels[j] = expected.Labels[i]
                    && abs (actual.Scores[j] - expected.Scores[i]) <= scoreTolerance
                then
                    j
        }
        |> Seq.sortBy (distance i)
        |> Seq.tryHead

    let mutable result = { Missing = 0; Score = 0.0; Box = 0.0 }

    for i in 0 .. expected.Scores.Length - 1 do
        result <-
            match counterpart i with
            | None ->
                { result with
                    Missing = result.Missing + 1
                }
            | Some j ->
                used[j] <- true

                { result with
                    Score = max result.Score (abs (actual.Scores[j] - expected.Scores[i]))
                    Box = max result.Box (distance i j)
                }

    result
