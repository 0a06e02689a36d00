using DeqDet.Detection;
using DeqDet.Reports.Charts;

namespace DeqDet.Reports.Tracing;

/// <summary>Numbers in rows and columns, as text.</summary>
/// <param name="Columns">Heads of the columns.</param>
/// <param name="Rows">As many cells each.</param>
public sealed record FigureTable(IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows);

/// <summary>A chart with what a reader needs to make sense of it.</summary>
/// <param name="Name">Name of its file, without ending.</param>
/// <param name="Question">The question that it answers.</param>
/// <param name="Chart">The chart.</param>
/// <param name="HowToRead">What is shown and how it is read.</param>
/// <param name="Finding">What can be seen this time.</param>
/// <param name="Table">The numbers.</param>
public sealed record Figure(
    string Name,
    string Question,
    Chart Chart,
    string HowToRead,
    string Finding,
    FigureTable Table
);
