using DeqDet.Detection;
using DeqDet.Images;
using DeqDet.Reports;
using DeqDet.Reports.Pages;

namespace DeqDet.Host.Commands;

/// <summary>What <c>detect --refinement</c> writes of an image: a page, and the same as a moving picture.</summary>
public static class RefinementFiles
{
    /// <summary>Ending of pages.</summary>
    public const string PageEnding = ".refinement.html";

    /// <summary>Ending of moving pictures.</summary>
    public const string AnimationEnding = ".refinement.webp";

    /// <summary>Writes both; gives their names. Where nothing was found nothing would move, and there is no moving picture.</summary>
    /// <param name="setup">The detector, and what was asked for.</param>
    /// <param name="file">The image as it was named.</param>
    /// <param name="stem">Their names without endings.</param>
    /// <param name="image">The image.</param>
    /// <param name="followed">Its refinement.</param>
    /// <exception cref="InputError">The system refuses.</exception>
    public static (string Page, string? Animation) Write(
        DetectSetup setup,
        string file,
        string stem,
        RgbImage image,
        FollowedImage followed
    )
    {
        var model = setup.Session.Model;
        var page = stem + PageEnding;
        string? animation = null;
        if (RefinementAnimation.Of(image, followed, model.Classes) is { } moving)
        {
            animation = stem + AnimationEnding;
            AtomicFile.Write(Path.Combine(setup.Request.Out, animation), stream => stream.Write(moving));
        }

        new RefinementPage(
            file,
            setup.ModelName,
            setup.Filter.Words,
            image.Width,
            image.Height,
            model.Settings.Detector.Solver.Tolerance?.Value,
            model.Classes,
            followed,
            Thumbnail.Webp(image, RefinementPage.LongestSide),
            FoundGallery.FileName,
            animation
        ).Save(Path.Combine(setup.Request.Out, page));
        return (page, animation);
    }
}
