using DeqDet.Data.Formats.Yolo;

namespace DeqDet.Data.Formats;

/// <summary>
/// Label files that name classes themselves: the classes are the names that occur in any part of the data set, so that all parts have the
/// same ones. Those of a <c>classes.txt</c> in the data folder come first, in its order, then the others in ordinal order.
/// </summary>
/// <param name="root">The data folder.</param>
internal abstract class NamedLabels(string root) : LabelFiles
{
    private IReadOnlyList<NamedLabels> all = [];

    /// <summary>Makes several parts one data set.</summary>
    public static void Join(IReadOnlyList<NamedLabels> parts)
    {
        foreach (var part in parts)
        {
            part.all = parts;
        }
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Name)> Classes(IReadOnlyList<LabelledImage> images)
    {
        var others = all.Where(part => part != this).SelectMany(part => part.ReadAll()).ToList();
        Settle(images, others);
        var names = images
            .Concat(others)
            .SelectMany(image => image.Boxes)
            .Select(box => box.Class)
            .ToHashSet(StringComparer.Ordinal);
        var file = System.IO.Path.Combine(root, "classes.txt");
        var listed = File.Exists(file) ? YoloNames.Read(file).Distinct(StringComparer.Ordinal).ToList() : [];
        return
        [
            .. listed
                .Concat(names.Except(listed, StringComparer.Ordinal).Order(StringComparer.Ordinal))
                .Select(name => (name, name)),
        ];
    }

    /// <summary>Decides what only all label files together tell.</summary>
    /// <param name="images">The images of this part, which may be changed.</param>
    /// <param name="others">Those of the others.</param>
    protected virtual void Settle(IReadOnlyList<LabelledImage> images, IReadOnlyList<LabelledImage> others) { }

    /// <inheritdoc/>
    protected override string UnknownClass(string key) => $"class \"{key}\" does not occur";
}
