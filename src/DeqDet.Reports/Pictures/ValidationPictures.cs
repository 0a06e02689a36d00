using DeqDet.Coco;
using DeqDet.Coco.Evaluation;
using DeqDet.Data;
using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Reports;

/// <summary>Pictures of what was found in validation images beside what is there.</summary>
public static class ValidationPictures
{
    /// <summary>All pictures on one sheet.</summary>
    public const string SheetName = "sheet.png";

    private const int SheetColumns = 2;

    /// <summary>
    /// Writes a picture for each of the settings' number of images, evenly spread over the set, and one sheet of them all.
    /// </summary>
    /// <param name="data">The validation set.</param>
    /// <param name="detections">What was found in it.</param>
    /// <param name="settings">How many pictures, and from which score on detections are drawn.</param>
    /// <param name="folder">Made if it is missing.</param>
    /// <returns>The files, the sheet last.</returns>
    /// <exception cref="InputError">An image cannot be read, or a picture not be written.</exception>
    public static IReadOnlyList<string> Draw(
        CocoDataset data,
        Detections detections,
        EvaluationSettings settings,
        string folder
    )
    {
        var count = Math.Min(settings.Pictures, data.Images.Count);
        if (count == 0)
        {
            return [];
        }
        CreateFolder(folder);
        var images = Enumerable
            .Range(0, count)
            .Select(i => data.Images[(int)((long)i * data.Images.Count / count)])
            .ToList();
        var found = Found(images, data, detections, settings.PictureScore);
        var pictures = new List<Picture>();
        var files = new List<string>();
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase) { SheetName };
        foreach (var image in images)
        {
            pictures.Add(Draw(data, image, found[image.Id]));
            files.Add(Path.Combine(folder, NameOf(image, taken)));
            pictures[^1].Save(files[^1]);
        }
        files.Add(Path.Combine(folder, SheetName));
        Picture.Sheet(pictures, SheetColumns).Save(files[^1]);
        return files;
    }

    // The image's own name; where another one has it, its id before it. A text may hold what no file name can.
    private static string NameOf(DataImage image, HashSet<string> taken)
    {
        var own = $"{Path.GetFileNameWithoutExtension(image.FileName)}.png";
        var name = own;
        for (var i = 1; !taken.Add(name); i++)
        {
            name = i == 1 && !image.Id.IsText ? $"{image.Id}-{own}" : $"{i}-{own}";
        }
        return name;
    }

    private static Picture Draw(CocoDataset data, DataImage image, IReadOnlyList<DrawnBox> found)
    {
        var pixels = ImageFile.Load(data.PathOf(image), (image.Width, image.Height));
        var truth = image
            .Boxes.OrderByDescending(box => box.IsCrowd)
            .Select(box => new DrawnBox(
                box.Box,
                box.Label,
                data.Categories[box.Label].Name + (box.IsCrowd ? " (crowd)" : ""),
                Dashed: box.IsCrowd
            ));
        return Picture.Beside(Picture.Annotate(pixels, [.. truth]), Picture.Annotate(pixels, found));
    }

    private static Dictionary<CocoId, List<DrawnBox>> Found(
        IReadOnlyList<DataImage> images,
        CocoDataset data,
        Detections all,
        double least
    )
    {
        var labels = data.Categories.Select((category, label) => (category.Id, label)).ToDictionary();
        var found = images.ToDictionary(image => image.Id, _ => new List<DrawnBox>());
        for (var i = 0; i < all.Count; i++)
        {
            if (all.Score[i] >= least && found.TryGetValue(all.ImageId[i], out var boxes))
            {
                var (x, y) = ((float)all.X[i], (float)all.Y[i]);
                var box = new Box(x, y, x + (float)all.Width[i], y + (float)all.Height[i]);
                var label = labels[all.CategoryId[i]];
                boxes.Add(new(box, label, data.Categories[label].Name, all.Score[i]));
            }
        }
        return found.ToDictionary(entry => entry.Key, entry => entry.Value.OrderBy(box => box.Score).ToList());
    }

    private static void CreateFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"{folder}: cannot be made ({error.Message}); choose another --work-dir", error);
        }
    }
}
