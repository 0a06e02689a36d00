using DeqDet.Images;

namespace DeqDet.Data;

/// <summary>Finds for image files that are not there what may be meant instead.</summary>
/// <param name="folder">The image folder.</param>
/// <param name="files">Files in it, relative to it.</param>
public sealed class MissingImages(string folder, IEnumerable<string> files)
{
    private readonly ILookup<string, string> byKey = files.ToLookup(ImageNames.KeyOf, StringComparer.Ordinal);

    /// <summary>Of everything that is in the folder.</summary>
    public static MissingImages In(string folder) =>
        new(folder, FolderFiles.Of(folder).Files.Select(file => Path.GetRelativePath(folder, file.Path)));

    /// <summary>The missing name and what is known of it: that it is one of another system, or which file has nearly the same name.</summary>
    public string Explain(string name)
    {
        var likely = byKey[ImageNames.KeyOf(name)]
            .Select(file => (File: file, By: ImageNames.Difference(name, file)))
            .FirstOrDefault(entry => entry.By is not null);
        return likely.By is not null ? $"{name}: there is {likely.File}, which differs by {likely.By}"
            : name.Contains('\\') ? $"{name}: a path as Windows writes it, and there is no such file below {folder}"
            : name;
    }

    /// <summary>The other way round: a file that nobody names, with the missing name it nearly has.</summary>
    public string ExplainUnnamed(string file)
    {
        var likely = byKey[ImageNames.KeyOf(file)]
            .Select(name => (Name: name, By: ImageNames.Difference(name, file)))
            .FirstOrDefault(entry => entry.By is not null);
        return likely.By is not null ? $"{file}: the missing {likely.Name} differs by {likely.By}" : file;
    }

    /// <summary>The data set, all of whose image files are there: to be found out before hours of training rather than after.</summary>
    /// <exception cref="InputError">Names the first that is missing, and what it may be instead.</exception>
    public static CocoDataset Refuse(CocoDataset set)
    {
        var missing = set.Images.Where(image => !File.Exists(set.PathOf(image))).ToList();
        return missing.Count == 0
            ? set
            : throw new InputError(
                $"{set.ImageFolder}: {missing.Count} of {set.Images.Count} images {(missing.Count == 1 ? "is" : "are")} missing, the first is "
                    + $"{In(set.ImageFolder).Explain(missing[0].FileName)}; put them there, or take them out of the annotations"
            );
    }
}
