using DeqDet.Detection;

namespace DeqDet.Host.Terminal;

/// <summary>What a training takes over from a detector, as lines for people: a table of its classes, and what else there is to say.</summary>
public static class StartTable
{
    private const int RowsShown = 16;
    private const int NamesShown = 6;
    private const string None = "-";

    /// <summary>The lines.</summary>
    public static IReadOnlyList<string> Lines(DetectorStart start)
    {
        // of many classes those that are kept say the least
        var rows = (start.Classes.Length <= RowsShown ? start.Classes : start.Classes.Where(row => row.Fate != "kept"))
            .Take(RowsShown)
            .Select(row => (Old: row.Old is { Value.Item2: var old } ? old : None, New: row.Name, row.Fate))
            .Prepend((Old: "in the file", New: "here", Fate: "class weights"))
            .ToList();
        var (first, second) = (rows.Max(row => row.Old.Length), rows.Max(row => row.New.Length));
        var shown = rows.Skip(1).CountBy(row => row.Fate).ToDictionary();
        return
        [
            .. rows.Select(row => $"{row.Old.PadRight(first)}  {row.New.PadRight(second)}  {row.Fate}"),
            .. start
                .Classes.CountBy(row => row.Fate)
                .Select(fate => (fate.Key, Count: fate.Value - shown.GetValueOrDefault(fate.Key)))
                .Where(fate => fate.Count > 0)
                .Select(fate => $"and {(shown.Count > 0 ? $"{fate.Count} more" : fate.Count)} {fate.Key}"),
            .. LeftOut(start),
            .. Queries(start),
        ];
    }

    private static IEnumerable<string> LeftOut(DetectorStart start)
    {
        var names = start.LeftOut;
        if (!names.IsEmpty)
        {
            var more = names.Length > NamesShown ? $" and {names.Length - NamesShown} more" : "";
            yield return $"left out: {string.Join(", ", names.Take(NamesShown))}{more}";
        }
    }

    private static IEnumerable<string> Queries(DetectorStart start)
    {
        var (there, here) = (start.QueriesThere, start.Queries);
        if (there > here)
        {
            yield return $"queries: the first {here} of {there}";
        }
        else if (there < here)
        {
            yield return $"queries: the {there} of the file, and {here - there} fresh";
        }
    }
}
