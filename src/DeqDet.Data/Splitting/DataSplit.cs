using System.Text.RegularExpressions;
using DeqDet.Coco;
using DeqDet.Data.Export;
using DeqDet.Images;

namespace DeqDet.Data.Splitting;

/// <summary>How a data set is divided.</summary>
/// <param name="Validation">Share of the images for validation.</param>
/// <param name="Test">Share of the images for a test part; 0: there is none.</param>
/// <param name="Seed">Seed of the draw.</param>
/// <param name="By">
/// Images whose names' matches are the same stay together: the pattern's first group, or all of the match. null: only near-duplicates do.
/// </param>
public sealed record SplitPlan(double Validation, double Test, long Seed, string? By);

/// <summary>Divides a data set into parts, and puts several together.</summary>
public static class DataSplit
{
    private static readonly TimeSpan mostOfMatch = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Divides all images of a set anew into train, val and test, whatever parts they are in: every class gets its share of boxes in every part as nearly as
    /// that goes (<see cref="Stratification"/>), and near-duplicates (<see cref="PictureHash"/>) stay on one side.
    /// </summary>
    /// <param name="set">The data set.</param>
    /// <param name="plan">How.</param>
    /// <param name="progress">Told the number of images that are looked at.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="InputError">An image cannot be read, the pattern is none, or there are too few groups.</exception>
    public static ExportSet Divide(
        ExportSet set,
        SplitPlan plan,
        IProgress<int> progress,
        CancellationToken cancellation
    )
    {
        var pool = Numbered([Together("all", set.Parts)])[0];
        var hashes = Hashes(pool, progress, cancellation);
        var near = PictureHash.Groups(hashes);
        var group = Groups(pool, near, plan.By);
        double[] shares =
            plan.Test > 0
                ? [1 - plan.Validation - plan.Test, plan.Validation, plan.Test]
                : [1 - plan.Validation, plan.Validation];
        var members = Enumerable.Range(0, group.Length).GroupBy(i => group[i]).Select(items => items.ToList()).ToList();
        if (members.Count < shares.Length)
        {
            throw new InputError(
                $"{pool.ImageFolder}: {Counted.Of(pool.Images.Count, "image")} in {Counted.Of(members.Count, "group")} cannot be divided into {shares.Length} parts"
            );
        }

        var sides = Stratification.Assign([.. members.Select(items => Item(pool, items))], shares, plan.Seed);
        var side = new int[pool.Images.Count];
        for (var i = 0; i < members.Count; i++)
        {
            members[i].ForEach(image => side[image] = sides[i]);
        }

        var doubles = near.Where((first, i) => first != i).Count();
        string[] said =
            doubles == 0
                ? []
                :
                [
                    $"{Counted.Of(doubles, "image looks", "images look")} like another; they are kept in one part with it, the first: "
                        + Pair(pool, near),
                ];
        string[] names = ["train", "val", "test"];
        return set with
        {
            Parts =
            [
                .. shares.Select(
                    (_, part) =>
                        pool with
                        {
                            Name = names[part],
                            Images = [.. pool.Images.Where((_, i) => side[i] == part)],
                        }
                ),
            ],
            Notices = [.. set.Notices, .. said],
        };
    }

    /// <summary>
    /// Puts the parts of several sets together by what they are for; a set without parts is for training. Ids are given anew, and pictures that look the
    /// same in two sets are named.
    /// </summary>
    /// <param name="set">The parts of all sets, with one list of classes.</param>
    /// <param name="origin">The number of the set that each part comes from, by its place.</param>
    /// <param name="progress">Told the number of images that are looked at.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="InputError">An image cannot be read.</exception>
    public static ExportSet Merge(
        ExportSet set,
        IReadOnlyList<int> origin,
        IProgress<int> progress,
        CancellationToken cancellation
    )
    {
        var everything = Together("all", set.Parts);
        var from = set.Parts.SelectMany(part => part.Images.Select(_ => origin[part.Place])).ToList();
        var near = PictureHash.Groups(Hashes(everything, progress, cancellation));
        var shared = Enumerable.Range(0, near.Length).Where(i => from[near[i]] != from[i]).ToList();
        string[] said =
            shared.Count == 0
                ? []
                :
                [
                    $"{Counted.Of(shared.Count, "image looks", "images look")} like one of another set, the first: "
                        + $"{everything.Images[shared[0]].Name} like {everything.Images[near[shared[0]]].Name}; `data split` keeps such images in one part",
                ];
        var parts = set
            .Parts.GroupBy(part => Role(part.Name))
            .OrderBy(group => Array.IndexOf(roles, group.Key))
            .Select(group => Together(group.Key, [.. group]));
        return set with { Parts = Numbered([.. parts]), Notices = [.. set.Notices, .. said] };
    }

    private static readonly string[] roles = ["train", "val", "test"];

    private static string Role(string name) =>
        Formats.PartNames.RoleOf(name) switch
        {
            Formats.PartRole.Validation => "val",
            Formats.PartRole.Test => "test",
            _ => "train",
        };

    // One part; names that meet are told apart when they are written.
    private static ExportPart Together(string name, IReadOnlyList<ExportPart> parts) =>
        new(
            0,
            name,
            parts[0].ImageFolder,
            [.. parts.SelectMany(part => part.Images.Select(image => image with { Source = part.PathOf(image) }))]
        );

    // Ids of several files may meet: all are given anew, from 1.
    private static IReadOnlyList<ExportPart> Numbered(IReadOnlyList<ExportPart> parts)
    {
        var (images, boxes) = (0, 0);
        return
        [
            .. parts.Select(part =>
                part with
                {
                    Images =
                    [
                        .. part.Images.Select(image =>
                            image with
                            {
                                Id = ++images,
                                Boxes = [.. image.Boxes.Select(box => box with { Id = ++boxes })],
                            }
                        ),
                    ],
                }
            ),
        ];
    }

    private static PictureHash?[] Hashes(ExportPart pool, IProgress<int> progress, CancellationToken cancellation)
    {
        var hashes = new PictureHash?[pool.Images.Count];
        var faults = new string?[hashes.Length];
        var done = 0;
        Parallel.For(
            0,
            hashes.Length,
            new ParallelOptions { CancellationToken = cancellation },
            i =>
            {
                var image = pool.Images[i];
                try
                {
                    var size = (image.Width, image.Height);
                    hashes[i] = PictureHash.Of(ImageFile.Load(pool.PathOf(image), size));
                }
                catch (InputError error)
                {
                    faults[i] = error.Message;
                }

                lock (faults)
                {
                    progress.Report(++done);
                }
            }
        );
        return faults.FirstOrDefault(fault => fault is not null) is { } first
            ? throw new InputError($"{first}; --leave-out-damaged goes on without such images")
            : hashes;
    }

    // Images of one group by likeness or by name are one group; what either holds together stays together.
    private static int[] Groups(ExportPart pool, int[] near, string? by)
    {
        if (by is null)
        {
            return near;
        }

        var pattern = Pattern(by);
        var group = near.ToArray();
        var first = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < group.Length; i++)
        {
            if (Key(pattern, pool.Images[i].Name) is { } key && !first.TryAdd(key, i))
            {
                var (a, b) = (Math.Min(group[i], group[first[key]]), Math.Max(group[i], group[first[key]]));
                for (var j = 0; j < group.Length && a != b; j++)
                {
                    group[j] = group[j] == b ? a : group[j];
                }
            }
        }

        return group;
    }

    private static Regex Pattern(string by)
    {
        try
        {
            return new(by, RegexOptions.CultureInvariant, mostOfMatch);
        }
        catch (ArgumentException error)
        {
            throw new InputError($"--by {by}: is no regular expression: {error.Message.TrimEnd('.')}");
        }
    }

    private static string? Key(Regex pattern, string name)
    {
        try
        {
            var match = pattern.Match(name.Replace('\\', '/'));
            return !match.Success ? null
                : match.Groups.Count > 1 ? match.Groups[1].Value
                : match.Value;
        }
        catch (RegexMatchTimeoutException)
        {
            throw new InputError($"--by {pattern}: takes longer than a second for {name}; write a simpler pattern");
        }
    }

    private static SplitItem Item(ExportPart pool, List<int> images)
    {
        var boxes = images.SelectMany(i => pool.Images[i].Boxes).CountBy(box => box.Label).ToDictionary();
        // named by the first of its names, so that the order of the files does not matter
        return new(images.Select(i => pool.Images[i].Name).Min(StringComparer.Ordinal)!, images.Count, boxes);
    }

    private static string Pair(ExportPart pool, int[] near)
    {
        var second = Enumerable.Range(0, near.Length).First(i => near[i] != i);
        return $"{pool.Images[second].Name} like {pool.Images[near[second]].Name}";
    }
}
