namespace DeqDet.Coco.Analysis;

/// <summary>What a detection turned out to be, at one IoU threshold. The mistakes are those of TIDE (Bolya et al., ECCV 2020).</summary>
public enum Verdict : byte
{
    /// <summary>Not evaluated: of other images or categories, or beyond the maximum of detections.</summary>
    LeftOut,

    /// <summary>Neither right nor wrong: on a crowd, or of a size that is not evaluated.</summary>
    Ignored,

    /// <summary>It has found its object.</summary>
    Right,

    /// <summary>On an object of another class.</summary>
    WrongClass,

    /// <summary>Near an object of its class, but not near enough.</summary>
    BadlyPlaced,

    /// <summary>Near an object of another class, and not near enough.</summary>
    Both,

    /// <summary>On an object that a surer detection has found.</summary>
    Duplicate,

    /// <summary>Where no object is.</summary>
    Background,
}

/// <summary>The kinds of mistakes: those of detections, and objects that nothing came near.</summary>
public enum ErrorKind
{
    /// <inheritdoc cref="Verdict.WrongClass"/>
    WrongClass,

    /// <inheritdoc cref="Verdict.BadlyPlaced"/>
    BadlyPlaced,

    /// <inheritdoc cref="Verdict.Both"/>
    Both,

    /// <inheritdoc cref="Verdict.Duplicate"/>
    Duplicate,

    /// <inheritdoc cref="Verdict.Background"/>
    Background,

    /// <summary>An object that no detection found, and that mending a wrong class or place would not find either.</summary>
    Missed,
}

/// <summary>Names of the kinds and the way from a verdict to its kind.</summary>
public static class ErrorKinds
{
    /// <summary>All kinds, in the order in which they are shown.</summary>
    public static IReadOnlyList<ErrorKind> All { get; } = Enum.GetValues<ErrorKind>();

    /// <summary>The kind of mistake that a detection is, or null for one that is none.</summary>
    public static ErrorKind? Of(Verdict verdict) =>
        verdict < Verdict.WrongClass ? null : (ErrorKind)(verdict - Verdict.WrongClass);

    /// <summary>The name in files, as in <c>wrong_class</c>.</summary>
    public static string Key(ErrorKind kind) =>
        kind switch
        {
            ErrorKind.WrongClass => "wrong_class",
            ErrorKind.BadlyPlaced => "badly_placed",
            ErrorKind.Both => "both",
            ErrorKind.Duplicate => "duplicate",
            ErrorKind.Background => "background",
            _ => "missed",
        };

    /// <summary>The name for people, as in <c>wrong class</c>.</summary>
    public static string Name(ErrorKind kind) => Key(kind).Replace('_', ' ');
}
