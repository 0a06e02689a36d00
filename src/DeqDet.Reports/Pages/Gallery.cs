using DeqDet.Coco.Analysis;
using DeqDet.Coco.Evaluation;
using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Reports.Pages;

/// <summary>An image of the gallery with the indices of its boxes and detections, the surest first.</summary>
/// <param name="Mistakes">Its counts.</param>
/// <param name="Entry">Its file and size, as far as the annotation file has them.</param>
/// <param name="Boxes">Boxes of the ground truth, crowds among them.</param>
/// <param name="Found">Detections.</param>
/// <param name="Jpeg">The picture, scaled down; null where there is none.</param>
public sealed record GalleryImage(ImageMistakes Mistakes, ImageEntry Entry, int[] Boxes, int[] Found, byte[]? Jpeg);

/// <summary>The worst images of an evaluation, with pictures where a folder of images is given.</summary>
/// <param name="Images">The worst first.</param>
/// <param name="Notes">What a reader should know, a sentence each.</param>
public sealed record Gallery(IReadOnlyList<GalleryImage> Images, IReadOnlyList<string> Notes)
{
    /// <summary>How many images are shown unless asked otherwise.</summary>
    public const int DefaultImages = 24;

    /// <summary>How many images can be asked for: a page of some 20 MB.</summary>
    public const int MostImages = 200;

    /// <summary>How many detections of an image are shown; the surest ones.</summary>
    public const int MostDetections = 300;

    /// <summary>
    /// Collects the worst images. A file that is missing, damaged or of another size leaves an empty frame and a note.
    /// </summary>
    /// <exception cref="InputError">Not one of the files can be read: the folder is the wrong one.</exception>
    public static Gallery Of(
        EvaluationAnalysis analysis,
        GroundTruth truth,
        Detections detections,
        ImageCatalogue catalogue,
        int count
    )
    {
        var judgement = analysis.Judgement;
        var worst = analysis.Images.Take(count).Where(image => image.Mistakes > 0).ToList();
        var slots = worst.Select((image, i) => (image.Image, i)).ToDictionary(pair => pair.Image, pair => pair.i);
        var boxes = Members(judgement.BoxImage, slots);
        var found = Members(judgement.ImageOf, slots);
        var pictures = new byte[]?[worst.Count];
        var faults = new InputError?[worst.Count];
        if (catalogue.Folder is { } folder)
        {
            Parallel.For(
                0,
                worst.Count,
                i =>
                {
                    try
                    {
                        pictures[i] = Load(folder, catalogue[worst[i].Id], worst[i].Id);
                    }
                    catch (InputError fault)
                    {
                        faults[i] = fault;
                    }
                }
            );
        }
        var failed = faults.OfType<InputError>().ToList();
        if (failed.Count > 0 && failed.Count == worst.Count)
        {
            throw new InputError($"none of the {failed.Count} images to be shown can be read: {failed[0].Message}");
        }
        return new(
            [
                .. worst.Select(
                    (image, i) =>
                        new GalleryImage(
                            image,
                            catalogue[image.Id],
                            [.. boxes[i]],
                            [.. found[i].OrderByDescending(d => detections.Score[d]).Take(MostDetections)],
                            pictures[i]
                        )
                ),
            ],
            failed.Count == 0
                ? []
                :
                [
                    $"{failed.Count} of {worst.Count} pictures cannot be read and are left empty; the first: {failed[0].Message}",
                ]
        );
    }

    private static byte[] Load(string folder, ImageEntry entry, CocoId id) =>
        entry.FileName.Length == 0
            ? throw new InputError(
                $"image {id}: the ground truth names no file in the folder (file_name), or no size (width, height)"
            )
            : Thumbnail.Jpeg(
                ImageFile.Load(Path.Combine(folder, entry.FileName), (entry.Width, entry.Height)),
                Thumbnail.LongestSide
            );

    // For each slot the entries whose image it is.
    private static List<int>[] Members(int[] imageOf, Dictionary<int, int> slots)
    {
        var members = Enumerable.Range(0, slots.Count).Select(_ => new List<int>()).ToArray();
        for (var i = 0; i < imageOf.Length; i++)
        {
            if (slots.TryGetValue(imageOf[i], out var slot))
            {
                members[slot].Add(i);
            }
        }
        return members;
    }
}
