using System.Runtime.InteropServices;
using DeqDet.Coco;
using DeqDet.Data;
using DeqDet.Model;
using Microsoft.FSharp.Collections;
using TorchSharp;

namespace DeqDet.Detection;

/// <summary>Brings batches to a device: the only place of the data code that knows tensors.</summary>
public static class BatchTensors
{
    /// <summary>The network's input, [B, 3, H, W] float32 with the valid sizes. The batch may be disposed after the call.</summary>
    public static ImageBatch Images(Batch batch, torch.Device device)
    {
        using var scope = torch.NewDisposeScope();
        var pixels = torch.empty([batch.Images.Count, 3, batch.Height, batch.Width], dtype: torch.float32);
        MemoryMarshal.AsBytes(batch.Pixels).CopyTo(pixels.bytes);
        var sizes = batch.Images.Select(image => ((double)image.Width, (double)image.Height));
        return new(OnDevice(pixels, device).MoveToOuterDisposeScope(), ListModule.OfSeq(sizes));
    }

    /// <summary>What to find in each image: boxes [n, 4] (xyxy px, float32), labels [n] (int64), the valid size; n may be 0.</summary>
    public static FSharpList<Target> Targets(Batch batch, torch.Device device) =>
        ListModule.OfSeq(batch.Images.Select(image => TargetOf(image, device)));

    private static Target TargetOf(BatchImage image, torch.Device device)
    {
        using var scope = torch.NewDisposeScope();
        var corners = MemoryMarshal.Cast<Box, float>(image.Boxes).ToArray();
        var boxes = torch.tensor(corners, [image.Boxes.Length, 4], dtype: torch.float32);
        var labels = torch.tensor(Array.ConvertAll(image.Labels, label => (long)label), dtype: torch.int64);
        return new(
            OnDevice(boxes, device).MoveToOuterDisposeScope(),
            OnDevice(labels, device).MoveToOuterDisposeScope(),
            (image.Width, image.Height)
        );
    }

    /// <summary>
    /// A tensor of the processor's memory on a device. To a GPU it is copied from pinned memory, so that the caller need not wait; libtorch
    /// keeps the pinned memory until the copy is done, and uses it again.
    /// </summary>
    private static torch.Tensor OnDevice(torch.Tensor tensor, torch.Device device) =>
        device.type == DeviceType.CUDA ? tensor.pin_memory().to(device, non_blocking: true) : tensor.to(device);
}
