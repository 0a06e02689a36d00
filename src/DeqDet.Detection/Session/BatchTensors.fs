namespace DeqDet.Detection

open System
open System.Runtime.InteropServices
open TorchSharp
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Model

/// Brings batches to a device: where pixels become tensors.
module BatchTensors =

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
