using DeqDet.Detection;
using DeqDet.Images;

namespace DeqDet.Serving;

/// <summary>What finds objects in pictures, several at a time. It is called by one thread.</summary>
public interface IPredictor
{
    /// <summary>What it is.</summary>
    DetectorFacts Facts { get; }

    /// <summary>The size at which the network sees a picture, px; pictures of one size may go through it together.</summary>
    (int Width, int Height) InputSize(RgbImage picture);

    /// <summary>How many pictures of an input size go through the network together where <paramref name="most"/> are allowed, at least 1.</summary>
    int Together((int Width, int Height) size, int most);

    /// <summary>What is found in each of several pictures of one input size, in their order.</summary>
    /// <param name="pictures">At least one, at most as many as <see cref="Together"/> says.</param>
    /// <param name="tolerance">The residual at which a query has settled; null: what the model says.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    IReadOnlyList<Prediction> Predict(
        IReadOnlyList<RgbImage> pictures,
        double? tolerance,
        CancellationToken cancellation
    );
}
