using System.Text.RegularExpressions;
using DeqDet.Checkpoints;

namespace DeqDet.Detection;

/// <summary>
/// Brings the weights of image classifiers, as their authors publish them, under the names (and into the order) that detectors
/// use: torchvision's ResNet and the original Swin Transformer. Nothing is copied; a reordered tensor is a view on the file.
/// </summary>
public static partial class BackboneNames
{
    private const string Prefix = "backbone.";

    /// <summary>
    /// The backbone's tensors under names that start with <c>backbone.</c>; the classifier's own layers are left out. Of a
    /// detector's weights only the backbone is taken.
    /// </summary>
    /// <exception cref="CheckpointError">The file is none of these.</exception>
    public static IReadOnlyList<StoredTensor> Convert(ITensorFile file)
    {
        if (file.Tensors.Any(tensor => tensor.Name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            return [.. file.Tensors.Where(tensor => tensor.Name.StartsWith(Prefix, StringComparison.Ordinal))];
        }
        if (file.Find("layer1.0.conv1.weight") is not null)
        {
            return [.. file.Tensors.Select(ResNet).OfType<StoredTensor>()];
        }
        if (file.Find("layers.0.blocks.0.attn.qkv.weight") is not null)
        {
            return [.. file.Tensors.Select(tensor => Swin(file.Path, tensor)).OfType<StoredTensor>()];
        }
        throw new CheckpointError(
            file.Path,
            "holds no known backbone; known are torchvision's ResNet, the original Swin Transformer, and detectors with 'backbone.' names"
        );
    }

    /// <summary>
    /// Whether a backbone weight belongs to the normalisation of a Swin level's output, which classifiers do not have.
    /// </summary>
    public static bool IsOutputNorm(string name) => OutputNorm().IsMatch(name);

    /// <summary>Whether a backbone tensor is one that nothing computes with: batch counters, tables of positions.</summary>
    public static bool IsBookkeeping(string name) =>
        name.EndsWith(".num_batches_tracked", StringComparison.Ordinal)
        || name.EndsWith(".relative_position_index", StringComparison.Ordinal);

    [GeneratedRegex(@"^backbone\.norm\d\.")]
    private static partial Regex OutputNorm();

    // torchvision/models/resnet.py has the detectors' names already; fc is the classifier.
    private static StoredTensor? ResNet(StoredTensor tensor) =>
        tensor.Name.StartsWith("fc.", StringComparison.Ordinal) ? null : tensor.Renamed(Prefix + tensor.Name);

    // Original names: github.com/microsoft/Swin-Transformer, models/swin_transformer.py; ours: mmdet's SwinTransformer.
    private static StoredTensor? Swin(string path, StoredTensor tensor)
    {
        var name = tensor.Name;
        if (name == "absolute_pos_embed")
        {
            throw new CheckpointError(path, "has an absolute position embedding, which no detector here uses");
        }
        if (name.StartsWith("head.") || name.StartsWith("norm.") || name.EndsWith(".attn_mask"))
        {
            return null;
        }
        var own =
            Prefix
            + SwinLayer()
                .Replace(name, "stages.")
                .Replace(".attn.", ".attn.w_msa.")
                .Replace(".mlp.fc1.", ".ffn.layers.0.0.")
                .Replace(".mlp.fc2.", ".ffn.layers.1.")
                .Replace("patch_embed.proj.", "patch_embed.projection.");
        return name.Contains(".downsample.") ? Merging(path, tensor, own) : tensor.Renamed(own);
    }

    [GeneratedRegex(@"^layers\.")]
    private static partial Regex SwinLayer();

    /// <summary>
    /// Patch merging concatenates the C channels of four neighbours, in the original in the order (row, column) = (0,0), (1,0),
    /// (0,1), (1,1), channel by channel within each; here channel by channel, and (0,0), (0,1), (1,0), (1,1) within each.
    /// </summary>
    private static StoredTensor Merging(string path, StoredTensor tensor, string name)
    {
        if (tensor.Shape.Count == 0 || tensor.Shape[^1] % 4 != 0)
        {
            throw new CheckpointError(
                path,
                $"'{tensor.Name}' has the shape {TensorShape.Text(tensor.Shape)}; patch merging needs a multiple of 4 inputs"
            );
        }
        var channels = tensor.Shape[^1] / 4;
        // channel, row, column
        return tensor.Reordered(name, [channels, 2, 2], [1, channels, 2 * channels]);
    }
}
