using DeqDet.Coco;

namespace DeqDet.Data.Formats;

/// <summary>A box that a label file states.</summary>
/// <param name="Class">What names its class: its number or its name, as the format has it.</param>
/// <param name="X">Left edge, px.</param>
/// <param name="Y">Upper edge, px.</param>
/// <param name="Width">Width, px; zero or more.</param>
/// <param name="Height">Height, px; zero or more.</param>
/// <param name="Place">Where it stands in its file, as in "line 3".</param>
/// <param name="IsIgnored">Whether the file says to ignore it.</param>
internal readonly record struct LabelledBox(
    string Class,
    double X,
    double Y,
    double Width,
    double Height,
    string Place,
    bool IsIgnored = false
);

/// <summary>An image with what its own label file says: formats with a file an image are read into these.</summary>
/// <param name="fileName">Its path below the image folder.</param>
/// <param name="label">Its label file, as messages name it.</param>
internal sealed class LabelledImage(string fileName, string label)
{
    /// <summary>Its path below the image folder.</summary>
    public string FileName { get; set; } = fileName;

    /// <summary>Whether its label file is one of the Pascal VOC challenge.</summary>
    public bool IsOfChallenge { get; set; }

    /// <summary>Its label file, as messages name it.</summary>
    public string Label { get; } = label;

    /// <summary>Width, px; 0 where it could not be found out, which is among the faults then.</summary>
    public int Width { get; set; }

    /// <summary>Height, px; 0 likewise.</summary>
    public int Height { get; set; }

    /// <summary>Its boxes.</summary>
    public List<LabelledBox> Boxes { get; } = [];

    /// <summary>What is wrong or worth a remark.</summary>
    public List<AnnotationFault> Faults { get; } = [];

    /// <summary>Adds a fault at a place of the label file; empty: of the whole file.</summary>
    public void Fault(FaultKind kind, string place, string reason) =>
        Faults.Add(new(kind, place.Length == 0 ? Label : $"{Label}, {place}", reason));

    /// <summary>Adds what a reader refused: its message, without the path at its beginning.</summary>
    public void Fault(InputError refusal, string path)
    {
        var start = $"{path}: ";
        Fault(
            FaultKind.Malformed,
            "",
            refusal.Message.StartsWith(start, StringComparison.Ordinal)
                ? refusal.Message[start.Length..]
                : refusal.Message
        );
    }

    /// <summary>Looks the size up in the image file. Where there is none, that becomes a fault.</summary>
    public bool FindSize(string path)
    {
        if (!File.Exists(path))
        {
            Faults.Add(new(FaultKind.MissingImage, FileName, $"there is no image {path}, whose size is needed"));
            return false;
        }

        try
        {
            (Width, Height) = FolderImages.SizeOf(path);
            return true;
        }
        catch (InputError error)
        {
            Faults.Add(new(FaultKind.UnreadableImage, FileName, error.Message));
            return false;
        }
    }
}
