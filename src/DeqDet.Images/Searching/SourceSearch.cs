namespace DeqDet.Images;

/// <summary>What a user wants looked at.</summary>
/// <param name="Images">Paths of images.</param>
/// <param name="Videos">Video files, cameras and streams.</param>
/// <param name="Notices">What was passed over and why, one line each; to be told to the user.</param>
public sealed record FoundSources(
    IReadOnlyList<string> Images,
    IReadOnlyList<VideoSource> Videos,
    IReadOnlyList<string> Notices
);

/// <summary>
/// Finds what is meant by files, folders, patterns (<see cref="Glob"/>), video files, cameras and streams (<see cref="VideoSource"/>), and by
/// <c>-</c>: a list of all these, a line each.
/// </summary>
public static class SourceSearch
{
    /// <summary>The place that stands for a list.</summary>
    public const string List = "-";

    /// <summary>Lines of a list that are read.</summary>
    public const int MostLines = 1_000_000;

    private const int LongestLine = 4096;

    /// <summary>Everything that the places mean, in their order; folders and patterns in natural order; no real file twice.</summary>
    /// <param name="places">As the user gave them.</param>
    /// <param name="list">The lines that <see cref="List"/> stands for.</param>
    /// <exception cref="InputError">A place is not there, a folder or a pattern has nothing of use, or the list is none.</exception>
    public static FoundSources Find(IReadOnlyList<string> places, TextReader list)
    {
        var (images, videos, notices) = (new List<FolderFile>(), new List<VideoSource>(), new List<string>());
        foreach (var place in places.SelectMany(place => place == List ? Lines(list) : [place]))
        {
            Add(place);
        }

        return new(
            [.. images.DistinctBy(file => file.Real, StringComparer.Ordinal).Select(file => file.Path)],
            [.. videos.DistinctBy(video => video.Real, StringComparer.Ordinal)],
            notices
        );

        void Add(string place)
        {
            if (VideoSource.OfName(place) is { } live)
            {
                videos.Add(live);
            }
            else if (Directory.Exists(place))
            {
                var below = FolderMedia.Of(place);
                if (below.Images.Count == 0 && below.Videos.Count == 0)
                {
                    throw below.Empty("images or videos");
                }

                images.AddRange(below.Images);
                videos.AddRange(below.Videos.Select(VideoSource.OfFile));
                notices.AddRange(below.Notices);
            }
            else if (File.Exists(place))
            {
                AddFile(place);
            }
            else if (Glob.IsPattern(place))
            {
                var files = Glob.Files(place).Where(file => IsOfUse(file)).ToList();
                if (files.Count == 0)
                {
                    throw new InputError($"{place}: no image or video fits this pattern");
                }

                files.ForEach(AddFile);
            }
            else
            {
                throw new InputError($"{place}: no such image, video or folder");
            }
        }

        void AddFile(string file)
        {
            if (VideoSource.IsNamedAsVideo(file))
            {
                videos.Add(VideoSource.OfFile(new(file, RealPath.Of(file))));
            }
            else
            {
                images.Add(new(file, RealPath.Of(file)));
            }
        }
    }

    private static bool IsOfUse(string file) => ImageSearch.IsNamedAsImage(file) || VideoSource.IsNamedAsVideo(file);

    /// <summary>The lines of a list that name something: without blank ones and the blanks around them.</summary>
    private static List<string> Lines(TextReader list)
    {
        var lines = new List<string>();
        while (list.ReadLine() is { } line)
        {
            if (line.Length > LongestLine || line.Contains('\0'))
            {
                throw new InputError(
                    $"the list on standard input: line {lines.Count + 1} is no path; give a path, a pattern or an address on each line"
                );
            }

            if (line.Trim() is { Length: > 0 } place)
            {
                lines.Add(
                    place == List
                        ? throw new InputError("the list on standard input names itself (-); give paths alone")
                        : place
                );
            }

            if (lines.Count > MostLines)
            {
                throw new InputError(
                    $"the list on standard input has more than {MostLines:N0} lines; give it in parts"
                );
            }
        }

        return lines.Count > 0
            ? lines
            : throw new InputError("the list on standard input is empty; give a path on each line");
    }
}
