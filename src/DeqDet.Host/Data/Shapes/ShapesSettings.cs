namespace DeqDet.Host.Data.Shapes;

/// <summary>What decides the content of the generated data set.</summary>
public sealed record ShapesSettings
{
    /// <summary>Raised whenever the generator's pictures or annotations change, so that older folders are made anew.</summary>
    public const int GeneratorVersion = 1;

    /// <summary>Number of training images, at least 1.</summary>
    public int TrainImages { get; init; } = 2000;

    /// <summary>Number of validation images, at least 1.</summary>
    public int ValImages { get; init; } = 200;

    /// <summary>Any number; equal seeds give equal data on every machine.</summary>
    public long Seed { get; init; }
}
