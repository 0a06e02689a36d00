using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DeqDet.Data.Formats.Yolo;

/// <summary>What a YOLO data set's data.yaml says.</summary>
/// <param name="Path">Folder that the parts are relative to, as written; null where it says none.</param>
/// <param name="Parts">Places of the images of each part, as written.</param>
/// <param name="Names">Names of the classes by their numbers.</param>
/// <param name="KeyPoints">Numbers of key points a box, of a data set of poses; else 0.</param>
internal sealed record YoloYaml(
    string? Path,
    IReadOnlyDictionary<PartRole, IReadOnlyList<string>> Parts,
    IReadOnlyList<string> Names,
    int KeyPoints
)
{
    private const long MostBytes = 1 << 20;
    private const int MostNested = 16;
    private const int MostClasses = 100_000;

    /// <summary>The file of a folder that describes a YOLO data set: data.yaml, or another that names classes and parts; else null.</summary>
    public static string? FileOf(string root)
    {
        var files = Directory
            .EnumerateFiles(root)
            .Where(file => System.IO.Path.GetExtension(file).ToLowerInvariant() is ".yaml" or ".yml")
            .OrderBy(file =>
                System.IO.Path.GetFileNameWithoutExtension(file).ToLowerInvariant() is not ("data" or "dataset")
            )
            .ThenBy(file => file, StringComparer.Ordinal);
        return files.FirstOrDefault(file =>
            System.IO.Path.GetFileNameWithoutExtension(file).ToLowerInvariant() is "data" or "dataset"
            || Describes(file)
        );
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="InputError">It is no YAML, or lacks names or parts: names file, field and remedy.</exception>
    public static YoloYaml Read(string file)
    {
        var root = Load(file);
        var parts = new Dictionary<PartRole, IReadOnlyList<string>>();
        foreach (var name in PartNames.All)
        {
            if (Child(root, name) is { } node && Places(file, name, node) is { Count: > 0 } places)
            {
                parts.TryAdd(PartNames.RoleOf(name)!.Value, places);
            }
        }

        return new(Text(Child(root, "path")), parts, ClassNames(file, root), KeyPointsOf(Child(root, "kpt_shape")));
    }

    private static bool Describes(string file)
    {
        try
        {
            var root = Load(file);
            return Child(root, "names") is not null && PartNames.All.Any(name => Child(root, name) is not null);
        }
        catch (InputError)
        {
            return false;
        }
    }

    private static YamlMappingNode Load(string file)
    {
        var text = TextFile.Text(file, MostBytes);
        try
        {
            CheckNesting(file, text);
            var yaml = new YamlStream();
            yaml.Load(new StringReader(text));
            return yaml.Documents.Count > 0 && yaml.Documents[0].RootNode is YamlMappingNode root
                ? root
                : throw new InputError($"{file}: is no YAML mapping; write names, train and val, each with a colon");
        }
        catch (InvalidOperationException)
        {
            // how the parser gives up where brackets have no end
            throw new InputError($"{file}: is no YAML that can be read; correct it");
        }
        catch (YamlException error)
        {
            throw new InputError(
                $"{file}: line {error.Start.Line}: is no YAML ({error.Message.Split('\n')[0].TrimEnd('.', '\r')}); correct it"
            );
        }
    }

    // The tree of a document is built by recursion, which deep nesting would bring to its end.
    private static void CheckNesting(string file, string text)
    {
        var parser = new Parser(new StringReader(text));
        var depth = 0;
        while (parser.MoveNext())
        {
            depth += parser.Current!.NestingIncrease;
            if (depth > MostNested)
            {
                throw new InputError(
                    $"{file}: line {parser.Current.Start.Line}: is nested deeper than {MostNested} levels"
                );
            }
        }
    }

    private static List<string> Places(string file, string name, YamlNode node)
    {
        var places = node is YamlSequenceNode list ? list.Children.Select(Text).ToList() : [Text(node)];
        return places.All(place => place is null) ? []
            : places.Any(place => place is null)
                ? throw new InputError(
                    $"{file}: \"{name}\" has to be a folder, a text file with a list of images, or a list of these"
                )
            : places.ConvertAll(place => place!);
    }

    private static IReadOnlyList<string> ClassNames(string file, YamlMappingNode root)
    {
        var count = Child(root, "nc") is { } node
            ? int.TryParse(Text(node), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number is > 0 and <= MostClasses
                ? number
                : throw new InputError($"{file}: \"nc\" has to be the number of classes")
            : (int?)null;
        var names = Child(root, "names") switch
        {
            YamlSequenceNode list => [.. list.Children.Select((name, i) => NameOf(file, name, $"{i}"))],
            YamlMappingNode map => Numbered(file, map),
            null when count is { } nc => [.. Enumerable.Range(0, nc).Select(i => $"class_{i}")],
            _ => throw new InputError($"{file}: has no \"names\"; list the names of the classes, the class 0 first"),
        };
        return names.Count == 0
                ? throw new InputError($"{file}: \"names\" is empty; list the names of the classes, the class 0 first")
            : count is { } stated && stated != names.Count
                ? throw new InputError(
                    $"{file}: \"nc\" is {stated}, but \"names\" has {names.Count}; correct one of them"
                )
            : names;
    }

    private static List<string> Numbered(string file, YamlMappingNode map)
    {
        var names = new SortedDictionary<int, string>();
        foreach (var (key, value) in map.Children)
        {
            if (!int.TryParse(Text(key), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                throw new InputError($"{file}: \"names\" has the key \"{Text(key)}\"; number the classes from 0");
            }

            if (!names.TryAdd(number, NameOf(file, value, $"{number}")))
            {
                throw new InputError($"{file}: \"names\" has the class {number} twice");
            }
        }

        var missing = Enumerable.Range(0, names.Count).FirstOrDefault(i => !names.ContainsKey(i), -1);
        return missing >= 0
            ? throw new InputError($"{file}: \"names\" has no class {missing}; number the classes from 0, without gaps")
            : [.. names.Values];
    }

    private static string NameOf(string file, YamlNode node, string number) =>
        Text(node) is { } name && !name.Any(char.IsControl)
            ? name
            : throw new InputError($"{file}: the name of class {number} is no text of one line");

    private static int KeyPointsOf(YamlNode? node) =>
        node is YamlSequenceNode { Children: [YamlScalarNode points, YamlScalarNode values] }
        && int.TryParse(points.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
        && int.TryParse(values.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var each)
            ? (int)Math.Min((long)count * each, 10_000)
            : 0;

    private static YamlNode? Child(YamlMappingNode root, string key) =>
        root.Children.FirstOrDefault(entry => entry.Key is YamlScalarNode { Value: { } name } && name == key).Value;

    private static string? Text(YamlNode? node) =>
        node is YamlScalarNode { Value: { } text }
        && text.Trim() is { Length: > 0 } trimmed
        && trimmed is not ("~" or "null")
            ? trimmed
            : null;
}
