using DeqDet.Images;

namespace DeqDet.Data.Check;

/// <summary>Looks a data set through for everything that training would stop at, mend silently, or be spoiled by.</summary>
public static class DataCheck
{
    private const double SmallArea = 32 * 32;
    private const double MediumArea = 96 * 96;

    /// <summary>Checks the parts; nothing that is found ends the check.</summary>
    /// <param name="parts">Annotation files with their images.</param>
    /// <param name="decode">Whether all pixels are decoded; otherwise only the headers of the images are read.</param>
    public static DataReport Run(IReadOnlyList<DataPart> parts, bool decode)
    {
        var log = new IssueLog();
        var names = Names(parts);
        var reports = new List<PartReport>();
        var surveys = new List<AnnotationSurvey>();
        for (var i = 0; i < parts.Count; i++)
        {
            var survey = AnnotationSurvey.Read(names[i], parts[i], log);
            var formats = ImageSurvey.Check(names[i], parts[i].ImageFolder, [.. survey.Images], decode, log);
            surveys.Add(survey);
            reports.Add(Report(names[i], parts[i], survey, formats));
        }

        CheckClasses(names, surveys, log);
        CheckUnnamed(parts, names, surveys, log);
        var real = new RealPaths();
        ImageSurvey.CheckDoubled(
            [
                .. parts.SelectMany(
                    (part, i) =>
                        surveys[i]
                            .Images.Select(image =>
                                (names[i], real.Of(ImageNames.PathOf(part.ImageFolder, image.FileName)), image.FileName)
                            )
                ),
            ],
            log
        );
        return new(reports, log.Issues, decode);
    }

    // Files of one name in two folders are distinguished by a number.
    private static List<string> Names(IReadOnlyList<DataPart> parts)
    {
        var names = new List<string>();
        foreach (var part in parts)
        {
            var name = part.Name;
            names.Add(names.Contains(name) ? $"{name} ({names.Count + 1})" : name);
        }

        return names;
    }

    private static void CheckClasses(List<string> names, List<AnnotationSurvey> surveys, IssueLog log)
    {
        for (var i = 1; i < surveys.Count; i++)
        {
            var (classes, first) = (surveys[i].File.Classes, surveys[0].File.Classes);
            if (!classes.SequenceEqual(first))
            {
                var only = classes.Except(first).Select(c => $"{c.Id} {c.Name}").ToList();
                log.Add(
                    IssueKind.OtherClasses,
                    names[i],
                    only.Count > 0
                        ? $"not in {names[0]}: {string.Join(", ", only.Take(4))}{(only.Count > 4 ? ", ..." : "")}"
                        : $"{classes.Count} of the {first.Count} of {names[0]}"
                );
            }
        }
    }

    // Parts may share a folder, or have one inside another's: what any of them names is named.
    private static void CheckUnnamed(
        IReadOnlyList<DataPart> parts,
        List<string> names,
        List<AnnotationSurvey> surveys,
        IssueLog log
    )
    {
        foreach (var shared in Enumerable.Range(0, parts.Count).GroupBy(i => parts[i].ImageFolder))
        {
            var own = shared.SelectMany(i => surveys[i].Images).Select(image => image.FileName).ToList();
            var others = Enumerable
                .Range(0, parts.Count)
                .Where(i => parts[i].ImageFolder != shared.Key)
                .SelectMany(i =>
                    surveys[i].Images.Select(image => ImageNames.PathOf(parts[i].ImageFolder, image.FileName))
                );
            ImageSurvey.CheckUnnamed(string.Join(", ", shared.Select(i => names[i])), shared.Key, own, others, log);
        }
    }

    private static PartReport Report(
        string name,
        DataPart files,
        AnnotationSurvey survey,
        IReadOnlyList<KeyValuePair<string, int>> formats
    )
    {
        var file = survey.File;
        var images = survey.Images.ToList();
        var targets = survey.Boxes.Where(entry => survey.IsTarget(entry.Box)).ToList();
        var perImage = targets.CountBy(entry => file.Image[entry.Box]).ToDictionary();
        var areas = targets.Select(entry => file.Area[entry.Box]).ToList();
        return new()
        {
            Name = name,
            Files = files,
            Images = images.Count,
            ImagesToTrainOn = perImage.Count,
            Landscape = images.Count(image => image.Width >= image.Height),
            Width = Spread.Of(images.Select(image => image.Width)),
            Height = Spread.Of(images.Select(image => image.Height)),
            BoxesPerImage = Spread.Of(
                Enumerable
                    .Range(0, file.Images.Count)
                    .Where(i => file.Images[i].IsUsable)
                    .Select(i => perImage.GetValueOrDefault(i))
            ),
            Categories = Count(survey),
            Sizes = (
                areas.Count(area => area < SmallArea),
                areas.Count(area => area is >= SmallArea and < MediumArea),
                areas.Count(area => area >= MediumArea)
            ),
            Sides = Histogram(targets.Select(entry => (double)entry.Inside.Width * entry.Inside.Height)),
            Formats = formats,
        };
    }

    private static List<CategoryCount> Count(AnnotationSurvey survey)
    {
        var file = survey.File;
        var boxes = survey.Boxes.Select(entry => entry.Box).ToLookup(box => file.Label[box]);
        return
        [
            .. file.Classes.Select(
                (kind, label) =>
                    new CategoryCount(
                        kind.Id,
                        kind.Name,
                        boxes[label].Count(survey.IsTarget),
                        boxes[label].Count(box => file.IsCrowd[box]),
                        boxes[label].Select(box => file.Image[box]).Distinct().Count()
                    )
            ),
        ];
    }

    // A clipped box may have less than a pixel left: it counts among the smallest.
    private static int[] Histogram(IEnumerable<double> areas)
    {
        var counts = areas.CountBy(area => Math.Max(0, (int)Math.Floor(Math.Log2(Math.Sqrt(area))))).ToDictionary();
        return
        [
            .. Enumerable
                .Range(0, counts.Count == 0 ? 0 : counts.Keys.Max() + 1)
                .Select(i => counts.GetValueOrDefault(i)),
        ];
    }
}
