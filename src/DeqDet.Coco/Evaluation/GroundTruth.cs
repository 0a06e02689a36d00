namespace DeqDet.Coco.Evaluation;

/// <summary>
/// The boxes to be found, as columns: entry i of every column belongs to box i, in the order of the file (it decides between
/// boxes of equal overlap). Images and categories are named by their position in the ascending lists of ids.
/// </summary>
public sealed class GroundTruth
{
    private readonly CocoId[] imageIds;
    private readonly ObjectClass[] categories;
    private readonly Dictionary<CocoId, int> imageIndex;
    private readonly Dictionary<CocoId, int> categoryIndex;
    private readonly int[] image;
    private readonly int[] category;
    private readonly Builder columns;

    private GroundTruth(Builder columns)
    {
        this.columns = columns;
        imageIds = [.. columns.Images.Order()];
        categories = [.. columns.Categories.OrderBy(c => c.Id)];
        imageIndex = Positions(imageIds);
        categoryIndex = Positions(categories.Select(c => c.Id));
        image = Resolve(columns.ImageId, imageIndex, "image", "images");
        category = Resolve(columns.CategoryId, categoryIndex, "category", "categories");
    }

    /// <summary>Ids of all images, ascending.</summary>
    public IReadOnlyList<CocoId> ImageIds => imageIds;

    /// <summary>All categories by ascending id.</summary>
    public IReadOnlyList<ObjectClass> Categories => categories;

    /// <summary>Number of boxes, crowd regions among them.</summary>
    public int Count => image.Length;

    /// <summary>Number of boxes without an <c>area</c>: width x height stands in.</summary>
    public int WithoutArea => columns.WithoutArea;

    /// <summary>Position in <see cref="ImageIds"/> of each box's image.</summary>
    public ReadOnlySpan<int> Image => image;

    /// <summary>Position in <see cref="Categories"/> of each box's category.</summary>
    public ReadOnlySpan<int> Category => category;

    /// <summary>Annotation ids.</summary>
    public ReadOnlySpan<CocoId> Id => columns.Id.AsSpan();

    /// <summary>Left edges, px.</summary>
    public ReadOnlySpan<double> X => columns.X.AsSpan();

    /// <summary>Upper edges, px.</summary>
    public ReadOnlySpan<double> Y => columns.Y.AsSpan();

    /// <summary>Widths, px.</summary>
    public ReadOnlySpan<double> Width => columns.Width.AsSpan();

    /// <summary>Heights, px.</summary>
    public ReadOnlySpan<double> Height => columns.Height.AsSpan();

    /// <summary>Areas of the objects in px^2 (of their outlines where the annotator drew some).</summary>
    public ReadOnlySpan<double> Area => columns.Area.AsSpan();

    /// <summary>Regions that hold many objects: never missed, never a fault to hit.</summary>
    public ReadOnlySpan<bool> IsCrowd => columns.IsCrowd.AsSpan();

    /// <summary>Position in <see cref="ImageIds"/>, or -1.</summary>
    public int FindImage(CocoId id) => imageIndex.GetValueOrDefault(id, -1);

    /// <summary>Position in <see cref="Categories"/>, or -1.</summary>
    public int FindCategory(CocoId id) => categoryIndex.GetValueOrDefault(id, -1);

    private static Dictionary<CocoId, int> Positions(IEnumerable<CocoId> ids) =>
        ids.Select((id, position) => (id, position)).ToDictionary(pair => pair.id, pair => pair.position);

    private int[] Resolve(Column<CocoId> ids, Dictionary<CocoId, int> positions, string what, string list)
    {
        var resolved = new int[ids.Count];
        for (var i = 0; i < resolved.Length; i++)
        {
            if (!positions.TryGetValue(ids.AsSpan()[i], out resolved[i]))
            {
                var id = ids.AsSpan()[i];
                throw columns.Error(
                    i,
                    IdKind.Difference(id, positions.Keys, what, $"\"{list}\"")
                        ?? $"names {what} {id}, which is not in \"{list}\"; add the {what} or remove the annotation"
                );
            }
        }
        return resolved;
    }

    /// <summary>
    /// Collects images, categories and boxes in any order. <paramref name="source"/> (a file name) begins every message.
    /// All methods raise <see cref="InputError"/> for what cannot be evaluated.
    /// </summary>
    public sealed class Builder(string source)
    {
        private readonly HashSet<CocoId> boxIds = [];
        private readonly HashSet<CocoId> categoryIds = [];

        internal HashSet<CocoId> Images { get; } = [];
        internal List<ObjectClass> Categories { get; } = [];
        internal Column<CocoId> ImageId { get; } = new();
        internal Column<CocoId> CategoryId { get; } = new();
        internal Column<CocoId> Id { get; } = new();
        internal Column<double> X { get; } = new();
        internal Column<double> Y { get; } = new();
        internal Column<double> Width { get; } = new();
        internal Column<double> Height { get; } = new();
        internal Column<double> Area { get; } = new();
        internal Column<bool> IsCrowd { get; } = new();
        internal int WithoutArea { get; private set; }

        /// <summary>Adds an image; ids must differ.</summary>
        public void AddImage(CocoId id)
        {
            if (!Images.Add(id))
            {
                throw new InputError(
                    $"{source}: images[{Images.Count}]: id {id} occurs twice; ids of images have to differ"
                );
            }
        }

        /// <summary>Adds a category; ids must differ.</summary>
        public void AddCategory(CocoId id, string name)
        {
            if (!categoryIds.Add(id))
            {
                throw new InputError(
                    $"{source}: categories[{Categories.Count}]: id {id} occurs twice; ids of categories have to differ"
                );
            }
            Categories.Add(new ObjectClass(id, name));
        }

        /// <summary>
        /// Adds a box in pixels: finite, width and height zero or more; ids must differ.
        /// Without <paramref name="area"/>, width x height.
        /// </summary>
        public void AddBox(
            CocoId id,
            CocoId imageId,
            CocoId categoryId,
            double x,
            double y,
            double width,
            double height,
            double? area = null,
            bool isCrowd = false
        )
        {
            Id.Add(id);
            ImageId.Add(imageId);
            CategoryId.Add(categoryId);
            X.Add(x);
            Y.Add(y);
            Width.Add(width);
            Height.Add(height);
            Area.Add(area ?? (width * height));
            IsCrowd.Add(isCrowd);
            WithoutArea += area is null ? 1 : 0;
            if (BoxRules.Fault(x, y, width, height) is { } fault)
            {
                throw Error(Id.Count - 1, fault);
            }
            if (area is { } given && !(double.IsFinite(given) && given >= 0))
            {
                throw Error(Id.Count - 1, $"\"area\" is {given}; it has to be zero or more");
            }
            if (!boxIds.Add(id))
            {
                throw Error(Id.Count - 1, "has an id that occurred before; ids of annotations have to differ");
            }
        }

        /// <summary>The finished set. Every box must name an image and a category that were added.</summary>
        public GroundTruth Build() => new(this);

        internal InputError Error(int box, string message) =>
            new($"{source}: annotations[{box}] (id {Id.AsSpan()[box]}): {message}");
    }
}
