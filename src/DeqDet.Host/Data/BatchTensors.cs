using System.Runtime.InteropServices;
using DeqDet.Model;
using Microsoft.FSharp.Collections;
using TorchSharp;

namespace DeqDet.Host.Data;

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
        return new(pixels.to(device).MoveToOuterDisposeScope(), ListModule.OfSeq(sizes));
    }

    /// <summary>What to find in each image: boxes [n, 4] (xyxy px, float32), labels [n] (int64), the valid size; n may be 0.</summary>
    public static FSharpList<Target> Targets(Batch batch, torch.Device device) =>
        ListModule.OfSeq(batch.Images.Select(image => TargetOf(image, device)));

    private static Target TargetOf(BatchImage image, torch.Device device)
    {
        var corners = MemoryMarshal.Cast<Box, float>(image.Boxes).ToArray();
        var boxes = torch.tensor(corners, [image.Boxes.Length, 4], dtype: torch.float32, device: device);
        var labels = torch.tensor(
            Array.ConvertAll(image.Labels, label => (long)label),
            dtype: torch.int64,
            device: device
        );
        return new(boxes, labels, (image.Width, image.Height));
    }
}
