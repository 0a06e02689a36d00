namespace DeqDet.Data.Check;

/// <summary>All findings of a kind in one part of the data.</summary>
/// <param name="Kind">What they are.</param>
/// <param name="Part">Name of the part; empty where it is about all of them.</param>
/// <param name="Places">Where, one entry a finding, in the order of the files.</param>
public sealed record Issue(IssueKind Kind, string Part, IReadOnlyList<string> Places);

/// <summary>Gathers findings.</summary>
public sealed class IssueLog
{
    private readonly Dictionary<(IssueKind, string), List<string>> places = [];
    private readonly List<Issue> issues = [];

    /// <summary>One more of a kind.</summary>
    public void Add(IssueKind kind, string part, string place)
    {
        if (!places.TryGetValue((kind, part), out var list))
        {
            places.Add((kind, part), list = []);
            issues.Add(new(kind, part, list));
        }

        list.Add(place);
    }

    /// <summary>What was found, what spoils training first, otherwise in the order of finding.</summary>
    public IReadOnlyList<Issue> Issues => [.. issues.OrderByDescending(issue => issue.Kind.Spoils)];
}
