using DeqDet.Checkpoints.Onnx;

namespace DeqDet.Checkpoints;

/// <summary>Opens files of tensors by what they hold, not by what they are called.</summary>
public static class TensorFile
{
    /// <summary>
    /// A PyTorch checkpoint (zip or old stream format), a safetensors or an ONNX file, with a model's weights under the model's own names:
    /// what training programs put around them is left out (see <see cref="WeightNames"/>), and <see cref="ITensorFile.Notices"/>
    /// says so.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="averaged">Whether the averages over training are wanted in the place of the trained weights.</param>
    /// <exception cref="CheckpointError">
    /// It is none of these, or damaged; it does not tell which of several lists is meant; or it has no averages.
    /// </exception>
    public static ITensorFile Open(string path, bool averaged = false)
    {
        using (var file = MappedFile.Open(path))
        {
            // A safetensors file starts with a header length below 2^27, so its bytes 4 to 7 are zero and byte 8 is a brace.
            if (file.Length < 9 || file.Slice(4, 5).SequenceEqual("\0\0\0\0{"u8))
            {
                return SafetensorsFile.OpenWeights(path, averaged);
            }
            if (OnnxFile.IsLike(file.Slice(0, 9)))
            {
                return OnnxFile.Open(path, averaged);
            }
        }
        return PthFile.OpenWeights(path, averaged);
    }
}
