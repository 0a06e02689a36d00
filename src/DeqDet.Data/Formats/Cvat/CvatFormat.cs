using System.Xml;

namespace DeqDet.Data.Formats.Cvat;

/// <summary>CVAT's own export, "CVAT for images 1.1": <c>annotations.xml</c> for all images, which lie in <c>images/</c> or beside it.</summary>
internal sealed class CvatFormat : IDataFormat
{
    /// <summary>Name of the format.</summary>
    public const string FormatName = "CVAT for images";

    /// <inheritdoc/>
    public string Name => FormatName;

    /// <inheritdoc/>
    public string LookedFor => "annotations.xml with images/";

    /// <inheritdoc/>
    public Finding Find(string root)
    {
        var file = Path.Combine(root, "annotations.xml");
        if (!File.Exists(file) || !IsOne(file))
        {
            return Finding.None;
        }

        var images = Path.Combine(root, "images");
        if (!Directory.Exists(images) && !FolderImages.Any(root))
        {
            return Finding.Half(
                $"{file}: its images are not there, neither in {images} nor beside it; export them along (\"Save images\")"
            );
        }

        var folder = Directory.Exists(images) ? images : root;
        return Finding.Of(
            new(
                root,
                FormatName,
                [new(PartRole.Whole, new(new CvatLabels(file, new(folder)), folder) { Name = Path.GetFileName(root) })]
            )
        );
    }

    private static bool IsOne(string file)
    {
        try
        {
            return SafeXml.Read(
                file,
                long.MaxValue,
                reader => reader.MoveToContent() == XmlNodeType.Element && reader.LocalName == "annotations"
            );
        }
        catch (InputError)
        {
            return false;
        }
    }
}
