using DeqDet.Coco;
using DeqDet.Coco.Evaluation;
using DeqDet.Data.Shapes;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>The data sets that settings name, made first where they are to be made.</summary>
public static class DataSets
{
    /// <summary>Makes the generated data set if the settings want it and it is not there.</summary>
    /// <returns>What the user should be told of it.</returns>
    /// <exception cref="InputError">The folder holds something else.</exception>
    public static IReadOnlyList<string> Ensure(
        DataSettings data,
        IProgress<ShapesProgress>? progress,
        CancellationToken cancellation
    ) =>
        data.Shapes?.Value is { } shapes ? ShapesDataSet.Ensure(data.Root, shapes, progress, cancellation).Notices : [];

    /// <summary>The training images.</summary>
    /// <exception cref="InputError">Something is missing or malformed, or nothing is left to train on.</exception>
    public static CocoDataset ForTraining(DataSettings data) =>
        MissingImages.Refuse(DataPart.Find(data.Root, data.Train).Load().ForTraining(data.Filter));

    /// <summary>The validation images with their truth, for a model with these classes.</summary>
    /// <exception cref="InputError">Something is missing or malformed, or the classes differ.</exception>
    public static (CocoDataset Data, GroundTruth Truth) ForValidation(
        DataSettings data,
        IReadOnlyList<ObjectClass> classes
    )
    {
        var part = DataPart.Find(data.Root, data.Val);
        var file = AnnotationFile.Read(part.AnnotationFile, AnnotationUse.Images);
        var set = part.Load(file);
        if (!set.Categories.SequenceEqual(classes))
        {
            throw new InputError(
                $"{part.AnnotationFile}: its {set.Categories.Count} classes ({Some(set.Categories)}) are not the model's {classes.Count} "
                    + $"({Some(classes)}); categories need the same ids and names"
            );
        }

        return (MissingImages.Refuse(set), GroundTruth.Of(file));
    }

    private static string Some(IReadOnlyList<ObjectClass> classes) =>
        string.Join(", ", classes.Take(4).Select(category => $"{category.Id} {category.Name}"))
        + (classes.Count > 4 ? ", ..." : "");
}
