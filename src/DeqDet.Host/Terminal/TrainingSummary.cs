using DeqDet.Detection;

namespace DeqDet.Host.Terminal;

/// <summary>What a training starts with.</summary>
public sealed record TrainingSummary
{
    /// <summary>Name of the settings.</summary>
    public required string Settings { get; init; }

    /// <summary>Images to train on.</summary>
    public required int TrainingImages { get; init; }

    /// <summary>Images to validate on.</summary>
    public required int ValidationImages { get; init; }

    /// <summary>Number of classes.</summary>
    public required int Classes { get; init; }

    /// <summary>Numbers in the model.</summary>
    public required long Parameters { get; init; }

    /// <summary>Those of them that are trained.</summary>
    public required long TrainableParameters { get; init; }

    /// <summary>Where it computes.</summary>
    public required string Device { get; init; }

    /// <summary>Threads for tensor operations.</summary>
    public required int Threads { get; init; }

    /// <summary>Numbers in which it computes, and why.</summary>
    public required string Precision { get; init; }

    /// <summary>Processes that train together.</summary>
    public int Processes { get; init; } = 1;

    /// <summary>Folder that the training writes into.</summary>
    public required string WorkFolder { get; init; }

    /// <summary>Steps taken by the run that is continued; 0 for a new one.</summary>
    public required long FirstStep { get; init; }

    /// <summary>The detector that a new training starts from; null where it starts otherwise or goes on.</summary>
    public DetectorStart? Start { get; init; }

    /// <summary>What the user should know about data and settings, a line each.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];
}
