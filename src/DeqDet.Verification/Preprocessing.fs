namespace DeqDet.Verification

open System.Collections.Generic
open TorchSharp
open DeqDet.Model

/// What happens to pictures before a detector sees them. It is the program's business, so it comes from outside.
type IPreprocessing =

    /// Pictures [3, h, w] (bytes, B G R) -> network input [B, 3, H, W]: R G B, normalised, padded with zeros, on the CPU.
    abstract Normalise: pictures: IReadOnlyList<Tensor> -> Tensor

    /// The size (w, h) that a picture of size (w, h) takes within a scale, its ratio kept.
    abstract ResizedSize: width: int * height: int * scale: struct (int * int) -> struct (int * int)

    /// A picture [h, w, 3] (bytes) at another size.
    abstract Resize: picture: Tensor * width: int * height: int -> Tensor

/// Normalisation and padding of pictures, and keep-ratio resizing.
module Preprocessing =

    let private normalised (preprocessing: IPreprocessing) (file: GoldenFile) =
        let find name = GoldenFile.find name file
        let pictures = GoldenFile.count (fun i -> $"image{i}_bgr_chw_uint8") file
        let images = [ for i in 0 .. pictures - 1 -> find $"image{i}_bgr_chw_uint8" ]
        let batch = preprocessing.Normalise(List.toArray images)
        let sides = torch.tensor [| batch.size 2; batch.size 3 |]

        let sizes =
            torch
                .tensor(
                    [|
                        for x in images do
                            yield! [ x.size 1; x.size 2 ]
                    |]
                )
                .view(-1L, 2L)

        // the reference notes the batch's size for every image
        [
            Check.ofScale Tolerances.forward file.Name "batch" (find "batch") batch
            Check.exact file.Name "batch_input_shape_hw" (find "batch_input_shape_hw") sides
            Check.exact file.Name "img_shapes_hw" (find "img_shapes_hw") sizes
            Check.exact file.Name "pad_shapes_hw" (find "pad_shapes_hw") (sides.expand_as (find "pad_shapes_hw"))
        ]

    let private sizes (preprocessing: IPreprocessing) (file: GoldenFile) =
        let name = "keep_ratio_rows_w_h_sw_sh_nw_nh"

        match GoldenFile.tryFind name file with
        | None -> []
        | Some expected ->
            let ours =
                [|
                    for row in Array.chunkBySize 6 (GoldenFile.integers expected) do
                        let struct (w, h) =
                            preprocessing.ResizedSize(int row[0], int row[1], struct (int row[2], int row[3]))

                        yield! row[..3]
                        int64 w
                        int64 h
                |]

            [ Check.exact file.Name name expected (torch.tensor(ours).view(-1L, 6L)) ]

    let private resized (preprocessing: IPreprocessing) (file: GoldenFile) =
        let find name = GoldenFile.find name file

        let one k =
            let source = find "resize_src_hwc_uint8"
            let width, height = int (source.size 1), int (source.size 0)
            let scale = GoldenFile.integers (find $"resize{k}_scale")

            let struct (w, h) =
                preprocessing.ResizedSize(width, height, struct (int scale[0], int scale[1]))

            let expected = find $"resize{k}_out_hwc_uint8"

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
                    (preprocessing.Resize(source, w, h))
            ]

        List.collect one [ 0 .. GoldenFile.count (fun k -> $"resize{k}_scale") file - 1 ]

    /// Checks of a `*_preprocess` file.
    let check (preprocessing: IPreprocessing) (file: GoldenFile) : Check list =
        normalised preprocessing file
        @ sizes preprocessing file
        @ resized preprocessing file
