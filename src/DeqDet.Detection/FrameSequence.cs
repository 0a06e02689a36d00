using DeqDet.Data;
using DeqDet.Model;
using Microsoft.FSharp.Core;
using static TorchSharp.torch;

namespace DeqDet.Detection;

/// <summary>
/// Images that follow each other, each solved from the equilibrium of the one before it: what moved little needs little refinement.
/// Where that fails, or the size changes, an image begins as usual.
/// </summary>
public sealed class FrameSequence(Detector detector, Device device) : IDisposable
{
    private Query? previous;
    private (int Width, int Height) size;

    /// <summary>Images that began at the equilibrium of the one before.</summary>
    public int Warm { get; private set; }

    /// <summary>Images whose warm start failed, so that they began anew.</summary>
    public int Failed { get; private set; }

    /// <summary>What is found in the next image, a batch of one.</summary>
    public Prediction Next(Batch image, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var here = (image.Width, image.Height);
        var warm = previous is not null && here == size ? FSharpOption<Query>.Some(previous) : null;
        var effort = Refinements.Effort(device, cancellation);
        var found = DetectorModule.detectFrom(warm, effort, detector, BatchTensors.Images(image, device));
        var prediction = Prediction.Read(found, image)[0];
        Warm += found.Warm ? 1 : 0;
        Failed += warm is not null && !found.Warm ? 1 : 0;
        Forget();
        // it has to outlive this call's scope
        previous = QueryModule.map(FuncConvert.FromFunc((Tensor t) => t.DetachFromDisposeScope()), found.State);
        size = here;
        return prediction;
    }

    /// <summary>Lets the last state go.</summary>
    public void Dispose() => Forget();

    private void Forget()
    {
        if (previous is not null)
        {
            foreach (var tensor in QueryModule.tensors(previous))
            {
                tensor.Dispose();
            }

            previous = null;
        }
    }
}
