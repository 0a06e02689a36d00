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
            var survey = AnnotationSurvey.Read(names[i], parts[i].AnnotationFile, log);
            var formats = ImageSurvey.Check(names[i], parts[i].ImageFolder, survey.Images, decode, log);
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

    // Files of one name in two folders are told apart by their number.
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
            if (!surveys[i].Categories.SequenceEqual(surveys[0].Categories))
            {
                var only = surveys[i]
                    .Categories.Except(surveys[0].Categories)
                    .Select(c => $"{c.Key} {c.Value}")
                    .ToList();
                log.Add(
                    IssueKind.OtherClasses,
                    names[i],
                    only.Count > 0
                        ? $"not in {names[0]}: {string.Join(", ", only.Take(4))}{(only.Count > 4 ? ", ..." : "")}"
                        : $"{surveys[i].Categories.Count} of the {surveys[0].Categories.Count} of {names[0]}"
                );
            }
        }
    }

    // Parts may share a folder: what one of them names is named.
    private static void CheckUnnamed(
        IReadOnlyList<DataPart> parts,
        List<string> names,
        List<AnnotationSurvey> surveys,
        IssueLog log
    )
    {
        foreach (var shared in Enumerable.Range(0, parts.Count).GroupBy(i => parts[i].ImageFolder))
        {
            ImageSurvey.CheckUnnamed(
                string.Join(", ", shared.Select(i => names[i])),
                shared.Key,
                shared.SelectMany(i => surveys[i].Images).Select(image => image.FileName),
                log
            );
        }
    }

    private static PartReport Report(
        string name,
        DataPart files,
        AnnotationSurvey survey,
        IReadOnlyList<KeyValuePair<string, int>> formats
    )
    {
        var targets = survey.Boxes.Where(box => !box.Annotation.IsCrowd).ToList();
        var perImage = targets.CountBy(box => box.Image).ToDictionary();
        var areas = targets.Select(box => box.Annotation.Area ?? box.Annotation.Width * box.Annotation.Height).ToList();
        return new()
        {
            Name = name,
            Files = files,
            Images = survey.Images.Count,
            ImagesToTrainOn = perImage.Count,
            Landscape = survey.Images.Count(image => image.Width >= image.Height),
            Width = Spread.Of(survey.Images.Select(image => (int)image.Width)),
            Height = Spread.Of(survey.Images.Select(image => (int)image.Height)),
            BoxesPerImage = Spread.Of(
                Enumerable.Range(0, survey.Images.Count).Select(i => perImage.GetValueOrDefault(i))
            ),
            Categories = Count(survey),
            Sizes = (
                areas.Count(area => area < SmallArea),
                areas.Count(area => area is >= SmallArea and < MediumArea),
                areas.Count(area => area >= MediumArea)
            ),
            Sides = Histogram(targets.Select(box => (double)box.Inside.Width * box.Inside.Height)),
            Formats = formats,
        };
    }

    private static List<CategoryCount> Count(AnnotationSurvey survey)
    {
        var boxes = survey.Boxes.ToLookup(box => box.Annotation.CategoryId);
        return
        [
            .. survey.Categories.Select(category => new CategoryCount(
                category.Key,
                category.Value,
                boxes[category.Key].Count(box => !box.Annotation.IsCrowd),
                boxes[category.Key].Count(box => box.Annotation.IsCrowd),
                boxes[category.Key].Select(box => box.Image).Distinct().Count()
            )),
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
