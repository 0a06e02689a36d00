namespace DeqDet.Checkpoints;

/// <summary>What a model or an optimiser wants to find in a file.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Shape">Its exact shape.</param>
/// <param name="Type">The type it is to have in memory.</param>
/// <param name="Needed">False: it may be absent, and is not loaded (dead weights of official checkpoints).</param>
public sealed record ExpectedTensor(string Name, IReadOnlyList<long> Shape, ElementType Type, bool Needed = true);
