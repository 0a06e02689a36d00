using System.Globalization;
using System.Text;
using DeqDet.Coco;
using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Data.Export;
using DeqDet.Detection;
using DeqDet.Images;

namespace DeqDet.Host.Commands;

/// <summary>
/// What <c>detect</c> finds, in the formats of labelling tools, beside results.json: a folder a format, and a table. A file of one image is
/// written when it was looked at, a file of all images whenever results.json is; every file is whole at any time.
/// </summary>
public sealed class Proposals
{
    private readonly string folder;
    private readonly IReadOnlyList<ResultFormat> formats;
    private readonly IReadOnlyList<ObjectClass> classes;
    private readonly IReadOnlyList<string> classNames;
    private readonly Dictionary<string, (string Name, string Stem)> names;

    private Proposals(
        string folder,
        IReadOnlyList<ResultFormat> formats,
        IReadOnlyList<ObjectClass> classes,
        Dictionary<string, (string Name, string Stem)> names
    )
    {
        (this.folder, this.formats, this.classes, this.names) = (folder, formats, classes, names);
        classNames = ClassNames.Plain(classes);
    }

    /// <summary>Sees to it that there is room for the files; writes nothing yet.</summary>
    /// <param name="folder">Folder of all results.</param>
    /// <param name="formats">The formats.</param>
    /// <param name="classes">The detector's classes.</param>
    /// <param name="places">Files and folders of images as the user gave them.</param>
    /// <param name="files">The images found there.</param>
    /// <exception cref="InputError">A format's folder is not empty, or there is a table that is not ours.</exception>
    public static Proposals Of(
        string folder,
        IReadOnlyList<ResultFormat> formats,
        IReadOnlyList<ObjectClass> classes,
        IReadOnlyList<string> places,
        IReadOnlyList<string> files
    )
    {
        foreach (var format in formats)
        {
            var place = Path.Combine(folder, Word(format));
            if (format.IsCsv)
            {
                Outputs.Check("--format csv", Table(folder), files, IsTable);
            }
            else if (
                File.Exists(place) || (Directory.Exists(place) && Directory.EnumerateFileSystemEntries(place).Any())
            )
            {
                throw new InputError(
                    $"--format {Word(format)}: {place} is there already, perhaps with labels that somebody has corrected; remove it, or choose another --out"
                );
            }
        }

        var relative = Names(places, files);
        var stems = ExportNames.Stems(relative);
        var names = files.Select((file, i) => (file, (relative[i], stems[i]))).ToDictionary(StringComparer.Ordinal);
        return new(folder, formats, classes, names);
    }

    /// <summary>
    /// The images' names: paths below the folder that was given, or the file's own name; where two would be the same, all are the paths as given.
    /// </summary>
    public static IReadOnlyList<string> Names(IReadOnlyList<string> places, IReadOnlyList<string> files)
    {
        var names = files.Select(file => ExportNames.Below(Relative(places, file))).ToList();
        return names.Distinct(StringComparer.OrdinalIgnoreCase).Count() == names.Count
            ? names
            : [.. files.Select(ExportNames.Below)];
    }

    /// <summary>What a person should know before: labels whose names are not their images'.</summary>
    public IEnumerable<string> Notices =>
        [
            .. formats.Any(format => !format.IsCoco && !format.IsCsv)
                ? names
                    .Where(entry => Path.ChangeExtension(entry.Value.Name, null) != entry.Value.Stem)
                    .Select(entry =>
                        $"another image is called {Path.GetFileNameWithoutExtension(entry.Key)}: the labels of {entry.Key} are {entry.Value.Stem}"
                    )
                : (string[])[],
            .. formats.Any(format => !format.IsCoco) ? ClassNames.Notices(classes) : [],
        ];

    /// <summary>Writes what is known before any image is looked at: the names of the classes.</summary>
    /// <exception cref="InputError">The system refuses.</exception>
    public void Start()
    {
        foreach (var format in formats.Where(format => format.IsYolo || format.IsYoloConf))
        {
            Save(format, "classes.txt", YoloText.Classes(classes));
            Save(format, "data.yaml", YoloText.DataYaml([("train", ["images"]), ("val", ["images"])], classes));
        }
    }

    /// <summary>Writes the files of one image.</summary>
    /// <exception cref="InputError">The system refuses.</exception>
    public void Add(DetectedImage image)
    {
        var (_, stem) = names[image.File];
        var labelled = Labelled(image, 0, 0);
        foreach (var format in formats)
        {
            switch (format)
            {
                case { IsYolo: true } or { IsYoloConf: true }:
                    Save(format, $"labels/{stem}.txt", YoloText.Labels(Inside(labelled), format.IsYoloConf));
                    break;
                case { IsVoc: true }:
                    Save(format, $"{stem}.xml", stream => VocXml.Write(stream, Inside(labelled), classNames));
                    break;
                case { IsLabelMe: true }:
                    var file = PathOf(format, $"{stem}.json");
                    var way = Path.GetRelativePath(
                        RealPath.Of(Path.GetDirectoryName(Path.GetFullPath(file))!),
                        Path.GetFullPath(image.File)
                    );
                    Save(
                        format,
                        $"{stem}.json",
                        stream => LabelMeJson.Write(stream, Inside(labelled), way.Replace('\\', '/'), classNames)
                    );
                    break;
            }
        }
    }

    /// <summary>Writes the files of all images so far.</summary>
    /// <exception cref="InputError">The system refuses.</exception>
    public void Write(IReadOnlyList<DetectedImage> images)
    {
        foreach (var format in formats)
        {
            if (format.IsCoco)
            {
                var before = images.Select(image => image.Found.Count).Prepend(0).ToArray();
                for (var i = 1; i < before.Length; i++)
                {
                    before[i] += before[i - 1];
                }

                var all = images.Select((image, i) => Labelled(image, i + 1, before[i] + 1)).ToList();
                Save(
                    format,
                    "annotations.json",
                    stream => AnnotationWriter.Write(stream, classes, [.. all.Select(Inside)])
                );
                MakeFolderOf(PathOf(format, "results.json"));
                DetectionsWriter.Save(Results(all), PathOf(format, "results.json"));
            }
            else if (format.IsCsv)
            {
                var table = DetectionCsv.Of(images.Select(image => Labelled(image, 0, 0)), classes);
                AtomicFile.Write(Table(folder), stream => stream.Write(Encoding.UTF8.GetBytes(table)));
            }
        }
    }

    /// <summary>A line for each format: where its files are.</summary>
    public IEnumerable<string> Places =>
        formats.Select(format =>
            $"{Word(format)}: {(format.IsCsv ? Table(folder) : Path.Combine(folder, Word(format)))}"
        );

    private static string Word(ResultFormat format) => Formats.word(format);

    private static string Table(string folder) => Path.Combine(folder, "detections.csv");

    private static bool IsTable(string head) => head.StartsWith(DetectionCsv.Header, StringComparison.Ordinal);

    private static string Relative(IReadOnlyList<string> places, string file)
    {
        foreach (var place in places)
        {
            if (place == file)
            {
                break;
            }

            var below = Path.GetRelativePath(place, file);
            if (below != "." && !Path.IsPathRooted(below) && below.Split('/', '\\')[0] != "..")
            {
                return below;
            }
        }

        return Path.GetFileName(file);
    }

    private ExportImage Labelled(DetectedImage image, int id, int firstBox) =>
        new(
            id,
            names[image.File].Name,
            image.Width,
            image.Height,
            [
                .. image.Found.Select(
                    (finding, i) =>
                        new ExportBox(
                            firstBox + i,
                            finding.Label,
                            Shortest(finding.Box.X1),
                            Shortest(finding.Box.Y1),
                            Shortest(finding.Box.Width),
                            Shortest(finding.Box.Height)
                        )
                        {
                            Score = Shortest(finding.Score),
                            Residual = finding.Residual is { } residual ? Shortest((float)residual) : null,
                        }
                ),
            ]
        );

    // A label is of something that can be seen.
    private static ExportImage Inside(ExportImage image) =>
        image with
        {
            Boxes = [.. image.Boxes.Select(box => box.Clipped(image.Width, image.Height)).OfType<ExportBox>()],
        };

    private Detections Results(List<ExportImage> images)
    {
        var results = new Detections();
        foreach (var image in images)
        {
            foreach (var box in image.Boxes)
            {
                results.Add(image.Id, classes[box.Label].Id, box.X, box.Y, box.Width, box.Height, box.Score!.Value);
            }
        }

        return results;
    }

    // The double with the digits of a float32: files say no more than what was computed.
    private static double Shortest(float number) =>
        float.IsFinite(number)
            ? double.Parse(number.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)
            : number;

    private string PathOf(ResultFormat format, string name) => Path.Combine(folder, Word(format), name);

    private void Save(ResultFormat format, string name, string text) =>
        Save(format, name, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    private void Save(ResultFormat format, string name, Action<Stream> write)
    {
        var path = PathOf(format, name);
        MakeFolderOf(path);
        AtomicFile.Write(path, write);
    }

    private static void MakeFolderOf(string path) => Outputs.MakeFolder("--out", Path.GetDirectoryName(path)!);
}
