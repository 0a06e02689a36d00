namespace DeqDet.Checkpoints;

/// <summary>
/// A weight file that cannot be used: missing, damaged, hostile, of another kind, or not fitting the model. The message names
/// the file and what is wrong with it. The readers here throw nothing else, whatever the file contains.
/// </summary>
public sealed class CheckpointError(string path, string problem, Exception? inner = null)
    : InputError($"{path}: {problem}", inner)
{
    /// <summary>The file.</summary>
    public string Path { get; } = path;

    /// <summary>What is wrong with it, without the file's name.</summary>
    public string Problem { get; } = problem;
}
