using DeqDet.Coco;
using DeqDet.Data.Check;
using DeqDet.Images;

namespace DeqDet.Data.Export;

/// <summary>What keeps image files of a part from being written.</summary>
/// <param name="Faults">What is wrong with each image, or null; in the order of the part.</param>
/// <param name="Turned">How many images are annotated as stored though EXIF turns them.</param>
internal sealed record ImageFaults(IReadOnlyList<string?> Faults, int Turned)
{
    /// <summary>How many images cannot be written.</summary>
    public int Count => Faults.Count(fault => fault is not null);

    /// <summary>What is wrong, in the order of the images.</summary>
    public IEnumerable<string> Found => Faults.OfType<string>();

    /// <summary>
    /// Looks at every image of a part: every one has to be there, readable and of the size that its annotations state, since formats that know
    /// shares of an image would else move its boxes.
    /// </summary>
    /// <param name="part">The part.</param>
    /// <param name="decode">Whether pixels are decoded, and not only headers read.</param>
    /// <param name="told">Called after each image, on any thread.</param>
    /// <param name="cancellation">Ends it.</param>
    public static ImageFaults Of(ExportPart part, bool decode, Action told, CancellationToken cancellation)
    {
        var faults = new string?[part.Images.Count];
        var turned = new bool[part.Images.Count];
        var missing = new Lazy<MissingImages>(() => MissingImages.In(part.ImageFolder));
        Parallel.For(
            0,
            faults.Length,
            new ParallelOptions { CancellationToken = cancellation },
            i =>
            {
                var image = part.Images[i];
                var path = part.PathOf(image);
                (faults[i], turned[i]) = File.Exists(path)
                    ? Look(path, image, decode)
                    : ($"{missing.Value.Explain(image.Name)} (missing)", false);
                told();
            }
        );
        return new(faults, turned.Count(true));
    }

    private static (string? Fault, bool Turned) Look(string path, ExportImage image, bool decode)
    {
        try
        {
            var header = ImageHeader.Read(path);
            var (stored, stated) = ((header.Width, header.Height), (image.Width, image.Height));
            var upright = header.SwapsSides ? (header.Height, header.Width) : stored;
            if (stated != upright && stated != stored)
            {
                return (
                    $"{image.Name} has {header.Width} x {header.Height} px, stated {image.Width} x {image.Height}",
                    false
                );
            }

            if (decode)
            {
                ImageFile.Load(path, stated);
            }

            return (null, stated != upright);
        }
        catch (InputError error)
        {
            return (ImageSurvey.Brief(error.Message, path, image.Name), false);
        }
    }
}
