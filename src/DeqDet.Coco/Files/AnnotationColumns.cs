using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco;

/// <summary>The growing columns behind an annotation file.</summary>
internal sealed class AnnotationColumns
{
    public List<ListedImage> Images { get; } = [];
    public bool HasAnnotations { get; set; }
    public int WithoutArea { get; set; }
    public Column<int> Record { get; } = new();
    public Column<CocoId> Id { get; } = new();
    public Column<int> Image { get; } = new();
    public Column<int> Label { get; } = new();
    public Column<double> X { get; } = new();
    public Column<double> Y { get; } = new();
    public Column<double> Width { get; } = new();
    public Column<double> Height { get; } = new();
    public Column<double> Area { get; } = new();
    public Column<bool> IsCrowd { get; } = new();
    public Column<bool> IsIgnored { get; } = new();

    /// <summary>Adds a box of other columns, of an image and a class at another place.</summary>
    public void Add(AnnotationColumns other, int box, int image, int label)
    {
        Record.Add(other.Record.AsSpan()[box]);
        Id.Add(other.Id.AsSpan()[box]);
        Image.Add(image);
        Label.Add(label);
        X.Add(other.X.AsSpan()[box]);
        Y.Add(other.Y.AsSpan()[box]);
        Width.Add(other.Width.AsSpan()[box]);
        Height.Add(other.Height.AsSpan()[box]);
        Area.Add(other.Area.AsSpan()[box]);
        IsCrowd.Add(other.IsCrowd.AsSpan()[box]);
        IsIgnored.Add(other.IsIgnored.AsSpan()[box]);
    }

    /// <summary>Drops the boxes whose key is negative.</summary>
    public void Drop(ReadOnlySpan<int> keys)
    {
        Record.Keep(keys);
        Id.Keep(keys);
        Image.Keep(keys);
        Label.Keep(keys);
        X.Keep(keys);
        Y.Keep(keys);
        Width.Keep(keys);
        Height.Keep(keys);
        Area.Keep(keys);
        IsCrowd.Keep(keys);
        IsIgnored.Keep(keys);
    }
}
