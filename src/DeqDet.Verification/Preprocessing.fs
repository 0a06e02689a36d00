/// Normalisation and padding of pictures, and keep-ratio resizing.
module DeqDet.Verification.Preprocessing

open TorchSharp
open DeqDet.Model

/// Rows of two integers, [n, 2].
let private rows (pairs: (int64 * int64) list) =
    let numbers =
        [|
            for a, b in pairs do
                yield! [ a; b ]
        |]

    torch.tensor(numbers).view(-1L, 2L)

let private normalised (file: GoldenFile) =
    let find name = GoldenFile.find name file
    let count = GoldenFile.count (fun i -> $"image{i}_bgr_chw_uint8") file
    let images = [ for i in 0 .. count - 1 -> find $"image{i}_bgr_chw_uint8" ]
    let batch = Pictures.normalise images
    let sizes = [ for x in images -> x.size 1, x.size 2 ]

    [
        Check.ofScale Tolerances.forward file.Name "batch" (find "batch") batch
        for name, ours in
            [
                "batch_input_shape_hw", torch.tensor [| batch.size 2; batch.size 3 |]
                "img_shapes_hw", rows sizes
                // each image's own size, rounded up: what it would be padded to if it were alone
                "pad_shapes_hw", rows (List.map Pictures.paddedAlone sizes)
            ] do
            match GoldenFile.tryFind name file with
            | Some expected -> Check.exact file.Name name expected ours
            | None -> ()
    ]

let private sizes (file: GoldenFile) =
    let name = "keep_ratio_rows_w_h_sw_sh_nw_nh"

    match GoldenFile.tryFind name file with
    | None -> []
    | Some expected ->
        let ours =
            [|
                for row in Array.chunkBySize 6 (GoldenFile.integers expected) do
                    let struct (w, h) = Pictures.resizedSize (int row[0]) (int row[1]) row[2..3]
                    yield! row[..3]
                    int64 w
                    int64 h
            |]

        [ Check.exact file.Name name expected (torch.tensor(ours).view(-1L, 6L)) ]

let private resized (file: GoldenFile) =
    let find name = GoldenFile.find name file

    let one k =
        let source = find "resize_src_hwc_uint8"
        let expected = find $"resize{k}_out_hwc_uint8"
        let width, height = int (source.size 1), int (source.size 0)

        // without the scale that was asked for, the size is given
        let struct (w, h) =
            match GoldenFile.tryFind $"resize{k}_scale" file with
            | Some scale -> Pictures.resizedSize width height (GoldenFile.integers scale)
            | None -> struct (int (expected.size 1), int (expected.size 0))

        [
            Check.ofScale
                Tolerances.forward
                file.Name
                $"resize{k}_scale_factor_wh"
                (find $"resize{k}_scale_factor_wh")
                (torch.tensor [| float w / float width; float h / float height |])
            Check.absolute
                Tolerances.greyLevels
                file.Name
                $"resize{k}_out_hwc_uint8"
                expected
                (Pictures.resize source w h)
        ]

    List.collect one [ 0 .. GoldenFile.count (fun k -> $"resize{k}_out_hwc_uint8") file - 1 ]

/// Checks of a `*_preprocess` file.
let check (file: GoldenFile) : Check list =
    normalised file @ sizes file @ resized file
