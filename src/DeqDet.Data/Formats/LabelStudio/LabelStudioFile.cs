using System.Text.RegularExpressions;
using DeqDet.Coco;

namespace DeqDet.Data.Formats.LabelStudio;

/// <summary>
/// Label Studio's export as COCO: <c>result.json</c> with <c>images/</c>. Its file names are those of its own storage
/// (<c>../../label-studio/data/media/upload/1/8ab2f1c0-x.jpg</c>, <c>/data/local-files/?d=set/x.jpg</c>, an address), and images without boxes lack
/// their sizes. So a name that leads to no file is looked for by its last part, with and without the eight digits that the tool puts
/// before it, and a size that is missing is looked up in the image.
/// </summary>
/// <param name="Path">The file.</param>
/// <param name="ImageFolder">The folder of the images.</param>
internal sealed partial record LabelStudioFile(string Path, string ImageFolder) : IAnnotationSource
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

    [GeneratedRegex("^[0-9a-f]{8}-")]
    private static partial Regex Prefix();

    private sealed class Names(string folder, IAnnotationSink sink) : IAnnotationSink
    {
        // By their last part, with and without the tool's prefix; a name that two files have is none.
        private readonly Lazy<ILookup<string, string>> files = new(() =>
            FolderImages
                .Below(folder)
                .SelectMany(path =>
                    new[] { System.IO.Path.GetFileName(path), Prefix().Replace(System.IO.Path.GetFileName(path), "") }
                        .Distinct()
                        .Select(name => (name, path))
                )
                .ToLookup(entry => entry.name, entry => FolderImages.NameIn(folder, entry.path), StringComparer.Ordinal)
        );

        public void Found(in AnnotationFault fault) => sink.Found(fault);

        public void Visit(in CocoCategory category) => sink.Visit(category);

        public void Visit(in CocoAnnotation annotation) => sink.Visit(annotation);

        public void Visit(in CocoImage image)
        {
            var known = image;
            var name = NameOf(image.FileName);
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

        // The file that a name means; null where it is as written, or nowhere.
        private string? NameOf(string stated)
        {
            if (CocoRules.NameFault(stated) is null && File.Exists(ImageNames.PathOf(folder, stated)))
            {
                return stated;
            }

            var last = Uri.UnescapeDataString(stated.Split('/', '\\', '=')[^1].Split('?')[0]);
            foreach (var name in (string[])[last, Prefix().Replace(last, "")])
            {
                if (name.Length > 0 && files.Value[name].Take(2).ToList() is [var only])
                {
                    return only;
                }
            }

            return null;
        }
    }
}
