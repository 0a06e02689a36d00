/// The whole path of a prediction and the detections read out at its end.
module DeqDet.Verification.Prediction

open TorchSharp
open DeqDet.Model

/// More pairs are read out than are expected, since nearly equal scores may swap at the end of the list.
let private spare = 32

/// The states after each application, with their logits.
let private states (set: DecoderSet) (weights: DecoderWeights) start =
    let heads = Decoder.schedule set.Settings weights

    let path =
        Decoder.path set.Settings weights (DecoderSet.pyramid set) start
        |> List.ofSeq
        |> List.tail

    List.map2 (fun head (query: Query) -> query, Refinement.classify head query.Content) heads path

let private detections (set: DecoderSet) (file: GoldenFile) (logits: Tensor) (boxes: Tensor) =
    let factors = GoldenFile.floats (GoldenFile.find "scale_factors_wh" set.Inputs)

    let image b =
        let name part = $"result.img{b}.{part}"
        let find part = GoldenFile.find (name part) file
        let wanted = find "scores"
        let count = int (wanted.numel ())

        let struct (scores, labels, found, _) =
            Detections.readOut (count + spare) logits boxes

        let of' (x: Tensor) = x.select (0L, int64 b)

        let factor =
            let w, h = factors[2 * b], factors[2 * b + 1]
            torch.tensor ([| w; h; w; h |], dtype = found.dtype, device = found.device)

        let compare boxPart (boxes: Tensor) =
            Detected.compare
                Tolerances.scores
                (Detected.ofTensors wanted (find "labels") (find boxPart))
                (Detected.ofTensors (of' scores) (of' labels) boxes)

        let scaled part (error: float) =
            let scale = numberOf ((find part).abs().max())
            Check.known OfScale Tolerances.trajectory file.Name (name part) (error / scale)

        let plain = compare "bboxes" (of' found)
        let rescaled = compare "bboxes_rescaled" (of' found / factor)

        [
            Check.ofScale
                Tolerances.trajectory
                file.Name
                (name "scores")
                wanted
                ((of' scores).narrow(0L, 0L, int64 count))
            Check.known Count 0.0 file.Name (name "labels") (float (max plain.Missing rescaled.Missing))
            scaled "bboxes" plain.Box
            scaled "bboxes_rescaled" rescaled.Box
        ]

    List.collect image [ 0 .. GoldenFile.count (fun b -> $"result.img{b}.scores") file - 1 ]

/// Checks of states after each application, with their logits, against a `*_predict` file: however they were computed.
let ofStates (set: DecoderSet) (file: GoldenFile) (states: (Query * Tensor) list) : Check list =
    let state i (query: Query, logits: Tensor) =
        [
            "position", query.Position
            "content", query.Content
            "cls", logits
            "bbox", query.Box
        ]
        |> List.map (fun (part, actual) ->
            let name = $"step%02d{i}.{part}"
            Check.ofScale Tolerances.trajectory file.Name name (GoldenFile.find name file) actual)

    let query, logits = List.last states

    List.collect id (List.mapi state states) @ detections set file logits query.Box

/// Checks of a `*_predict` file.
let check (set: DecoderSet) (file: GoldenFile) : Check list =
    use _ = torch.no_grad ()
    let weights, _ = DecoderSet.decoder set
    let start = DecoderSet.start set weights

    HeadChecks.initial file (DecoderSet.sizes set) start
    @ ofStates set file (states set weights start)
