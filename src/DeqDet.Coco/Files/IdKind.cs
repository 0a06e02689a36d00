namespace DeqDet.Coco;

/// <summary>Says when ids of two files, or of two lists, cannot meet because one has numbers and the other texts.</summary>
internal static class IdKind
{
    /// <summary>
    /// The fault of an id that is a text where all <paramref name="known"/> ones are numbers, or the other way round; null where the kind
    /// is not what separates them.
    /// </summary>
    /// <param name="id">The id that was not found.</param>
    /// <param name="known">The ids among which it was looked for.</param>
    /// <param name="what">What they are ids of, as in "image".</param>
    /// <param name="where">Who has the known ones.</param>
    public static string? Difference(CocoId id, IEnumerable<CocoId> known, string what, string where)
    {
        var any = false;
        foreach (var other in known)
        {
            if (other.IsText == id.IsText)
            {
                return null;
            }
            any = true;
        }
        return any
            ? $"names {what} {id}, which is {One(id.IsText)}, but the {what} ids of {where} are {All(!id.IsText)}"
                + $"; write the same ids in both, as {All(!id.IsText)}"
            : null;
    }

    private static string One(bool text) => text ? "a text" : "a number";

    private static string All(bool text) => text ? "texts (in quotes)" : "numbers";
}
