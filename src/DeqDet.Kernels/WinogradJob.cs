namespace DeqDet.Kernels;

/// <summary>
/// A convolution 3 x 3 of stride 1, padded by 1: input [images, height, width, inputs] -> output [images, height, width, outputs], from transformed
/// kernels (see WinogradKernels.Transform).
/// </summary>
internal unsafe struct WinogradJob
{
    public float* Input;
    public float* Kernel;

    /// <summary>[outputs].</summary>
    public float* Bias;
    public float* Output;
    public int Images;
    public int Height;
    public int Width;
    public int Inputs;
    public int Outputs;

    /// <summary>Whether the result is added to what the output holds.</summary>
    public bool Adds;

    /// <summary>Whether ReLU follows.</summary>
    public bool Rectifies;

    // How it is divided; set by the convolution itself.
    public int TilesWide;
    public int TilesHigh;
    public int Block;
    public int PanelParts;
}
