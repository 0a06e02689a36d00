namespace DeqDet.Data;

/// <summary>From the names in annotation files to the files in an image folder.</summary>
public static class ImageNames
{
    private static readonly char[] separators = ['/', '\\'];

    /// <summary>
    /// Path of the file that a record names. Where there is none of the name as written, two habits of annotation tools are allowed for:
    /// backslashes between folders, as Windows has them, and names that begin with the image folder itself (<c>images\x.png</c> for
    /// <c>x.png</c> in <c>images</c>). Without such a file, the path as written.
    /// </summary>
    /// <param name="folder">The image folder.</param>
    /// <param name="name">A name that stays inside the folder, as <c>CocoRules.NameFault</c> has it.</param>
    public static string PathOf(string folder, string name)
    {
        var plain = Path.Combine(folder, name);
        var parts = name.Split(separators);
        if (parts.Length == 1 || File.Exists(plain))
        {
            return plain;
        }

        var above = folder.Split(separators, StringSplitOptions.RemoveEmptyEntries);
        for (var skipped = 0; skipped < parts.Length && skipped <= above.Length; skipped++)
        {
            if (parts[..skipped].SequenceEqual(above[^skipped..]))
            {
                var candidate = Path.Combine([folder, .. parts[skipped..]]);
                if (File.Exists(candidate))
                {
                    return candidate;
                }
            }
        }

        return plain;
    }

    /// <summary>
    /// What a missing file's name and another one differ by: Unicode form, upper and lower case, percent signs for characters, ending, or
    /// folder; null when they differ by more than that.
    /// </summary>
    /// <param name="missing">The name in the annotations.</param>
    /// <param name="present">The name of a file, relative to the same folder.</param>
    public static string? Difference(string missing, string present)
    {
        var (a, b) = (missing.Replace('\\', '/'), present.Replace('\\', '/'));
        if (a == b)
        {
            return null;
        }

        var (apartA, apartB) = (Decomposition.Of(a), Decomposition.Of(b));
        var sameCase = string.Equals(apartA, apartB, StringComparison.Ordinal);
        if (sameCase || string.Equals(apartA, apartB, StringComparison.OrdinalIgnoreCase))
        {
            var form = string.Equals(a, b, StringComparison.OrdinalIgnoreCase)
                ? null
                : $"the Unicode form of its letters ({Form(a)} in the annotations, {Form(b)} on the disk)";
            return sameCase ? form
                : form is null ? "upper and lower case"
                : $"upper and lower case, and by {form}";
        }

        return Decomposition.Of(Uri.UnescapeDataString(a)) == apartB
            || apartA == Decomposition.Of(Uri.UnescapeDataString(b))
                ? "characters written with percent signs"
            : Path.ChangeExtension(apartA, null) == Path.ChangeExtension(apartB, null) ? "its ending"
            : Path.GetFileName(apartA) == Path.GetFileName(apartB) ? "its folder"
            : null;
    }

    /// <summary>
    /// What two names have in common that <see cref="Difference"/> finds something to say of: to look files up by. Names that differ by folder
    /// or by characters with percent signs share it as well.
    /// </summary>
    internal static string KeyOf(string name) =>
        Path.GetFileNameWithoutExtension(Decomposition.Of(Uri.UnescapeDataString(name.Replace('\\', '/'))))
            .ToUpperInvariant();

    private static string Form(string name) => Decomposition.Of(name) == name ? "decomposed" : "composed";
}
