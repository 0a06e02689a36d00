using DeqDet.Coco;

namespace DeqDet.Data.Formats.LabelStudio;

/// <summary>
/// Label Studio's export as COCO: <c>result.json</c> with <c>images/</c>. Its file names are those of its own storage, and images without boxes
/// lack their sizes. So a name that leads to no file is looked for as <see cref="StoredImages"/> does, and a size that is missing is looked up
/// in the image.
/// </summary>
/// <param name="Path">The file.</param>
/// <param name="ImageFolder">The folder of the images.</param>
internal sealed record LabelStudioFile(string Path, string ImageFolder) : IAnnotationSource
{
    /// <inheritdoc/>
    public string Format => "COCO as Label Studio writes it";

    /// <inheritdoc/>
    public bool StatesClassIds => true;

    /// <inheritdoc/>
    public bool Read(IAnnotationSink sink, bool annotationsOptional) =>
        CocoJson.ReadAnnotations(Path, new Names(ImageFolder, sink), annotationsOptional);

    /// <inheritdoc/>
    public string PlaceOf(string list, int record, CocoId? id) => new CocoFile(Path).PlaceOf(list, record, id);

    private sealed class Names(string folder, IAnnotationSink sink) : IAnnotationSink
    {
        private readonly StoredImages files = new(folder);

        public void Found(in AnnotationFault fault) => sink.Found(fault);

        public void Visit(in CocoCategory category) => sink.Visit(category);

        public void Visit(in CocoAnnotation annotation) => sink.Visit(annotation);

        public void Visit(in CocoImage image)
        {
            var known = image;
            var name = files.Find(image.FileName);
            if (name is not null && name != image.FileName)
            {
                sink.Found(new(FaultKind.Elsewhere, Numbers.Shown(image.FileName), $"{name} is taken"));
                known = known with { FileName = name };
            }

            if (
                image.Problem is null
                && name is not null
                && (image.Unusable is not null || image.Width == 0 || image.Height == 0)
            )
            {
                try
                {
                    var (width, height) = FolderImages.SizeOf(ImageNames.PathOf(folder, name));
                    known = known with { Width = width, Height = height, Unusable = null };
                }
                catch (InputError error)
                {
                    sink.Found(new(FaultKind.UnreadableImage, known.FileName, error.Message));
                }
            }

            sink.Visit(known);
        }
    }
}
