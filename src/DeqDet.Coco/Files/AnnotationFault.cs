namespace DeqDet.Coco;

/// <summary>What is wrong with a record of an annotation file.</summary>
public enum FaultKind
{
    /// <summary>The file ends early, is no JSON, or lacks a list.</summary>
    Unreadable,

    /// <summary>The record lacks a field, or one is of the wrong kind.</summary>
    Malformed,

    /// <summary>Its id occurred before in its list.</summary>
    DoubledId,

    /// <summary>The image states a size of nothing, or a monstrous one.</summary>
    BadSize,

    /// <summary>The image's file name would leave the image folder, or is no name.</summary>
    BadName,

    /// <summary>The box has a negative width or height.</summary>
    NegativeBox,

    /// <summary>The area is negative.</summary>
    NegativeArea,

    /// <summary>The annotation's image is not listed.</summary>
    UnknownImage,

    /// <summary>The annotation's category is not listed.</summary>
    UnknownCategory,

    /// <summary>The size of an image has to be looked up in its file, and that is not there.</summary>
    MissingImage,

    /// <summary>The size of an image has to be looked up in its file, and that cannot be read.</summary>
    UnreadableImage,

    /// <summary>A remark: annotations are there of an image that is not.</summary>
    LabelWithoutImage,

    /// <summary>A remark: an image has no annotations, as those of one that shows nothing.</summary>
    ImageWithoutLabel,

    /// <summary>A remark: two images have the same annotations, for their names differ only by their endings.</summary>
    SharedLabel,

    /// <summary>A remark: something in the annotations is no box, or not used.</summary>
    NotUsed,

    /// <summary>A remark: what numbers mean is not said, and was found out from all of them.</summary>
    Convention,

    /// <summary>A remark: files were found at another place than the one that is written.</summary>
    Elsewhere,

    /// <summary>A remark: the folder holds annotations of a second format, which are not read.</summary>
    SecondFormat,
}

/// <summary>A fault of an annotation file.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Place">Where, as in <c>annotations[17] (id 5)</c>; empty where it is about the whole file.</param>
/// <param name="Reason">What is wrong, and the remedy.</param>
/// <param name="Evaluation">Whether the evaluation minds it too, and not only who opens the images.</param>
public readonly record struct AnnotationFault(FaultKind Kind, string Place, string Reason, bool Evaluation = true)
{
    /// <summary>Whether it is worth a remark, and nothing that anybody refuses.</summary>
    public bool IsRemark => Kind >= FaultKind.LabelWithoutImage;

    /// <summary>Whether it is an image file that is wrong, and not what is written of it.</summary>
    public bool IsOfImageFile => Kind is FaultKind.MissingImage or FaultKind.UnreadableImage;

    /// <inheritdoc/>
    public override string ToString() => Place.Length == 0 ? Reason : $"{Place}: {Reason}";
}

/// <summary>What an annotation file is read for.</summary>
public enum AnnotationUse
{
    /// <summary>Only boxes, areas and ids are used: faults of file names and sizes are passed over.</summary>
    Evaluation,

    /// <summary>Images are opened, for training or detection: every fault counts.</summary>
    Images,
}
