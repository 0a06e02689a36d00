using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace DeqDet.Data;

/// <summary>
/// What a data set is, in short: two sets with equal fingerprints have the same images in the same order with the same boxes, wherever they
/// lie. Pixels are not looked at, ids of images and boxes neither; classes are compared by themselves.
/// </summary>
/// <param name="Images">Number of images.</param>
/// <param name="Boxes">Number of boxes.</param>
/// <param name="Names">Digest of the file names.</param>
/// <param name="Sizes">Digest of widths and heights.</param>
/// <param name="Annotations">Digest of the boxes of each image: corners, labels, crowd and ignored ones.</param>
public sealed record DataFingerprint(int Images, int Boxes, string Names, string Sizes, string Annotations)
{
    // 128 bits: nobody makes an equal one by chance.
    private const int DigestBytes = 16;

    /// <summary>The fingerprint of a set.</summary>
    public static DataFingerprint Of(CocoDataset data)
    {
        using var names = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var sizes = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var annotations = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var boxes = 0;
        foreach (var image in data.Images)
        {
            var name = Encoding.UTF8.GetBytes(image.FileName);
            Add(names, name.Length);
            names.AppendData(name);
            Add(sizes, image.Width);
            Add(sizes, image.Height);
            Add(annotations, image.Boxes.Count);
            foreach (var box in image.Boxes)
            {
                Add(annotations, box.Label);
                Add(annotations, (box.IsCrowd ? 1 : 0) + (box.IsIgnored ? 2 : 0));
                foreach (double corner in (ReadOnlySpan<double>)[box.Box.X1, box.Box.Y1, box.Box.X2, box.Box.Y2])
                {
                    Add(annotations, BitConverter.DoubleToInt64Bits(corner));
                }
            }

            boxes += image.Boxes.Count;
        }

        return new(data.Images.Count, boxes, Digest(names), Digest(sizes), Digest(annotations));
    }

    /// <summary>As a checkpoint holds it.</summary>
    public JsonObject ToJson() =>
        new()
        {
            ["images"] = Images,
            ["boxes"] = Boxes,
            ["names"] = Names,
            ["sizes"] = Sizes,
            ["annotations"] = Annotations,
        };

    /// <summary>What <see cref="ToJson"/> made; null where this is something else.</summary>
    public static DataFingerprint? FromJson(JsonNode? node)
    {
        return
            Number("images") is { } images
            && Number("boxes") is { } boxes
            && Text("names") is { } names
            && Text("sizes") is { } sizes
            && Text("annotations") is { } annotations
            ? new(images, boxes, names, sizes, annotations)
            : null;

        JsonValue? Value(string key) => (node as JsonObject)?[key] as JsonValue;
        int? Number(string key) => Value(key) is { } value && value.TryGetValue(out int number) ? number : null;
        string? Text(string key) => Value(key) is { } value && value.TryGetValue(out string? text) ? text : null;
    }

    /// <summary>In what another set differs, to follow "the data has"; null where both are the same.</summary>
    public string? Difference(DataFingerprint now)
    {
        if (now.Images != Images)
        {
            return $"{Counted.Of(now.Images, "image")} instead of {Images}";
        }

        if (now.Names != Names)
        {
            return "other file names, or the images in another order";
        }

        if (now.Sizes != Sizes)
        {
            return "images of other sizes under the same file names";
        }

        if (now.Boxes != Boxes)
        {
            return $"{Counted.Of(now.Boxes, "box", "boxes")} instead of {Boxes} on the same images";
        }

        return now.Annotations != Annotations ? "other boxes or labels on the same images" : null;
    }

    private static string Digest(IncrementalHash hash) =>
        Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, DigestBytes));

    private static void Add(IncrementalHash hash, long number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        hash.AppendData(bytes);
    }
}
