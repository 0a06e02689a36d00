namespace DeqDet.Checkpoints;

/// <summary>An open file of named tensors, whatever its format.</summary>
public interface ITensorFile : IDisposable
{
    /// <summary>The file's path as given.</summary>
    string Path { get; }

    /// <summary>All tensors, in the file's order; names occur once.</summary>
    IReadOnlyList<StoredTensor> Tensors { get; }

    /// <summary>
    /// What a person should know about which tensors these are: prefixes left out of their names, lists left aside. Each is a
    /// sentence without the file's name; none for most files.
    /// </summary>
    IReadOnlyList<string> Notices { get; }

    /// <summary>The tensor of that name, or null.</summary>
    StoredTensor? Find(string name);
}
