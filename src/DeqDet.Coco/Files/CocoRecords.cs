namespace DeqDet.Coco;

/// <summary>Fields of COCO records; all others are skipped without being looked at.</summary>
[Flags]
internal enum CocoFields
{
    None = 0,
    Id = 1,
    ImageId = 2,
    CategoryId = 4,
    Box = 8,
    Area = 16,
    Crowd = 32,
    Score = 64,
    Width = 128,
    Height = 256,
    FileName = 512,
    Name = 1024,
    Ignore = 2048,
    Url = 4096,
}

/// <summary>
/// An entry of <c>images</c>: its size in pixels as stated, and its file name, made of the <c>coco_url</c> where there is only that (LVIS).
/// </summary>
/// <param name="Record">Position in its list, from 0.</param>
/// <param name="Problem">What is wrong with the record, or null; the other fields are unreliable then.</param>
/// <param name="Unusable">What is missing or malformed of size and file name, or null; these fields are unreliable then.</param>
public readonly record struct CocoImage(
    int Record,
    CocoId Id,
    long Width,
    long Height,
    string FileName,
    string? Problem,
    string? Unusable
);

/// <summary>An entry of <c>categories</c>.</summary>
/// <inheritdoc cref="CocoImage"/>
public readonly record struct CocoCategory(int Record, CocoId Id, string Name, string? Problem);

/// <summary>
/// An entry of <c>annotations</c>: box as [x, y, width, height] in pixels, every number finite but otherwise as written;
/// <paramref name="Area"/> is null where the record has none.
/// </summary>
/// <inheritdoc cref="CocoImage"/>
public readonly record struct CocoAnnotation(
    int Record,
    CocoId Id,
    CocoId ImageId,
    CocoId CategoryId,
    double X,
    double Y,
    double Width,
    double Height,
    double? Area,
    bool IsCrowd,
    bool IsIgnored,
    string? Problem
);

/// <summary>An entry of a results list: box as [x, y, width, height] in pixels, every number finite but otherwise as written.</summary>
/// <inheritdoc cref="CocoImage"/>
public readonly record struct CocoDetection(
    int Record,
    CocoId ImageId,
    CocoId CategoryId,
    double X,
    double Y,
    double Width,
    double Height,
    double Score,
    string? Problem
);

/// <summary>Receives the records of an annotation file in the order of the file (the order of the three lists is the file's own).</summary>
public interface ICocoVisitor
{
    void Visit(in CocoImage image);
    void Visit(in CocoCategory category);
    void Visit(in CocoAnnotation annotation);
}

/// <summary>Receives the records of a results list in the order of the file.</summary>
public interface ICocoDetectionVisitor
{
    void Visit(in CocoDetection detection);
}
