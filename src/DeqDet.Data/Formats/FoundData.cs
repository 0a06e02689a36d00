using DeqDet.Settings;

namespace DeqDet.Data.Formats;

/// <summary>What a part of a data set is for, as its place says.</summary>
public enum PartRole
{
    /// <summary>To train on.</summary>
    Training,

    /// <summary>To validate on.</summary>
    Validation,

    /// <summary>To test on; validated on where nothing else is.</summary>
    Test,

    /// <summary>Everything there is; a share of it is kept for validation.</summary>
    Whole,

    /// <summary>Neither for training nor for validation, as far as its name says: one of several files without usual names.</summary>
    Other,
}

/// <summary>A part of a data set that was found in its folder.</summary>
/// <param name="Role">What it is for.</param>
/// <param name="Part">Where its annotations and images are.</param>
public sealed record FoundPart(PartRole Role, DataPart Part);

/// <summary>A data set that was found in a folder.</summary>
/// <param name="Root">The folder.</param>
/// <param name="Format">Name of its format.</param>
/// <param name="Parts">Its parts, those for training first.</param>
public sealed record FoundData(string Root, string Format, IReadOnlyList<FoundPart> Parts)
{
    /// <summary>
    /// The part to train or to validate on. Without a validation part, that is the test part, and without that a share of all images,
    /// which the training leaves out.
    /// </summary>
    /// <exception cref="InputError">There is nothing to train on.</exception>
    public DataPart For(bool training, AutoSplitSettings split)
    {
        var all = Of(PartRole.Training) ?? Of(PartRole.Whole);
        var held = Of(PartRole.Validation) ?? Of(PartRole.Test);
        if (training && all is null)
        {
            throw new InputError(
                $"{Root}: none of its parts ({string.Join(", ", Parts.Select(part => part.Part.Name))}) is for training; "
                    + $"a part {PartNames.Or(PartNames.Training)} is looked for"
            );
        }

        if (held is null && split.Val <= 0)
        {
            return training
                ? all!
                : throw new InputError(
                    $"{Root}: there is no part for validation; a part {PartNames.Or([.. PartNames.Validation, .. PartNames.Test])} is looked for, "
                        + "or set data.auto_split.val above 0"
                );
        }

        return held is null ? all! with { Share = new(split.Val, split.Seed, !training) }
            : training ? all!
            : Of(PartRole.Validation)
                ?? held with
                {
                    Notice =
                        $"{Root}: there is no part {PartNames.Or(PartNames.Validation)}, so validation is on {held.Name}",
                };
    }

    private DataPart? Of(PartRole role) => Parts.FirstOrDefault(part => part.Role == role)?.Part;
}

/// <summary>What became of looking for a format in a folder.</summary>
/// <param name="Data">The data set; null where there is none that is whole.</param>
/// <param name="Missing">Where something points to the format: what is missing; else null.</param>
internal readonly record struct Finding(FoundData? Data, string? Missing)
{
    /// <summary>Nothing points to the format.</summary>
    public static Finding None => default;

    /// <summary>Something points to it, and something is missing.</summary>
    public static Finding Half(string missing) => new(null, missing);

    /// <summary>A data set.</summary>
    public static Finding Of(FoundData data) => new(data, null);
}
