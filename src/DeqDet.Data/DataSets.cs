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
        MissingImages.Refuse(DataPart.Find(data.Root, data.Train, data.AutoSplit).Load().ForTraining(data.Filter));

    /// <summary>The validation images that settings name, with their truth, for a model with these classes.</summary>
    /// <exception cref="InputError">Something is missing or malformed, or the classes differ.</exception>
    public static (CocoDataset Data, GroundTruth Truth) ForValidation(
        DataSettings data,
        IReadOnlyList<ObjectClass> classes
    )
    {
        var (set, truth) = ForTest(
            DataPart.Find(data.Root, data.Val, data.AutoSplit),
            classes,
            annotationsOptional: false
        );
        return (set, truth!);
    }

    /// <summary>The images of a part with their truth, for a model with these classes.</summary>
    /// <param name="part">Annotation file and image folder.</param>
    /// <param name="classes">The model's classes.</param>
    /// <param name="annotationsOptional">
    /// Whether the list of annotations may be missing, as in COCO's test files; there is no truth then, and the classes may be missing, too.
    /// </param>
    /// <exception cref="InputError">Something is missing or malformed, or the classes differ.</exception>
    public static (CocoDataset Data, GroundTruth? Truth) ForTest(
        DataPart part,
        IReadOnlyList<ObjectClass> classes,
        bool annotationsOptional
    )
    {
        var file = part.ReadFor(classes, annotationsOptional);
        return (MissingImages.Refuse(part.LoadFor(file, classes)), file.HasAnnotations ? GroundTruth.Of(file) : null);
    }
}
