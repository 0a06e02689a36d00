namespace DeqDet.Detection

open System
open System.Runtime.InteropServices
open TorchSharp
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Images
open DeqDet.Model

/// Brings batches to a device: where pixels become tensors, and the other way.
module BatchTensors =

    /// A picture that a program has as a tensor: uint8 [3, H, W], RGB, on any device. Raises ArgumentException for any other.
    let picture (pixels: torch.Tensor) : RgbImage =
        let shape = pixels.shape

        if
            pixels.dtype <> torch.uint8
            || shape.Length <> 3
            || shape[0] <> 3L
            || pixels.numel () = 0L
        then
            let shape = String.Join(", ", shape)

            invalidArg
                (nameof pixels)
                $"a picture is a tensor uint8 [3, H, W] in RGB, this one is {pixels.dtype} [{shape}]"

        use _ = torch.NewDisposeScope()
        let rows = pixels.detach().cpu().permute(1L, 2L, 0L).contiguous()
        RgbImage(rows.data<byte>().ToArray(), int shape[2], int shape[1])

    /// The network's input, [B, 3, H, W] float32 with the valid sizes. The batch may be disposed after the call.
    let images (device: torch.Device) (batch: Batch) : ImageBatch =
        use _ = torch.NewDisposeScope()

        let pixels =
            torch.empty (
                [| int64 batch.Images.Count; 3L; int64 batch.Height; int64 batch.Width |],
                dtype = torch.float32
            )

        MemoryMarshal.AsBytes(batch.Pixels).CopyTo pixels.bytes

        {
            Images = (onDevice device pixels).MoveToOuterDisposeScope()
            Sizes = [ for image in batch.Images -> struct (float image.Width, float image.Height) ]
        }

    let private target (device: torch.Device) (image: BatchImage) : Target =
        use _ = torch.NewDisposeScope()
        let corners = MemoryMarshal.Cast<Box, float32>(ReadOnlySpan image.Boxes).ToArray()

        let boxes =
            torch.tensor(corners, dtype = torch.float32).reshape(int64 image.Boxes.Length, 4L)

        let labels = torch.tensor (Array.map int64 image.Labels, dtype = torch.int64)

        {
            Boxes = (onDevice device boxes).MoveToOuterDisposeScope()
            Labels = (onDevice device labels).MoveToOuterDisposeScope()
            Size = struct (float image.Width, float image.Height)
        }

    /// What to find in each image: boxes [n, 4] (xyxy px, float32), labels [n] (int64), the valid size; n may be 0.
    let targets (device: torch.Device) (batch: Batch) : Target list =
        [ for image in batch.Images -> target device image ]
