namespace DeqDet.Coco;

/// <summary>An image that an annotation file lists.</summary>
/// <param name="Record">Position in its list, from 0.</param>
/// <param name="Id">Its id.</param>
/// <param name="FileName">Path below the image folder; empty where the file says none that can be used.</param>
/// <param name="Width">Width, px; 0 where the file states no size that can be used.</param>
/// <param name="Height">Height, px; 0 likewise.</param>
public readonly record struct ListedImage(int Record, CocoId Id, string FileName, int Width, int Height)
{
    /// <summary>Whether the image can be opened and checked.</summary>
    public bool IsUsable => FileName.Length > 0 && Width > 0;
}

/// <summary>
/// An annotation file in memory, read once and by one set of rules: training and validation images, the evaluation's ground truth, a data
/// check and the pages of reports are all made from it. Boxes are columns, entry i of each belongs to box i, in the order of the file.
/// </summary>
public sealed class AnnotationFile
{
    private readonly Func<string, int, CocoId?, string> placeOf;

    internal AnnotationFile(
        string path,
        AnnotationColumns columns,
        IReadOnlyList<ObjectClass> classes,
        Func<string, int, CocoId?, string> placeOf,
        IReadOnlyList<AnnotationFault> remarks
    )
    {
        Path = path;
        Columns = columns;
        Classes = classes;
        Remarks = remarks;
        this.placeOf = placeOf;
    }

    /// <summary>Where it was read from, for messages.</summary>
    public string Path { get; }

    /// <summary>The images in the order of the file.</summary>
    public IReadOnlyList<ListedImage> Images => Columns.Images;

    /// <summary>The classes by ascending id.</summary>
    public IReadOnlyList<ObjectClass> Classes { get; }

    /// <summary>Whether the file has a list of annotations, be it empty; test sets have none.</summary>
    public bool HasAnnotations => Columns.HasAnnotations;

    /// <summary>Number of boxes, crowd regions and ignored ones among them.</summary>
    public int Count => Columns.Id.Count;

    /// <summary>Positions in the file's list, from 0.</summary>
    public ReadOnlySpan<int> Record => Columns.Record.AsSpan();

    /// <summary>Annotation ids.</summary>
    public ReadOnlySpan<CocoId> Id => Columns.Id.AsSpan();

    /// <summary>Position in <see cref="Images"/> of each box's image.</summary>
    public ReadOnlySpan<int> Image => Columns.Image.AsSpan();

    /// <summary>Position in <see cref="Classes"/> of each box's class.</summary>
    public ReadOnlySpan<int> Label => Columns.Label.AsSpan();

    /// <summary>Left edges, px. The numbers are the file's own: [x, y, width, height], as the evaluation needs them to the last digit.</summary>
    public ReadOnlySpan<double> X => Columns.X.AsSpan();

    /// <summary>Upper edges, px.</summary>
    public ReadOnlySpan<double> Y => Columns.Y.AsSpan();

    /// <summary>Widths, px; zero or more.</summary>
    public ReadOnlySpan<double> Width => Columns.Width.AsSpan();

    /// <summary>Heights, px; zero or more.</summary>
    public ReadOnlySpan<double> Height => Columns.Height.AsSpan();

    /// <summary>Areas of the objects, px^2; width x height where the file states none.</summary>
    public ReadOnlySpan<double> Area => Columns.Area.AsSpan();

    /// <summary>Number of boxes for which the file states no area.</summary>
    public int WithoutArea => Columns.WithoutArea;

    /// <summary>Regions that hold many objects: no training targets, and ignored by the evaluation.</summary>
    public ReadOnlySpan<bool> IsCrowd => Columns.IsCrowd.AsSpan();

    /// <summary>Boxes with a true <c>ignore</c>: no training targets. The evaluation takes them like any other, as the reference does.</summary>
    public ReadOnlySpan<bool> IsIgnored => Columns.IsIgnored.AsSpan();

    /// <summary>Remarks of its reader: nothing that is refused, but worth a word to the user.</summary>
    public IReadOnlyList<AnnotationFault> Remarks { get; }

    internal AnnotationColumns Columns { get; }

    /// <summary>Place of a box for messages, as in <c>annotations[17] (id 5)</c>.</summary>
    public string PlaceOf(int box) => placeOf("annotations", Record[box], Id[box]);

    /// <summary>Place of an image's record for messages, as in <c>images[17] (id 5)</c>.</summary>
    public string PlaceOf(in ListedImage image) => placeOf("images", image.Record, image.Id);

    /// <summary>The images that are <paramref name="kept"/>, by their position, with their boxes; everything else stays.</summary>
    public AnnotationFile Only(ReadOnlySpan<bool> kept)
    {
        var columns = new AnnotationColumns { HasAnnotations = HasAnnotations, WithoutArea = WithoutArea };
        var position = new int[Images.Count];
        for (var i = 0; i < position.Length; i++)
        {
            position[i] = kept[i] ? columns.Images.Count : -1;
            if (kept[i])
            {
                columns.Images.Add(Images[i]);
            }
        }

        for (var i = 0; i < Count; i++)
        {
            if (position[Image[i]] >= 0)
            {
                columns.Add(Columns, i, position[Image[i]], Label[i]);
            }
        }

        return new(Path, columns, Classes, placeOf, Remarks);
    }

    /// <summary>
    /// The same boxes with other classes, found by their names; null where a class has no namesake among them, or more than one.
    /// </summary>
    public AnnotationFile? ByName(IReadOnlyList<ObjectClass> classes)
    {
        var label = new int[Classes.Count];
        for (var i = 0; i < label.Length; i++)
        {
            var name = Classes[i].Name;
            label[i] = Position(classes, name);
            if (label[i] < 0 || Position(Classes, name) < 0)
            {
                return null;
            }
        }

        var columns = new AnnotationColumns { HasAnnotations = HasAnnotations, WithoutArea = WithoutArea };
        columns.Images.AddRange(Images);
        for (var i = 0; i < Count; i++)
        {
            columns.Add(Columns, i, Image[i], label[Label[i]]);
        }

        return new(Path, columns, classes, placeOf, Remarks);
    }

    // The one class of a name, or -1.
    private static int Position(IReadOnlyList<ObjectClass> classes, string name)
    {
        var found = -1;
        for (var i = 0; i < classes.Count; i++)
        {
            if (classes[i].Name == name)
            {
                if (found >= 0)
                {
                    return -1;
                }

                found = i;
            }
        }

        return found;
    }

    /// <summary>What becomes of a box in its image, and its corners inside. The image has to be usable.</summary>
    public (BoxFate Fate, Box Inside) Placed(int box)
    {
        var image = Images[Image[box]];
        return CocoRules.Place(X[box], Y[box], Width[box], Height[box], Area[box], image.Width, image.Height);
    }

    /// <summary>
    /// What the boxes look like if not like [x, y, width, height] in pixels (shares of the image, corners, ...), after a subject such as "the
    /// boxes"; null where they look as they should.
    /// </summary>
    public string? BoxesLook()
    {
        var form = new BoxForm();
        for (var i = 0; i < Count; i++)
        {
            var image = Images[Image[i]];
            form.Add(X[i], Y[i], Width[i], Height[i], image.Width, image.Height);
        }

        return form.Look();
    }

    /// <summary>Reads a file of COCO's format (plain or gzip).</summary>
    /// <param name="path">The file.</param>
    /// <param name="use">What for; it decides which faults are refused.</param>
    /// <param name="annotationsOptional">Whether the list of annotations may be missing, as in COCO's test files.</param>
    /// <exception cref="InputError">Names the file, the record and the remedy.</exception>
    public static AnnotationFile Read(string path, AnnotationUse use, bool annotationsOptional = false) =>
        Read(new CocoFile(path), use, annotationsOptional);

    /// <summary>Reads annotations of any format.</summary>
    /// <param name="source">Where they are.</param>
    /// <param name="use">What for; it decides which faults are refused.</param>
    /// <param name="annotationsOptional">Whether annotations may be missing.</param>
    /// <param name="imagesOptional">
    /// Whether images are left out whose size has to be looked up in a file that is missing or damaged; they are among the remarks then.
    /// </param>
    /// <exception cref="InputError">Names the file, the record and the remedy.</exception>
    public static AnnotationFile Read(
        IAnnotationSource source,
        AnnotationUse use,
        bool annotationsOptional = false,
        bool imagesOptional = false
    )
    {
        var remarks = new List<AnnotationFault>();
        var reader = new AnnotationReader(
            source.Path,
            fault =>
            {
                if (fault.IsRemark || (imagesOptional && fault.IsOfImageFile))
                {
                    remarks.Add(fault);
                }
                else if (fault.Evaluation || use == AnnotationUse.Images)
                {
                    throw new InputError($"{source.Path}: {fault}");
                }
            },
            source.PlaceOf
        );
        reader.HasAnnotations = source.Read(reader, annotationsOptional);
        return reader.Finish(remarks);
    }

    /// <summary>Reads a file of COCO's format as far as it can be read; records with a fault are left out.</summary>
    /// <param name="path">The file.</param>
    /// <param name="found">Receives every fault, those of single records in the order of the file.</param>
    public static AnnotationFile Survey(string path, Action<AnnotationFault> found) =>
        Survey(new CocoFile(path), found);

    /// <summary>Reads annotations of any format as far as they can be read; records with a fault are left out.</summary>
    /// <param name="source">Where they are.</param>
    /// <param name="found">Receives every fault and every remark, those of single records in the order of the files.</param>
    public static AnnotationFile Survey(IAnnotationSource source, Action<AnnotationFault> found)
    {
        var reader = new AnnotationReader(source.Path, found, source.PlaceOf);
        try
        {
            source.Read(reader, annotationsOptional: false);
        }
        catch (InputError error)
        {
            found(new(FaultKind.Unreadable, "", error.Message));
        }

        return reader.Finish([]);
    }
}
