namespace DeqDet.Host.Devices;

/// <summary>A libtorch on this machine.</summary>
/// <param name="Folder">The folder with its libraries.</param>
/// <param name="BuiltIn">It came with the program; otherwise it is the user's own.</param>
/// <param name="Cuda">It can use CUDA devices (whether there are any is another question).</param>
/// <param name="Version">What its version file says; null where there is none, and for a built-in one.</param>
public sealed record LibTorchPlace(string Folder, bool BuiltIn, bool Cuda, string? Version)
{
    /// <summary>The version is known and is not the one TorchSharp was made for: calls may fail.</summary>
    public bool IsOtherVersion =>
        Version is not null && !Version.StartsWith(LibTorch.ExpectedVersion + ".", StringComparison.Ordinal);
}
