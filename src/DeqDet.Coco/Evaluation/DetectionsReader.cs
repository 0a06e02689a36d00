namespace DeqDet.Coco.Evaluation;

/// <summary>Loads a COCO results list (plain or gzip).</summary>
public static class DetectionsReader
{
    /// <summary>Raises <see cref="InputError"/> naming file, record and remedy for anything that cannot be evaluated.</summary>
    public static Detections Load(string path)
    {
        var visitor = new Visitor(path);
        CocoJson.ReadDetections(path, visitor);
        return visitor.Detections;
    }

    private sealed class Visitor(string path) : ICocoDetectionVisitor
    {
        public Detections Detections { get; } = new(path);

        public void Visit(in CocoDetection detection)
        {
            if (detection.Problem is { } problem)
            {
                throw Detections.Error(detection.Record, problem);
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
