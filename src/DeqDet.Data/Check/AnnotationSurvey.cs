using DeqDet.Coco;
using DeqDet.Data.Export;

namespace DeqDet.Data.Check;

/// <summary>
/// An annotation file as training reads it, except that reading goes on where training would stop: what is wrong is noted, and the record
/// left out.
/// </summary>
internal sealed class AnnotationSurvey
{
    private const int SmallSide = 32;

    private readonly string part;
    private readonly IAnnotationSource source;
    private readonly IssueLog log;

    private AnnotationSurvey(string part, DataPart files, IssueLog log)
    {
        (this.part, source, this.log) = (part, files.Source, log);
        File = files.Survey(fault => Note(IssueKind.Of(fault.Kind), fault.ToString()));
    }

    /// <summary>What could be read.</summary>
    public AnnotationFile File { get; }

    /// <summary>The usable images, in the order of the file.</summary>
    public IEnumerable<ListedImage> Images => File.Images.Where(image => image.IsUsable);

    /// <summary>The boxes that are used, in the order of the file: position in it, and corners inside the image.</summary>
    public List<(int Box, Box Inside)> Boxes { get; } = [];

    /// <summary>Reads a file to where it can be read.</summary>
    public static AnnotationSurvey Read(string part, DataPart files, IssueLog log)
    {
        var survey = new AnnotationSurvey(part, files, log);
        survey.PlaceBoxes();
        survey.CheckImages();
        survey.CheckCategories();
        return survey;
    }

    /// <summary>Whether a box is trained on.</summary>
    public bool IsTarget(int box) => !File.IsCrowd[box] && !File.IsIgnored[box];

    private void PlaceBoxes()
    {
        if (File.BoxesLook() is { } look)
        {
            Note(IssueKind.OtherForm, $"the boxes {look}");
        }

        var seen = new HashSet<(int, int, Box)>();
        for (var i = 0; i < File.Count; i++)
        {
            var image = File.Images[File.Image[i]];
            if (image.IsUsable && Fitting(i, image) is { } inside)
            {
                Boxes.Add((i, inside));
                if (File.IsIgnored[i])
                {
                    Note(IssueKind.IgnoredBox, $"{File.PlaceOf(i)} in {image.FileName}", image.FileName);
                }

                if (!seen.Add((File.Image[i], File.Label[i], inside)))
                {
                    Note(IssueKind.DoubledBox, $"{File.PlaceOf(i)} in {image.FileName}", image.FileName);
                }
            }
        }
    }

    private Box? Fitting(int box, in ListedImage image)
    {
        var (fate, inside) = File.Placed(box);
        var kind = fate switch
        {
            BoxFate.Clipped => IssueKind.ClippedBox,
            BoxFate.Outside => IssueKind.OutsideBox,
            BoxFate.Degenerate => IssueKind.DegenerateBox,
            _ => null,
        };
        if (kind is not null)
        {
            Note(
                kind,
                FormattableString.Invariant(
                    $"{File.PlaceOf(box)}: [{File.X[box]}, {File.Y[box]}, {File.Width[box]}, {File.Height[box]}] in {image.FileName}, {image.Width} x {image.Height}"
                ),
                image.FileName
            );
        }

        return fate is BoxFate.Kept or BoxFate.Clipped ? inside : null;
    }

    private void CheckImages()
    {
        var (trained, others) = (new bool[File.Images.Count], new bool[File.Images.Count]);
        foreach (var (box, _) in Boxes)
        {
            (IsTarget(box) ? trained : others)[File.Image[box]] = true;
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < File.Images.Count; i++)
        {
            var image = File.Images[i];
            if (!image.IsUsable)
            {
                continue;
            }

            if (!names.Add(image.FileName))
            {
                Note(IssueKind.DoubledName, $"{File.PlaceOf(image)}: {image.FileName}", image.FileName);
            }

            if (!trained[i])
            {
                Note(others[i] ? IssueKind.CrowdImage : IssueKind.EmptyImage, image.FileName, image.FileName);
            }

            if (Math.Min(image.Width, image.Height) < SmallSide)
            {
                Note(IssueKind.SmallImage, $"{image.FileName}: {image.Width} x {image.Height}", image.FileName);
            }
        }

        if (!trained.Contains(true))
        {
            Note(
                IssueKind.NothingToLearn,
                $"{Counted.Of(File.Images.Count, "image")}, {Counted.Of(File.Count, "annotation")}"
            );
        }
    }

    private void CheckCategories()
    {
        var used = Boxes.Select(entry => File.Label[entry.Box]).ToHashSet();
        var spellings = new Dictionary<string, string>(StringComparer.Ordinal);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var label = 0; label < File.Classes.Count; label++)
        {
            var kind = File.Classes[label];
            if (!used.Contains(label))
            {
                var isRoot = RootCategory.IsRoot(kind.Id, source);
                Note(isRoot ? IssueKind.RootCategory : IssueKind.UnusedCategory, $"{kind.Id} {kind.Name}");
            }

            if (!names.Add(kind.Name))
            {
                Note(IssueKind.DoubledCategory, $"{kind.Id} {kind.Name}");
            }
            else if (!spellings.TryAdd(ClassNames.Bare(kind.Name), kind.Name))
            {
                Note(IssueKind.SimilarCategory, $"{kind.Id} {kind.Name}, as {spellings[ClassNames.Bare(kind.Name)]}");
            }
        }
    }

    private void Note(IssueKind kind, string place, string? image = null) => log.Add(kind, part, place, image);
}
