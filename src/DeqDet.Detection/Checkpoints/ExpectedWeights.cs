using DeqDet.Checkpoints;
using DeqDet.Model;

namespace DeqDet.Detection;

/// <summary>What a detector wants to find in a file.</summary>
public static class ExpectedWeights
{
    /// <summary>What a model says about one of its tensors.</summary>
    public static ExpectedTensor Of(Spec spec) =>
        new(spec.Name, spec.Shape, spec.Integer ? ElementType.Int64 : ElementType.Float32, Needed: !spec.Role.IsDead);
}
