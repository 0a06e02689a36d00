namespace DeqDet.Coco.Evaluation;

/// <summary>Loads the boxes of a COCO annotation file (plain or gzip), minding only what the evaluation needs.</summary>
public static class GroundTruthReader
{
    /// <summary>Raises <see cref="InputError"/> naming file, record and remedy for anything that cannot be evaluated.</summary>
    public static GroundTruth Load(string path) => GroundTruth.Of(AnnotationFile.Read(path, AnnotationUse.Evaluation));
}
