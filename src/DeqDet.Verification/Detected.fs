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

/// What became of the expected detections.
type Comparison =
    {
        /// Those without a counterpart of equal label and nearly equal score.
        Missing: int
        /// Largest difference of a coordinate, px; infinite if one is missing.
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

    let found =
        [
            for i in 0 .. expected.Scores.Length - 1 do
                match counterpart i with
                | None -> infinity
                | Some j ->
                    used[j] <- true
                    distance i j
        ]

    {
        Missing = found |> List.filter ((=) infinity) |> List.length
        Box = List.fold max 0.0 found
    }
