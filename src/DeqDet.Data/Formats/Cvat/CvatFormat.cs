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

        var folder =
            FolderImages.NamedIn(root) is [var named, ..] ? named
            : FolderImages.Any(root) ? root
            : FolderImages.OnlyOther(root);
        if (folder is null)
        {
            return Finding.Half(
                $"{file}: its images are not there, neither in {Path.Combine(root, "images")} nor beside it; export them along (\"Save images\")"
            );
        }

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
