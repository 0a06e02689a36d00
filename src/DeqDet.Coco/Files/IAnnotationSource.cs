namespace DeqDet.Coco;

/// <summary>
/// Where the annotations of a part of a data set come from, in whatever format they are written. A source says what stands there, record by
/// record, as COCO's images, categories and annotations; the rules are applied by whom it tells.
/// </summary>
public interface IAnnotationSource
{
    /// <summary>The file or folder that stands for the annotations in messages.</summary>
    string Path { get; }

    /// <summary>Name of the format, as in "COCO".</summary>
    string Format { get; }

    /// <summary>
    /// Whether the files themselves state the ids of their classes. Where they do not, ids are only numbers of this reading, and classes are
    /// the same if their names are.
    /// </summary>
    bool StatesClassIds { get; }

    /// <summary>Tells all records.</summary>
    /// <param name="sink">Receives records and faults.</param>
    /// <param name="annotationsOptional">Whether annotations may be missing altogether.</param>
    /// <returns>Whether there are annotations, be it an empty list of them.</returns>
    /// <exception cref="InputError">The files cannot be read to their end: names file, place and remedy.</exception>
    bool Read(IAnnotationSink sink, bool annotationsOptional);

    /// <summary>Place of a record that was told, for messages: as in <c>annotations[17] (id 5)</c> or <c>labels/a.txt, line 3</c>.</summary>
    /// <param name="list">"images", "categories" or "annotations".</param>
    /// <param name="record">Its position there, from 0.</param>
    /// <param name="id">Its id; null where that is unreliable.</param>
    string PlaceOf(string list, int record, CocoId? id);
}

/// <summary>Receives what a source reads.</summary>
public interface IAnnotationSink : ICocoVisitor
{
    /// <summary>Something that is wrong, or worth a remark, beside the records.</summary>
    void Found(in AnnotationFault fault);
}
