using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text.Json;
using DeqDet.Coco.Evaluation;
using DeqDet.Settings;
using DeqDet.Verification;

namespace DeqDet.Host.Goldens;

/// <summary>A case of the COCO box evaluation: gt.json, dt.json, expected.json, and the arrays and matches beside them.</summary>
public static class CocoCase
{
    /// <summary>The file that says what to expect.</summary>
    public const string Description = "expected.json";

    // Sums of at most a few thousand doubles, and single quotients.
    private const double AcceptedMean = 1e-12;
    private const double AcceptedEntry = 1e-15;

    /// <summary>Whether a folder with these files is a case.</summary>
    public static bool IsOne(IReadOnlyCollection<string> files) =>
        files.Contains(Description) && files.Contains("gt.json") && files.Contains("dt.json");

    /// <summary>Evaluates and compares; <paramref name="name"/> stands for the case in the checks.</summary>
    public static IReadOnlyList<Check> Check(string folder, string name)
    {
        var path = Path.Combine(folder, Description);
        var expected = GoldenJsonFile.Read(path);
        var parameters = GoldenJsonFile.Understand(path, () => Parameters(expected.GetProperty("params")));
        var truth = GroundTruthReader.Load(Path.Combine(folder, "gt.json"));
        var detections = DetectionsReader.Load(Path.Combine(folder, "dt.json"));
        var result = Evaluator.Evaluate(truth, detections, parameters);
        Check Entry(string what, double accepted, IReadOnlyList<double> theirs, IReadOnlyList<double> ours) =>
            new(name, what, Measure.Absolute, Largest(theirs, ours), accepted);

        return GoldenJsonFile.Understand<IReadOnlyList<Check>>(
            path,
            () =>
                [
                    Entry(
                        "stats",
                        AcceptedMean,
                        Numbers(expected.GetProperty("stats")),
                        [.. result.Statistics.Select(s => s.Value)]
                    ),
                    new(
                        name,
                        "per_class",
                        Measure.Absolute,
                        PerClass(expected.GetProperty("per_class"), result),
                        AcceptedMean
                    ),
                    Entry("precision", AcceptedEntry, Array(folder, "precision"), result.Precision),
                    Entry("scores", AcceptedEntry, Array(folder, "scores"), result.Scores),
                    Entry("recall", AcceptedEntry, Array(folder, "recall"), result.Recall),
                    .. Matches(folder, name, truth, detections, parameters),
                ]
        );
    }

    private static EvaluationParameters Parameters(JsonElement used)
    {
        var agnostic = used.GetProperty("useCats").GetInt32() == 0;
        var ranges = used.GetProperty("areaRng").EnumerateArray().Select(Numbers);
        var labels = used.GetProperty("areaRngLbl").EnumerateArray().Select(label => label.GetString()!);
        return new()
        {
            IouThresholds = Numbers(used.GetProperty("iouThrs")),
            RecallPoints = Numbers(used.GetProperty("recThrs")),
            AreaRanges = [.. labels.Zip(ranges, (label, range) => new AreaRange(label, range[0], range[1]))],
            MaxDetections = [.. Numbers(used.GetProperty("maxDets")).Select(most => (int)most)],
            ImageIds = Ids(used.GetProperty("imgIds")),
            CategoryIds = agnostic ? null : Ids(used.GetProperty("catIds")),
            ClassAgnostic = agnostic,
        };
    }

    private static double[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(item => item.GetDouble())];

    private static CocoId[] Ids(JsonElement list) =>
        [.. list.EnumerateArray().Select(item => (CocoId)(long)item.GetDouble())];

    /// <summary>gzip of little-endian doubles.</summary>
    private static double[] Array(string folder, string name)
    {
        var path = Path.Combine(folder, $"{name}.f64.gz");
        try
        {
            using var file = File.OpenRead(path);
            using var unzipped = new GZipStream(file, CompressionMode.Decompress);
            using var bytes = new MemoryStream();
            unzipped.CopyTo(bytes);
            return MemoryMarshal.Cast<byte, double>(bytes.ToArray()).ToArray();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new InputError($"{path}: cannot be read: {error.Message}", error);
        }
    }

    private static double Largest(IReadOnlyList<double> theirs, IReadOnlyList<double> ours) =>
        theirs.Count != ours.Count
            ? double.PositiveInfinity
            : theirs.Zip(ours, (a, b) => Math.Abs(a - b)).DefaultIfEmpty().Max();

    private static double PerClass(JsonElement classes, EvaluationResult result)
    {
        var theirs = classes.EnumerateArray().ToList();
        return theirs.Count != result.PerClass.Count
            ? double.PositiveInfinity
            : theirs.Zip(result.PerClass, OneClass).DefaultIfEmpty().Max();
    }

    private static double OneClass(JsonElement theirs, ClassStatistics ours)
    {
        var numbers = theirs
            .EnumerateObject()
            .Where(entry => entry.Name != "category_id")
            .ToDictionary(e => e.Name, e => e.Value.GetDouble());
        return
            theirs.GetProperty("category_id").GetInt64() != ours.Category.Id || numbers.Count != ours.Statistics.Count
            ? double.PositiveInfinity
            : ours.Statistics.Max(s => Math.Abs(s.Value - numbers.GetValueOrDefault(s.Name, double.PositiveInfinity)));
    }

    /// <summary>Small cases also say who was matched with whom.</summary>
    private static IEnumerable<Check> Matches(
        string folder,
        string name,
        GroundTruth truth,
        Detections detections,
        EvaluationParameters parameters
    )
    {
        var path = Path.Combine(folder, "matches.json");
        if (!File.Exists(path))
        {
            return [];
        }
        var theirs = GoldenJsonFile.Read(path).EnumerateArray().Select(TheirTable).ToList();
        var ours = Evaluator
            .Matches(truth, detections, parameters)
            .Select(table => OurTable(table, truth, detections))
            .ToList();
        var wrong = theirs.Zip(ours).Count(pair => pair.First != pair.Second) + Math.Abs(theirs.Count - ours.Count);
        return [new(name, "matches", Measure.Count, wrong, 0)];
    }

    // A table as text: ids of the partners, 0 for none; whole numbers, and scores in full precision.
    private static string TheirTable(JsonElement table)
    {
        string Values(string key) => string.Join(' ', Numbers(table.GetProperty(key)));
        string Rows(string key) =>
            string.Join('|', table.GetProperty(key).EnumerateArray().Select(row => string.Join(' ', Numbers(row))));
        var keys = string.Join('/', new[] { "aRng", "dtIds", "dtScores", "gtIds", "gtIgnore" }.Select(Values));
        var rows = string.Join('/', new[] { "dtMatches", "dtIgnore", "gtMatches" }.Select(Rows));
        return $"{table.GetProperty("image_id").GetInt64()}/{table.GetProperty("category_id").GetInt64()}/{keys}/{rows}";
    }

    private static string OurTable(ImageMatches table, GroundTruth truth, Detections detections)
    {
        var boxes = table.Boxes.Select(box => truth.Id[box]).ToArray();
        var found = table.Found.Select(index => (CocoId)(index + 1L)).ToArray();
        var scores = table.Found.Select(index => detections.Score[index]).ToArray();
        string Partners(int[][] rows, CocoId[] ids) =>
            string.Join('|', rows.Select(row => string.Join(' ', row.Select(i => i < 0 ? 0 : ids[i]))));
        var flags = string.Join(' ', table.BoxIgnored.Select(ignored => ignored ? 1 : 0));
        var foundFlags = string.Join(
            '|',
            table.FoundIgnored.Select(row => string.Join(' ', row.Select(ignored => ignored ? 1 : 0)))
        );
        return $"{table.ImageId}/{table.CategoryId}/{table.Range.Min} {table.Range.Max}/{string.Join(' ', found)}/"
            + $"{string.Join(' ', scores)}/{string.Join(' ', boxes)}/{flags}/{Partners(table.Partner, boxes)}/{foundFlags}/"
            + Partners(table.BoxPartner, found);
    }
}
