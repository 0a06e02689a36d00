using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Images;
using DeqDet.Settings;
using DeqDet.Verification;
using TorchSharp;

namespace DeqDet.Host.Goldens;

/// <summary>The program's own way from pictures to network input, on tensors of bytes as the goldens hold them.</summary>
public sealed class HostPreprocessing : IPreprocessing
{
    private readonly Normalisation normalisation = new(SettingsModule.defaults.Data.Normalise);

    /// <inheritdoc/>
    public torch.Tensor Normalise(IReadOnlyList<torch.Tensor> pictures)
    {
        using var scope = torch.NewDisposeScope();
        // blue, green, red planes become pixels of red, green, blue
        var images = pictures.Select(picture => Picture(picture.flip(0).permute(1, 2, 0))).ToList();
        using var batch = normalisation.Collate([.. images.Select(image => (new ImageView(image), About(image)))]);
        return BatchTensors.images(torch.CPU, batch).Images.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public (int, int) ResizedSize(int width, int height, (int, int) scale) =>
        new ResizeLimit(Math.Min(scale.Item1, scale.Item2), Math.Max(scale.Item1, scale.Item2)).Of(width, height);

    /// <inheritdoc/>
    public torch.Tensor Resize(torch.Tensor picture, int width, int height)
    {
        var resized = Images.Resize.Bilinear(Picture(picture), width, height);
        return torch.tensor(resized.Pixels, [height, width, 3], dtype: torch.uint8);
    }

    private static RgbImage Picture(torch.Tensor pixels)
    {
        using var plain = pixels.cpu().contiguous();
        return new(plain.bytes.ToArray(), (int)pixels.shape[1], (int)pixels.shape[0]);
    }

    private static BatchImage About(RgbImage image) =>
        new(0, "", image.Width, image.Height, image.Width, image.Height, 1, 1, [], []);
}
