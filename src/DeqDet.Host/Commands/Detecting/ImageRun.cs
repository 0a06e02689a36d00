using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Images;

namespace DeqDet.Host.Commands;

/// <summary>
/// Images on their way: files are decoded, the network computes, and pictures are drawn and written, all at the same time; what is found is told
/// and kept in the order of the files.
/// </summary>
public sealed class ImageRun
{
    private const string PictureEnding = ".png";

    // So many files are read ahead, so that there are some of one size among them.
    private const int GroupsAhead = 8;

    private readonly DetectSetup setup;
    private readonly IReadOnlyList<string> files;
    private readonly IReadOnlyDictionary<string, string> stems;
    private readonly Proposals proposals;
    private readonly DetectionResults results;
    private readonly FoundGallery gallery;
    private readonly List<string> refused = [];

    /// <summary>Sees to it that there is room for the results, and begins to write.</summary>
    /// <param name="setup">The detector, and what was asked for.</param>
    /// <param name="files">The images.</param>
    /// <param name="names">Names of files in the folder of results.</param>
    /// <exception cref="InputError">Something is in the way.</exception>
    public ImageRun(DetectSetup setup, IReadOnlyList<string> files, OutputNames names)
    {
        (this.setup, this.files) = (setup, files);
        var (request, classes) = (setup.Request, setup.Session.Model.Classes);
        Json = JsonOf(request.Out);
        stems = files.ToDictionary(
            file => file,
            file => names.Take(Path.GetFileNameWithoutExtension(file), Endings(request.Refinement)),
            StringComparer.Ordinal
        );
        gallery = new(request.Out, files);
        proposals = Proposals.Of(request.Out, request.Formats, classes, request.Images, files);
        foreach (var notice in proposals.Notices)
        {
            setup.Display.Line($"note: {notice}");
        }

        proposals.Start();
        results = new(Json, classes, files, proposals.Write);
    }

    private static string[] Endings(bool followed) =>
        followed ? [PictureEnding, RefinementFiles.PageEnding, RefinementFiles.AnimationEnding] : [PictureEnding];

    /// <summary>The file of all results.</summary>
    public string Json { get; }

    /// <summary>The images that were looked at.</summary>
    public IReadOnlyList<DetectedImage> Images => results.Images;

    /// <summary>The images that were not.</summary>
    public IReadOnlyList<string> Missing => results.Missing;

    /// <summary>Why some could not be used, one line each.</summary>
    public IReadOnlyList<string> Refused => refused;

    /// <summary>A line each: where the page is, and the files for labelling tools.</summary>
    public IEnumerable<string> Places => proposals.Places.Prepend($"page: {gallery.Place}");

    /// <summary>Images that began where the one before ended, and those for which that failed.</summary>
    public (int Warm, int Failed) Starts { get; private set; }

    /// <summary>Where the results of a folder are.</summary>
    public static string JsonOf(string folder) => Path.Combine(folder, "results.json");

    /// <summary>
    /// Looks at all images. Those that cannot be read are named and left out. Whatever ends it, what was done is kept; being cancelled is no
    /// error.
    /// </summary>
    /// <exception cref="InputError">A result cannot be written.</exception>
    public void Run()
    {
        using var predictor = setup.Predictor();
        var beside = DetectSetup.Beside<Finished>(Keep);
        try
        {
            setup.Display.Begin("detecting", "images", files.Count);
            foreach (
                var group in ImageReader.Groups(
                    files,
                    predictor.BatchSize * GroupsAhead,
                    time => setup.Session.Times.Add(DetectionPart.Decode, time)
                )
            )
            {
                using var predictions = Predictions(predictor, group.Select(read => read.Image).OfType<RgbImage>())
                    .GetEnumerator();
                foreach (var read in group)
                {
                    setup.Cancellation.ThrowIfCancellationRequested();
                    var (finished, weight) = (Of(read.File, read.Refusal), 0L);
                    if (read.Image is { } image)
                    {
                        try
                        {
                            predictions.MoveNext();
                            var (prediction, followed) = predictions.Current;
                            finished = () => setup.Timed(() => Finish(read.File, image, prediction, followed));
                            weight = DetectSetup.Weight(image);
                        }
                        catch (InputError error)
                        {
                            finished = Of(read.File, error);
                        }
                    }

                    beside.Add(weight, finished);
                }
            }

            beside.Finish();
        }
        catch (OperationCanceledException) when (setup.Cancellation.IsCancellationRequested)
        {
            // a refinement that was cut short is no result: its image is one of the missing
        }
        finally
        {
            Starts = (predictor.Warm, predictor.Failed);
            KeepRest(beside);
            setup.Display.End();
            results.Write();
            gallery.Write(setup, results.Images);
        }
    }

    /// <summary>What came of a file: what is kept of it, and what a reader should know; or why it could not be used.</summary>
    private sealed record Finished(string File, DetectedImage? Image, IReadOnlyList<string> Notes, InputError? Refusal);

    private static Func<Finished> Of(string file, InputError? refusal) => () => new(file, null, [], refusal);

    private IEnumerable<(Prediction, FollowedImage?)> Predictions(Predictor predictor, IEnumerable<RgbImage> images) =>
        setup.Request.Refinement
            ? predictor.Follow(images).Select(seen => (seen.Prediction, (FollowedImage?)seen.Followed))
            : predictor.Each(images).Select(prediction => (prediction, (FollowedImage?)null));

    private Finished Finish(string file, RgbImage image, Prediction prediction, FollowedImage? followed)
    {
        var found = prediction.Findings.Where(setup.Filter.Keeps).ToList();
        var picture = stems[file] + PictureEnding;
        DetectSetup.Draw(image, found).Save(Path.Combine(setup.Request.Out, picture));
        var pages = followed is null ? default : RefinementFiles.Write(setup, file, stems[file], image, followed);
        var detected = new DetectedImage(
            file,
            picture,
            image.Width,
            image.Height,
            found,
            prediction.Refinement,
            pages.Page,
            pages.Animation
        );
        gallery.Add(file, image);
        proposals.Add(detected);
        return new(file, detected, image.Notes, null);
    }

    private void Keep(Finished finished)
    {
        foreach (var note in finished.Notes)
        {
            setup.Display.Line($"note: {finished.File}: {note}");
        }

        if (finished.Image is { } image)
        {
            results.Add(image);
            setup.Refinements.Add(image.Refinement);
            setup.Display.Line(
                $"{image.File}: {Summary(image.Found)} -> {Path.Combine(setup.Request.Out, image.Page ?? image.Picture)}"
            );
        }
        else
        {
            refused.Add(finished.Refusal!.Message);
            setup.Display.Line($"skipped: {finished.Refusal.Message}");
        }

        setup.Display.Report(results.Images.Count + refused.Count);
    }

    // What was in work when it ended early is kept as far as it can be; why it ended is told by what is on its way.
    private static void KeepRest(OrderedWork<Finished> beside)
    {
        for (var more = true; more; )
        {
            try
            {
                beside.Finish();
                more = false;
            }
            catch (InputError) { }
        }
    }

    /// <summary>"2 circles, 1 square": how many of each class, for people.</summary>
    public static string Summary(IReadOnlyList<Finding> found) =>
        found.Count == 0
            ? "nothing"
            : string.Join(
                ", ",
                found
                    .GroupBy(finding => finding.Label)
                    .OrderBy(group => group.Key)
                    .Select(group => $"{group.Count()} {group.First().Name}")
            );
}
