using System.Text.RegularExpressions;
using DeqDet.Coco;

namespace DeqDet.Data.Formats.LabelStudio;

/// <summary>
/// Finds images by the names that Label Studio's storage gives them (<c>/data/upload/1/8ab2f1c0-x.jpg</c>,
/// <c>/data/local-files/?d=set/x.jpg</c>, an address): as written, else by their last part, with and without the eight digits that the tool
/// puts before it.
/// </summary>
/// <param name="folder">The folder of the images.</param>
internal sealed partial class StoredImages(string folder)
{
    // By their last part, with and without the tool's prefix; a name that two files have is none.
    private readonly Lazy<ILookup<string, string>> files = new(() =>
        FolderImages
            .Below(folder)
            .SelectMany(path =>
                new[] { Path.GetFileName(path), Prefix().Replace(Path.GetFileName(path), "") }
                    .Distinct()
                    .Select(name => (name, path))
            )
            .ToLookup(entry => entry.name, entry => FolderImages.NameIn(folder, entry.path), StringComparer.Ordinal)
    );

    /// <summary>The last part of a stored name.</summary>
    public static string LastOf(string stated)
    {
        // of local files the path is a query, everywhere else what follows the path says nothing
        var local = stated.IndexOf("?d=", StringComparison.Ordinal);
        var name = local >= 0 ? stated[(local + 3)..] : stated.Split('?')[0];
        return Uri.UnescapeDataString(name.Split('/', '\\')[^1]);
    }

    /// <summary>The file below the folder that a stored name means; null where there is none, or several.</summary>
    public string? Find(string stated)
    {
        if (CocoRules.NameFault(stated) is null && File.Exists(ImageNames.PathOf(folder, stated)))
        {
            return stated;
        }

        var last = LastOf(stated);
        foreach (var name in (string[])[last, Prefix().Replace(last, "")])
        {
            if (name.Length > 0 && files.Value[name].Take(2).ToList() is [var only])
            {
                return only;
            }
        }

        return null;
    }

    [GeneratedRegex("^[0-9a-f]{8}-")]
    private static partial Regex Prefix();
}
