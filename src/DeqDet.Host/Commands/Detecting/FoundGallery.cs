using System.Collections.Concurrent;
using DeqDet.Detection;
using DeqDet.Images;
using DeqDet.Reports.Pages;

namespace DeqDet.Host.Commands;

/// <summary>
/// The page of all images that were looked at, beside their pictures. Of very many some are shown, spread evenly, so that a browser can still
/// hold it.
/// </summary>
public sealed class FoundGallery
{
    /// <summary>The page's name.</summary>
    public const string FileName = "gallery.html";

    private readonly HashSet<string> shown;
    private readonly int side;
    private readonly ConcurrentDictionary<string, byte[]> pictures = new(StringComparer.Ordinal);

    /// <summary>Sees to it that there is room for the page.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="files">All images that are to be looked at.</param>
    /// <exception cref="InputError">There is a page that is not ours.</exception>
    public FoundGallery(string folder, IReadOnlyList<string> files)
    {
        Place = Path.Combine(folder, FileName);
        Outputs.Check("--out", Place, files, Outputs.IsPage);
        var count = Math.Min(files.Count, FoundPage.MostImages);
        shown = PageRoom.Spread(files, count).ToHashSet(StringComparer.Ordinal);
        side = PageRoom.Side(count);
    }

    /// <summary>The page.</summary>
    public string Place { get; }

    /// <summary>Keeps an image small, if it is among those that are shown. From any thread.</summary>
    public void Add(string file, RgbImage image)
    {
        if (shown.Contains(file))
        {
            pictures[file] = Thumbnail.Webp(image, side);
        }
    }

    /// <summary>Writes the page.</summary>
    /// <exception cref="InputError">The system refuses.</exception>
    public void Write(DetectSetup setup, IReadOnlyList<DetectedImage> images) =>
        new FoundPage(
            setup.ModelName,
            setup.Filter.Words,
            setup.Session.Model.Settings.Detector.Solver.Tolerance?.Value,
            setup.Session.Model.Classes,
            images.Count,
            [
                .. images
                    .Where(image => pictures.ContainsKey(image.File))
                    .Select(image => new FoundImage(
                        image.File,
                        image.Picture,
                        image.Width,
                        image.Height,
                        image.Found,
                        image.Refinement.Length == 0 ? 0 : Refinements.Steps(image.Refinement),
                        Refinements.Settled(image.Refinement),
                        image.Refinement.Length,
                        pictures[image.File],
                        image.Page
                    )),
            ]
        ).Save(Place);
}
