using DeqDet.Coco;
using DeqDet.Data;
using DeqDet.Data.Check;
using DeqDet.Data.Export;
using DeqDet.Images;

namespace DeqDet.Reports.Pages;

/// <summary>From a data set to a page about it.</summary>
public static class BrowsedDataSet
{
    /// <summary>How many images are shown unless asked otherwise.</summary>
    public const int DefaultImages = 1000;

    /// <summary>How many images can be asked for.</summary>
    public const int MostImages = 5000;

    /// <summary>
    /// Collects what the page shows. Numbers are of all images; of a large data set only some are shown, spread evenly over each part. An
    /// image that cannot be read has no picture.
    /// </summary>
    /// <param name="name">Name of the data set.</param>
    /// <param name="set">The data set.</param>
    /// <param name="report">What a check says of the same parts.</param>
    /// <param name="most">Most images that are shown.</param>
    /// <param name="progress">Told the number of pictures that are done.</param>
    /// <param name="cancellation">Ends it.</param>
    public static BrowsePage Of(
        string name,
        ExportSet set,
        DataReport report,
        int most,
        IProgress<int> progress,
        CancellationToken cancellation
    )
    {
        var all = set.Parts.Sum(part => part.Images.Count);
        var shown = set
            .Parts.SelectMany(
                (part, i) =>
                    PageRoom.Spread(part.Images, Share(part.Images.Count, all, most)).Select(image => (i, image))
            )
            .ToList();
        var side = PageRoom.Side(shown.Count);
        var pictures = new byte[]?[shown.Count];
        var done = 0;
        Parallel.For(
            0,
            shown.Count,
            new() { CancellationToken = cancellation },
            i =>
            {
                pictures[i] = Picture(set.Parts[shown[i].i].ImageFolder, shown[i].image, side);
                progress.Report(Interlocked.Increment(ref done));
            }
        );
        var unread = pictures.Count(picture => picture is null);
        var remarks = set.Parts.Select(part => new ImageRemarks(report, part.Place)).ToList();
        var kinds = remarks.SelectMany(part => part.Kinds).Distinct().ToList();
        var boxes = set
            .Parts.SelectMany(part => part.Images)
            .SelectMany(image => image.Boxes)
            .CountBy(box => box.Label);
        var images = set
            .Parts.SelectMany(part => part.Images)
            .SelectMany(image => image.Boxes.Select(box => box.Label).Distinct())
            .CountBy(label => label)
            .ToDictionary();
        var counts = boxes.ToDictionary();
        return new(
            name,
            [
                .. set.Parts.Select(part => new BrowsedPart(
                    part.Name,
                    part.Images.Count,
                    part.Images.Sum(image => image.Boxes.Count),
                    part.Images.Count(image => image.Boxes.Count == 0)
                )),
            ],
            [
                .. set.Classes.Select(
                    (kind, label) =>
                        new BrowsedClass(kind.Name, counts.GetValueOrDefault(label), images.GetValueOrDefault(label))
                ),
            ],
            kinds,
            set.Parts.SelectMany(part => part.Images).Max(image => image.Boxes.Count),
            [
                .. shown.Select(
                    (entry, i) =>
                        new BrowsedImage(
                            entry.i,
                            entry.image,
                            [
                                .. remarks[entry.i]
                                    .Of(entry.image.Name)
                                    .Select(remark => (kinds.IndexOf(remark.Kind), remark.Text)),
                            ],
                            pictures[i]
                        )
                ),
            ],
            [
                .. set.Notices,
                .. report.Issues.Select(issue =>
                    $"{issue.Kind.Text}: {issue.Places.Count}{(issue.Part.Length == 0 ? "" : $" in {issue.Part}")}"
                ),
                .. unread == 0
                    ? (string[])[]
                    :
                    [
                        $"{Counted.Of(unread, "picture")} cannot be read and {(unread == 1 ? "is" : "are")} left empty; `data check` names {(unread == 1 ? "it" : "them")}",
                    ],
            ]
        );
    }

    // Rounded up, so that a small part is not left out; at most the wanted number and a few.
    private static int Share(int count, int all, int most) =>
        all <= most ? count : Math.Min(count, (int)Math.Ceiling((double)count * most / all));

    private static byte[]? Picture(string folder, ExportImage image, int side)
    {
        try
        {
            var path = ImageNames.PathOf(folder, image.Name);
            return Thumbnail.Webp(ImageFile.Load(path, (image.Width, image.Height)), side);
        }
        catch (InputError)
        {
            return null;
        }
    }
}
