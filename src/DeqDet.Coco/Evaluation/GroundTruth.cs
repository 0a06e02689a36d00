namespace DeqDet.Coco.Evaluation;

/// <summary>
/// The boxes to be found, as columns: entry i of every column belongs to box i, in the order of the file (it decides between
/// boxes of equal overlap). Images and categories are named by their position in the ascending lists of ids. Boxes stay [x, y, width,
/// height], unlike everywhere else: the reference computes with these four, and a corner x + width is rounded.
/// </summary>
public sealed class GroundTruth
{
    private readonly AnnotationFile file;
    private readonly ListedImage[] images;
    private readonly CocoId[] imageIds;
    private readonly Dictionary<CocoId, int> imageIndex;
    private readonly Dictionary<CocoId, int> categoryIndex;
    private readonly int[] image;

    private GroundTruth(AnnotationFile file)
    {
        this.file = file;
        var order = Enumerable.Range(0, file.Images.Count).OrderBy(i => file.Images[i].Id).ToArray();
        images = [.. order.Select(i => file.Images[i])];
        imageIds = [.. images.Select(entry => entry.Id)];
        imageIndex = Positions(imageIds);
        categoryIndex = Positions(file.Classes.Select(c => c.Id));
        var rank = new int[order.Length];
        for (var i = 0; i < order.Length; i++)
        {
            rank[order[i]] = i;
        }
        image = new int[file.Count];
        for (var i = 0; i < image.Length; i++)
        {
            image[i] = rank[file.Image[i]];
        }
    }

    /// <summary>The boxes of an annotation file; nothing is copied.</summary>
    public static GroundTruth Of(AnnotationFile file) => new(file);

    /// <summary>All images by ascending id, with the file names and sizes that the file states.</summary>
    public IReadOnlyList<ListedImage> Images => images;

    /// <summary>Ids of all images, ascending.</summary>
    public IReadOnlyList<CocoId> ImageIds => imageIds;

    /// <summary>All categories by ascending id.</summary>
    public IReadOnlyList<ObjectClass> Categories => file.Classes;

    /// <summary>Number of boxes, crowd regions among them.</summary>
    public int Count => file.Count;

    /// <summary>Number of boxes without an <c>area</c>: width x height stands in.</summary>
    public int WithoutArea => file.WithoutArea;

    /// <summary>Position in <see cref="ImageIds"/> of each box's image.</summary>
    public ReadOnlySpan<int> Image => image;

    /// <summary>Position in <see cref="Categories"/> of each box's category.</summary>
    public ReadOnlySpan<int> Category => file.Label;

    /// <summary>Annotation ids.</summary>
    public ReadOnlySpan<CocoId> Id => file.Id;

    /// <summary>Left edges, px.</summary>
    public ReadOnlySpan<double> X => file.X;

    /// <summary>Upper edges, px.</summary>
    public ReadOnlySpan<double> Y => file.Y;

    /// <summary>Widths, px.</summary>
    public ReadOnlySpan<double> Width => file.Width;

    /// <summary>Heights, px.</summary>
    public ReadOnlySpan<double> Height => file.Height;

    /// <summary>Areas of the objects in px^2 (of their outlines where the annotator drew some).</summary>
    public ReadOnlySpan<double> Area => file.Area;

    /// <summary>Regions that hold many objects: never missed, never a fault to hit.</summary>
    public ReadOnlySpan<bool> IsCrowd => file.IsCrowd;

    /// <summary>Position in <see cref="ImageIds"/>, or -1.</summary>
    public int FindImage(CocoId id) => imageIndex.GetValueOrDefault(id, -1);

    /// <summary>Position in <see cref="Categories"/>, or -1.</summary>
    public int FindCategory(CocoId id) => categoryIndex.GetValueOrDefault(id, -1);

    /// <inheritdoc cref="AnnotationFile.BoxesLook"/>
    internal string? BoxesLook() => file.BoxesLook();

    private static Dictionary<CocoId, int> Positions(IEnumerable<CocoId> ids) =>
        ids.Select((id, position) => (id, position)).ToDictionary(pair => pair.id, pair => pair.position);

    /// <summary>
    /// Collects images, categories and boxes in any order, by the rules of annotation files. <paramref name="source"/> (a file name) begins
    /// every message. All methods raise <see cref="InputError"/> for what cannot be evaluated.
    /// </summary>
    public sealed class Builder(string source)
    {
        private readonly AnnotationReader reader = new(
            source,
            fault =>
            {
                if (fault.Evaluation)
                {
                    throw new InputError($"{source}: {fault}");
                }
            }
        );

        private int images;
        private int categories;
        private int boxes;

        /// <summary>Adds an image; ids must differ.</summary>
        public void AddImage(CocoId id) => reader.Visit(new CocoImage(images++, id, 0, 0, "", null, null));

        /// <summary>Adds a category; ids must differ.</summary>
        public void AddCategory(CocoId id, string name) => reader.Visit(new CocoCategory(categories++, id, name, null));

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
        ) =>
            reader.Visit(
                new CocoAnnotation(
                    boxes++,
                    id,
                    imageId,
                    categoryId,
                    x,
                    y,
                    width,
                    height,
                    area,
                    isCrowd,
                    false,
                    CocoRules.NumberFault(x, y, width, height)
                )
            );

        /// <summary>The finished set. Every box must name an image and a category that were added.</summary>
        public GroundTruth Build() => new(reader.Finish([]));
    }
}
