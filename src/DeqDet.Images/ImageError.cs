namespace DeqDet.Images;

/// <summary>What is wrong with the bytes of a picture.</summary>
/// <param name="name">What errors call the picture.</param>
/// <param name="reason">What is wrong, as in "the image file is truncated".</param>
/// <param name="remedy">What to do about it where the picture is a file of a data set.</param>
public sealed class ImageError(string name, string reason, string remedy) : InputError($"{name}: {reason}; {remedy}")
{
    /// <summary>What is wrong, without the name and without the remedy, for those who have no file.</summary>
    public string Reason { get; } = reason;
}
