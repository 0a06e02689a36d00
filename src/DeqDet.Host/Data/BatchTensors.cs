using System.Runtime.InteropServices;
using TorchSharp;

namespace DeqDet.Host.Data;

/// <summary>Brings batches to a device: the only place of the data code that knows tensors.</summary>
public static class BatchTensors
{
    /// <summary>The batch's pixels, float32 [B, 3, H, W]. The batch may be disposed after the call.</summary>
    public static torch.Tensor Pixels(Batch batch, torch.Device device)
    {
        using var scope = torch.NewDisposeScope();
        var tensor = torch.empty([batch.Images.Count, 3, batch.Height, batch.Width], dtype: torch.float32);
        MemoryMarshal.AsBytes(batch.Pixels).CopyTo(tensor.bytes);
        return tensor.to(device).MoveToOuterDisposeScope();
    }

    /// <summary>Boxes of one image, xyxy px, float32 [n, 4]; [0, 4] without boxes.</summary>
    public static torch.Tensor Boxes(BatchImage image, torch.Device device)
    {
        var values = MemoryMarshal.Cast<Box, float>(image.Boxes).ToArray();
        return torch.tensor(values, [image.Boxes.Length, 4], dtype: torch.float32, device: device);
    }

    /// <summary>Labels of one image, int64 [n].</summary>
    public static torch.Tensor Labels(BatchImage image, torch.Device device) =>
        torch.tensor(Array.ConvertAll(image.Labels, label => (long)label), dtype: torch.int64, device: device);
}
