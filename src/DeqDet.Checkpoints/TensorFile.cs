namespace DeqDet.Checkpoints;

/// <summary>Opens files of tensors by what they hold, not by what they are called.</summary>
public static class TensorFile
{
    /// <summary>A PyTorch checkpoint (zip or old stream format) or a safetensors file.</summary>
    /// <exception cref="CheckpointError">It is neither, or damaged.</exception>
    public static ITensorFile Open(string path)
    {
        using (var file = MappedFile.Open(path))
        {
            // A safetensors file starts with a header length below 2^27, so its bytes 4 to 7 are zero and byte 8 is a brace.
            if (file.Length < 9 || file.Slice(4, 5).SequenceEqual("\0\0\0\0{"u8))
            {
                return SafetensorsFile.Open(path);
            }
        }
        return PthFile.Open(path);
    }
}
