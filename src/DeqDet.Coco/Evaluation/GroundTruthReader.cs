namespace DeqDet.Coco.Evaluation;

/// <summary>Loads the boxes of a COCO annotation file (plain or gzip), looking only at what the evaluation needs.</summary>
public static class GroundTruthReader
{
    /// <summary>Raises <see cref="InputError"/> naming file, record and remedy for anything that cannot be evaluated.</summary>
    public static GroundTruth Load(string path)
    {
        var visitor = new Visitor(path);
        CocoJson.ReadAnnotations(path, visitor, CocoFields.None);
        return visitor.Builder.Build();
    }

    private sealed class Visitor(string path) : ICocoVisitor
    {
        public GroundTruth.Builder Builder { get; } = new(path);

        public void Visit(in CocoImage image)
        {
            Check("images", image.Record, image.Problem);
            Builder.AddImage(image.Id);
        }

        public void Visit(in CocoCategory category)
        {
            Check("categories", category.Record, category.Problem);
            Builder.AddCategory(category.Id, category.Name);
        }

        public void Visit(in CocoAnnotation box)
        {
            Check("annotations", box.Record, box.Problem);
            Builder.AddBox(
                box.Id,
                box.ImageId,
                box.CategoryId,
                box.X,
                box.Y,
                box.Width,
                box.Height,
                box.Area,
                box.IsCrowd
            );
        }

        private void Check(string list, int record, string? problem)
        {
            if (problem is not null)
            {
                throw new InputError($"{path}: {list}[{record}]: {problem}");
            }
        }
    }
}
