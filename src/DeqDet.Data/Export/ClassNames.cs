using System.Xml;

namespace DeqDet.Data.Export;

/// <summary>Names of classes for formats that have nothing else: on one line, not empty, of characters that XML knows.</summary>
public static class ClassNames
{
    /// <summary>
    /// The names by label. Line breaks and other control characters become spaces, a name of nothing becomes <c>class ID</c>.
    /// </summary>
    public static IReadOnlyList<string> Plain(IReadOnlyList<ObjectClass> classes) =>
        [
            .. classes.Select(kind =>
                Plain(kind.Name) is { Length: > 0 } name ? name : $"class {Plain(kind.Id.Text)}".Trim()
            ),
        ];

    /// <summary>
    /// What is left of a name where case, spaces, hyphens and underscores do not count: what people write one way today and another tomorrow.
    /// </summary>
    public static string Bare(string name) =>
        string.Concat(name.Where(c => !char.IsWhiteSpace(c) && c is not ('-' or '_'))).ToLowerInvariant();

    /// <summary>What a person should know of classes that are known by their names alone from now on, a line each.</summary>
    public static IReadOnlyList<string> Notices(IReadOnlyList<ObjectClass> classes)
    {
        var names = Plain(classes);
        var changed = Enumerable.Range(0, names.Count).Where(label => names[label] != classes[label].Name).ToList();
        var shared = names.GroupBy(name => name, StringComparer.Ordinal).Where(same => same.Count() > 1).ToList();
        return
        [
            .. changed.Count == 0
                ? (string[])[]
                :
                [
                    $"{Counted.Of(changed.Count, "class has", "classes have")} another name in the new files, the first is now \"{names[changed[0]]}\": "
                        + "names are on one line, and not empty",
                ],
            .. shared.Select(same =>
                $"{same.Count()} classes have the name \"{same.Key}\", and are one where a format knows names alone"
            ),
        ];
    }

    /// <summary>A text on one line, of characters that XML knows.</summary>
    public static string Plain(string text) =>
        string.Concat(
                text.Select(
                    (c, i) =>
                        char.IsControl(c) || c is '\u2028' or '\u2029' ? ' '
                        : char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]) ? c
                        : char.IsLowSurrogate(c) && i > 0 && char.IsHighSurrogate(text[i - 1]) ? c
                        : XmlConvert.IsXmlChar(c) ? c
                        : '\uFFFD'
                )
            )
            .Trim();
}
