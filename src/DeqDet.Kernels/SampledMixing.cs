using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>The weights of a head's mixing with what their layers keep.</summary>
public sealed record MixingLayers(
    PackedLinear Generator,
    Tensor GeneratorWeight,
    Tensor GeneratorBias,
    PackedLinear Projection,
    Tensor ProjectionWeight,
    Tensor ProjectionBias
);

/// <summary>
/// Sampling, the generator, mixing and projection as one node of the graph, so that what is large between them is held once, computed again where that is
/// cheaper than reading it, and freed in the middle of the backward pass. Gradients of points and contents go on through the graph; those of
/// the weights and of the maps are added to their `grad`.
/// </summary>
internal sealed unsafe class SampledMixing : IDisposable
{
    private readonly SamplingInputs inputs;
    private readonly MixingLayers layers;
    private readonly int groups;

    // Each product takes the widest instructions that its columns fill.
    private readonly Instructions groupWidth;
    private readonly Instructions contentWidth;
    private readonly Instructions flatWidth;

    private Tensor? points;
    private Tensor? content;
    private Tensor? sampled;
    private Tensor? generated;
    private Tensor? mixed;

    private SampledMixing(
        SamplingInputs inputs,
        MixingLayers layers,
        int groups,
        Instructions groupWidth,
        Instructions contentWidth,
        Instructions flatWidth
    ) =>
        (this.inputs, this.layers, this.groups, this.groupWidth, this.contentWidth, this.flatWidth) = (
            inputs,
            layers,
            groups,
            groupWidth,
            contentWidth,
            flatWidth
        );

    /// <summary>The node for a pyramid of so many channels and a head's layers; null where a width fills no panel.</summary>
    public static SampledMixing? TryCreate(
        Computation computation,
        SamplingInputs inputs,
        MixingLayers layers,
        int groups,
        long channels
    ) =>
        MatrixKernels.Fitting(computation.Instructions, channels / groups) is { } groupWidth
        && MatrixKernels.Fitting(computation.Instructions, layers.GeneratorWeight.size(1)) is { } contentWidth
        && MatrixKernels.Fitting(computation.Instructions, layers.ProjectionWeight.size(1)) is { } flatWidth
            ? new(inputs, layers, groups, groupWidth, contentWidth, flatWidth)
            : null;

    /// <summary>Points [B, Q, G * P, 3] and contents [B, Q, C] -> what is added to the contents, [B, Q, C].</summary>
    public Tensor Forward(Tensor points, Tensor content)
    {
        // held here rather than by the graph, which would keep it until all of the graph is gone
        this.points = points.detach().contiguous().DetachFromDisposeScope();
        this.content = content.detach().contiguous().DetachFromDisposeScope();
        sampled = inputs.Sample(this.points, null).DetachFromDisposeScope();
        generated = layers
            .Generator.Multiply(this.content, layers.GeneratorWeight, layers.GeneratorBias)
            .DetachFromDisposeScope();
        var job = Job();
        mixed = empty([job.Pairs, job.Outputs, job.Width], dtype: ScalarType.Float32).DetachFromDisposeScope();
        job.Mixed = (float*)AotiTorch.Data(mixed);
        MixingKernels.Run(groupWidth, &job);
        using var flat = mixed.view(content.size(0), content.size(1), -1);
        return layers.Projection.Multiply(flat, layers.ProjectionWeight, layers.ProjectionBias);
    }

    /// <summary>Features that were sampled, [B, Q, G, P, C / G], without gradient.</summary>
    public Tensor Sampled => sampled!.alias();

    /// <summary>Gradients of points and contents from that of the result; once.</summary>
    public (Tensor Points, Tensor Content) Backward(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var rows = content!.numel() / content.size(-1);
        var job = Job();
        var ofMixed = empty([rows, layers.ProjectionWeight.size(1)], dtype: ScalarType.Float32);
        LinearGradient.OfInput(flatWidth, gradient, layers.ProjectionWeight, ofMixed);
        LinearGradient.AddOfWeights(flatWidth, gradient, mixed!, layers.ProjectionWeight, layers.ProjectionBias);
        Free(ref mixed);

        var ofSampled = empty_like(sampled!);
        var ofGenerated = empty_like(generated!);
        var gradientJob = new MixingGradientJob
        {
            Forward = job,
            Mixed = (float*)AotiTorch.Data(ofMixed),
            Sampled = (float*)AotiTorch.Data(ofSampled),
            Generated = (float*)AotiTorch.Data(ofGenerated),
        };
        MixingKernels.Run(groupWidth, &gradientJob);
        ofMixed.Dispose();
        Free(ref generated);
        Free(ref sampled);

        var ofContent = empty_like(content);
        LinearGradient.OfInput(contentWidth, ofGenerated, layers.GeneratorWeight, ofContent);
        LinearGradient.AddOfWeights(contentWidth, ofGenerated, content, layers.GeneratorWeight, layers.GeneratorBias);
        ofGenerated.Dispose();
        Free(ref content);
        var ofPoints = inputs.Backward(points!, ofSampled);
        Free(ref points);
        return (ofPoints.MoveToOuterDisposeScope(), ofContent.MoveToOuterDisposeScope());
    }

    /// <summary>Frees what is held for a backward pass that does not come.</summary>
    public void Dispose()
    {
        Free(ref points);
        Free(ref content);
        Free(ref sampled);
        Free(ref generated);
        Free(ref mixed);
    }

    private static void Free(ref Tensor? tensor)
    {
        tensor?.Dispose();
        tensor = null;
    }

    private MixingJob Job()
    {
        var (perGroup, width) = ((int)sampled!.size(-2), (int)sampled.size(-1));
        var ofPair = generated!.size(-1) / groups;
        return new()
        {
            Sampled = (float*)AotiTorch.Data(sampled),
            Generated = (float*)AotiTorch.Data(generated),
            Pairs = (int)(sampled.numel() / (perGroup * width)),
            Points = perGroup,
            Width = width,
            Outputs = (int)((ofPair - width * width) / perGroup),
        };
    }
}
