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

    // In bfloat16 are the inputs, weights and results of both layers; between them the numbers of a pair are float32.
    private readonly bool isReduced;

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
        bool isReduced,
        Instructions groupWidth,
        Instructions contentWidth,
        Instructions flatWidth
    ) =>
        (this.inputs, this.layers, this.groups, this.isReduced, this.groupWidth, this.contentWidth, this.flatWidth) = (
            inputs,
            layers,
            groups,
            isReduced,
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
            ? new(inputs, layers, groups, computation.Precision == Precision.Bf16, groupWidth, contentWidth, flatWidth)
            : null;

    /// <summary>Points [B, Q, G * P, 3] and contents [B, Q, C] -> what is added to the contents, [B, Q, C].</summary>
    public Tensor Forward(Tensor points, Tensor content)
    {
        // held here rather than by the graph, which would keep it until all of the graph is gone
        this.points = points.detach().contiguous().DetachFromDisposeScope();
        this.content = content.detach().contiguous().DetachFromDisposeScope();
        sampled = inputs.Sample(this.points, null).DetachFromDisposeScope();
        generated = Multiply(layers.Generator, this.content, layers.GeneratorWeight, layers.GeneratorBias)
            .DetachFromDisposeScope();
        var job = Job();
        mixed = empty([job.Pairs, job.Outputs, job.Width], dtype: generated.dtype).DetachFromDisposeScope();
        if (isReduced)
        {
            job.MixedReduced = (ushort*)AotiTorch.Data(mixed);
        }
        else
        {
            job.Mixed = (float*)AotiTorch.Data(mixed);
        }
        MixingKernels.Run(groupWidth, &job);
        using var flat = mixed.view(content.size(0), content.size(1), -1);
        var projected = Multiply(layers.Projection, flat, layers.ProjectionWeight, layers.ProjectionBias);
        using var _ = isReduced ? projected : null;
        return isReduced ? projected.to(ScalarType.Float32) : projected;
    }

    /// <summary>Features that were sampled, [B, Q, G, P, C / G], without gradient.</summary>
    public Tensor Sampled => sampled!.alias();

    /// <summary>Gradients of points and contents from that of the result; once.</summary>
    public (Tensor Points, Tensor Content) Backward(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var job = Job();
        var ofMixed = Backward(flatWidth, gradient, mixed!, layers.ProjectionWeight, layers.ProjectionBias);
        Free(ref mixed);

        var ofSampled = empty_like(sampled!);
        var ofGenerated = empty_like(generated!);
        var (from, to) = ((nint)AotiTorch.Data(ofMixed), (nint)AotiTorch.Data(ofGenerated));
        var gradientJob = new MixingGradientJob
        {
            Forward = job,
            Mixed = isReduced ? null : (float*)from,
            MixedReduced = isReduced ? (ushort*)from : null,
            Sampled = (float*)AotiTorch.Data(ofSampled),
            Generated = isReduced ? null : (float*)to,
            GeneratedReduced = isReduced ? (ushort*)to : null,
        };
        MixingKernels.Run(groupWidth, &gradientJob);
        ofMixed.Dispose();
        Free(ref generated);
        Free(ref sampled);

        var ofContent = Backward(contentWidth, ofGenerated, content!, layers.GeneratorWeight, layers.GeneratorBias)
            .to(ScalarType.Float32)
            .view(content!.shape);
        ofGenerated.Dispose();
        Free(ref content);
        var ofPoints = inputs.Backward(points!, ofSampled);
        Free(ref points);
        return (ofPoints.MoveToOuterDisposeScope(), ofContent.MoveToOuterDisposeScope());
    }

    /// <summary>A layer without gradients, in the precision's type.</summary>
    private Tensor Multiply(PackedLinear layer, Tensor x, Tensor weight, Tensor bias)
    {
        if (!isReduced)
        {
            return layer.Multiply(x, weight, bias);
        }
        using var reduced = x.to(ScalarType.BFloat16);
        return ReducedGradient.Apply(reduced, weight, bias);
    }

    /// <summary>The gradient of a layer's input [rows, in] from that of its result; those of its weights are added to their `grad`.</summary>
    private Tensor Backward(Instructions width, Tensor gradient, Tensor input, Tensor weight, Tensor bias)
    {
        using var scope = NewDisposeScope();
        var rows = gradient.view(-1, weight.size(0));
        if (!isReduced)
        {
            var result = empty([rows.size(0), weight.size(1)], dtype: ScalarType.Float32);
            LinearGradient.OfInput(width, rows, weight, result);
            LinearGradient.AddOfWeights(width, rows, input, weight, bias);
            return result.MoveToOuterDisposeScope();
        }
        var reduced = rows.to(ScalarType.BFloat16);
        ReducedGradient.AddOfWeights(
            width,
            reduced,
            input.to(ScalarType.BFloat16).view(rows.size(0), -1),
            weight,
            bias
        );
        return ReducedGradient.OfInput(reduced, weight).MoveToOuterDisposeScope();
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
        var numbers = (nint)AotiTorch.Data(generated!);
        var ofPair = generated!.size(-1) / groups;
        return new()
        {
            Sampled = (float*)AotiTorch.Data(sampled),
            Generated = isReduced ? null : (float*)numbers,
            GeneratedReduced = isReduced ? (ushort*)numbers : null,
            Pairs = (int)(sampled.numel() / (perGroup * width)),
            Points = perGroup,
            Width = width,
            Outputs = (int)((ofPair - width * width) / perGroup),
        };
    }
}
