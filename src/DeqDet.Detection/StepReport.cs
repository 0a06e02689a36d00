namespace DeqDet.Detection;

/// <summary>What an optimiser step computed and what it cost.</summary>
public sealed record StepReport
{
    /// <summary>The epoch in progress, from 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>Epochs of the whole training.</summary>
    public required int Epochs { get; init; }

    /// <summary>Steps taken since the start of the training, this one included.</summary>
    public required long Step { get; init; }

    /// <summary>The step at which this training ends.</summary>
    public required long Steps { get; init; }

    /// <summary>The base learning rate, before the factors of parameter groups.</summary>
    public required double LearningRate { get; init; }

    /// <summary>
    /// Every part by its official name, such as <c>init.loss_cls</c>: the losses, whose names contain "loss", and other numbers such
    /// as <c>init.pos_acc</c> (%).
    /// </summary>
    public required IReadOnlyList<KeyValuePair<string, double>> Losses { get; init; }

    /// <summary>Norm of the whole gradient before clipping.</summary>
    public required double GradNorm { get; init; }

    /// <summary>Images of the step.</summary>
    public required int Images { get; init; }

    /// <summary>Time the step took, waiting for data included.</summary>
    public required TimeSpan Time { get; init; }

    /// <summary>The part of it spent waiting for data.</summary>
    public required TimeSpan DataTime { get; init; }

    /// <summary>Memory of the process, bytes.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>The total: the sum of all losses.</summary>
    public double Loss => Sum("loss");

    /// <summary>Sum of the parts whose names contain a word, as in <c>loss_cls</c>.</summary>
    public double Sum(string word) =>
        Losses.Where(part => part.Key.Contains(word, StringComparison.Ordinal)).Sum(part => part.Value);
}
