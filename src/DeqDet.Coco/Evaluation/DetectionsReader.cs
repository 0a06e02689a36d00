namespace DeqDet.Coco.Evaluation;

/// <summary>Loads a COCO results list (plain or gzip).</summary>
public static class DetectionsReader
{
    /// <summary>Raises <see cref="InputError"/> naming file, record and remedy for anything that cannot be evaluated.</summary>
    /// <param name="path">The file.</param>
    /// <param name="strict">
    /// Whether boxes of negative width or height are refused too; else they are evaluated as pycocotools does, see
    /// <see cref="Detections.NegativeBoxes"/>.
    /// </param>
    public static Detections Load(string path, bool strict = false)
    {
        var visitor = new Visitor(path, strict);
        CocoJson.ReadDetections(path, visitor);
        return visitor.Detections;
    }

    private sealed class Visitor(string path, bool strict) : ICocoDetectionVisitor
    {
        public Detections Detections { get; } = new(path);

        public void Visit(in CocoDetection detection)
        {
            var fault = detection.Problem ?? (strict ? CocoRules.BoxFault(detection.Width, detection.Height) : null);
            if (fault is not null)
            {
                throw Detections.Error(detection.Record, fault);
            }
            Detections.Add(
                detection.ImageId,
                detection.CategoryId,
                detection.X,
                detection.Y,
                detection.Width,
                detection.Height,
                detection.Score
            );
        }
    }
}
