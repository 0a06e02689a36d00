using DeqDet.Coco;

namespace DeqDet.Data.Splitting;

/// <summary>
/// A share of a data set without a validation part: the images that are kept for validation, or the others. It depends on the seed, on the
/// file names and on the classes of the boxes, not on the order of the files.
/// </summary>
/// <param name="Validation">Share of the images that is kept for validation, from 0 to below 1.</param>
/// <param name="Seed">Seed of the draw.</param>
/// <param name="IsValidation">Whether these images are meant, and not the others.</param>
public sealed record DataShare(double Validation, long Seed, bool IsValidation)
{
    /// <summary>Which images of a file are in the share, by their position.</summary>
    /// <exception cref="InputError">There are too few to have some on both sides.</exception>
    public bool[] Of(AnnotationFile file)
    {
        if (file.Images.Count < 2)
        {
            throw new InputError(
                $"{file.Path}: {Counted.Of(file.Images.Count, "image")} cannot be trained and validated on; there is no part for validation"
            );
        }

        var boxes = file.Images.Select(_ => new Dictionary<int, int>()).ToArray();
        for (var i = 0; i < file.Count; i++)
        {
            var counts = boxes[file.Image[i]];
            counts[file.Label[i]] = counts.GetValueOrDefault(file.Label[i]) + 1;
        }

        var sides = Stratification.Assign(
            [.. file.Images.Select((image, i) => new SplitItem(image.FileName, 1, boxes[i]))],
            [1 - Validation, Validation],
            Seed
        );
        return [.. sides.Select(side => side == 1 == IsValidation)];
    }

    /// <summary>What the user should be told of it.</summary>
    public string Notice(string path) =>
        FormattableString.Invariant(
            $"{path}: there is no part for validation, so {100 * Validation:0.#} % of its images, drawn with seed {Seed}, are kept for it (data.auto_split)"
        );
}
