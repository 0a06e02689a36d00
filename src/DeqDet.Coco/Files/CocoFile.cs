namespace DeqDet.Coco;

/// <summary>A file in COCO's own format, plain or gzip.</summary>
/// <param name="Path">The file.</param>
public sealed record CocoFile(string Path) : IAnnotationSource
{
    /// <inheritdoc/>
    public string Format => "COCO";

    /// <inheritdoc/>
    public bool StatesClassIds => true;

    /// <inheritdoc/>
    public bool Read(IAnnotationSink sink, bool annotationsOptional) =>
        CocoJson.ReadAnnotations(Path, sink, annotationsOptional);

    /// <inheritdoc/>
    public string PlaceOf(string list, int record, CocoId? id) => Place(list, record, id);

    /// <summary>Place of a record in a JSON list, with its id where that is reliable.</summary>
    internal static string Place(string list, int record, CocoId? id) =>
        id is { } reliable ? $"{list}[{record}] (id {reliable})" : $"{list}[{record}]";
}
