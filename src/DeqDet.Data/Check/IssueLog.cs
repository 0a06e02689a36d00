namespace DeqDet.Data.Check;

/// <summary>All findings of a kind in one part of the data.</summary>
/// <param name="Kind">What they are.</param>
/// <param name="Part">Name of the part; empty where it is about all of them.</param>
/// <param name="Places">Where, one entry a finding, in the order of the files.</param>
public sealed record Issue(IssueKind Kind, string Part, IReadOnlyList<string> Places)
{
    /// <summary>For each place the image that it is in, by its name in the annotations; null where it is in none.</summary>
    public required IReadOnlyList<string?> Images { get; init; }
}

/// <summary>Gathers findings.</summary>
public sealed class IssueLog
{
    private readonly Dictionary<(IssueKind, string), (List<string> Places, List<string?> Images)> found = [];
    private readonly List<Issue> issues = [];

    /// <summary>One more of a kind, and the image that it is in, if it is in one.</summary>
    public void Add(IssueKind kind, string part, string place, string? image = null)
    {
        if (!found.TryGetValue((kind, part), out var entry))
        {
            found.Add((kind, part), entry = ([], []));
            issues.Add(new(kind, part, entry.Places) { Images = entry.Images });
        }

        entry.Places.Add(place);
        entry.Images.Add(image);
    }

    /// <summary>What was found, what spoils training first, otherwise in the order of finding.</summary>
    public IReadOnlyList<Issue> Issues => [.. issues.OrderByDescending(issue => issue.Kind.Spoils)];
}
