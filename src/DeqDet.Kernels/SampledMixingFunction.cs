using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>The graph's node of <see cref="SampledMixing"/>.</summary>
internal sealed class SampledMixingFunction : autograd.SingleTensorFunction<SampledMixingFunction>
{
    private const string Node = "node";

    public override string Name => nameof(SampledMixingFunction);

    // arguments: points, contents, the weights (their gradients take another way, but the graph has to know that there are some), the node
    public override Tensor forward(autograd.AutogradContext context, params object[] arguments)
    {
        var node = (SampledMixing)arguments[^1];
        context.save_data(Node, node);
        return node.Forward((Tensor)arguments[0], (Tensor)arguments[1]);
    }

    public override List<Tensor> backward(autograd.AutogradContext context, Tensor gradient)
    {
        var node = (SampledMixing)context.get_data(Node);
        List<Tensor> gradients = [null!, null!, null!, null!, null!, null!, null!];
        // an exception that left this method would end the process
        try
        {
            using var rows = gradient.contiguous();
            (gradients[0], gradients[1]) = node.Backward(rows);
        }
        catch (Exception)
        {
            // of no shape that fits: libtorch refuses them, and its exception may leave the backward pass
            gradients[0] = tensor(float.NaN);
            gradients[1] = tensor(float.NaN);
        }
        gradient.Dispose();
        return gradients;
    }
}
