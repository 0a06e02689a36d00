namespace DeqDet.Data.Check;

/// <summary>A finding about an image.</summary>
/// <param name="Kind">What such findings are, after a number of them.</param>
/// <param name="Text">The finding in words.</param>
public readonly record struct ImageRemark(string Kind, string Text);

/// <summary>What a check found about single images of a part.</summary>
public sealed class ImageRemarks
{
    private readonly Dictionary<string, List<ImageRemark>> byName = new(StringComparer.Ordinal);

    /// <summary>The findings of a report about the images of one part, by its position.</summary>
    public ImageRemarks(DataReport report, int part)
    {
        foreach (var issue in report.Issues.Where(issue => issue.Part == report.Parts[part].Name))
        {
            foreach (var (place, image) in issue.Places.Zip(issue.Images))
            {
                if (image is not null)
                {
                    if (!byName.TryGetValue(image, out var list))
                    {
                        byName.Add(image, list = []);
                    }

                    list.Add(new(issue.Kind.Text, place == image ? issue.Kind.Text : $"{issue.Kind.Text}: {place}"));
                }
            }
        }
    }

    /// <summary>The kinds of the findings, each once.</summary>
    public IEnumerable<string> Kinds => byName.Values.SelectMany(list => list).Select(remark => remark.Kind).Distinct();

    /// <summary>The findings about an image, by its name in the annotations.</summary>
    public IReadOnlyList<ImageRemark> Of(string name) => byName.TryGetValue(name, out var list) ? list : [];
}
