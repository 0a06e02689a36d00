/// The program's own way from pictures to network input, on tensors of bytes as the goldens hold them.
module DeqDet.Verification.Pictures

open TorchSharp
open DeqDet
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Images
open DeqDet.Model
open DeqDet.Settings

let private normalisation = Normalisation Settings.defaults.Data.Normalise

/// A picture of a tensor [h, w, 3] of bytes.
let private ofPixels (pixels: Tensor) =
    use plain = pixels.cpu().contiguous()
    RgbImage(plain.bytes.ToArray(), int (pixels.size 1), int (pixels.size 0))

/// Pictures [3, h, w] (bytes, B G R) -> network input [B, 3, H, W] on the CPU: R G B, normalised, padded with zeros.
let normalise (pictures: Tensor list) : Tensor =
    let images =
        [ for picture in pictures -> ofPixels ((picture.flip 0L).permute(1L, 2L, 0L)) ]

    let about (image: RgbImage) =
        BatchImage(CocoId 0L, "", image.Width, image.Height, image.Width, image.Height, 1.0f, 1.0f, [||], [||])

    use batch =
        normalisation.Collate [| for image in images -> struct (ImageView image, about image) |]

    (BatchTensors.images torch.CPU batch).Images

/// The size (h, w) that a picture of a size (h, w) is padded to where no larger one is in the batch, px.
let paddedAlone (height: int64, width: int64) : int64 * int64 =
    let struct (w, h) = Normalisation.PaddedSize [ struct (int width, int height) ]
    int64 h, int64 w

/// The size (w, h) that a picture takes within a scale (two sides, in either order), its ratio kept.
let resizedSize (width: int) (height: int) (scale: int64[]) : struct (int * int) =
    ResizeLimit(int (Array.min scale), int (Array.max scale)).Of(width, height)

/// A picture [h, w, 3] (bytes) at another size.
let resize (picture: Tensor) (width: int) (height: int) : Tensor =
    let resized = Resize.Bilinear(ofPixels picture, width, height)
    torch.tensor(resized.Pixels, dtype = torch.uint8).reshape(int64 height, int64 width, 3L)
