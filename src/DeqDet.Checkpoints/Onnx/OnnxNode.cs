namespace DeqDet.Checkpoints.Onnx;

/// <summary>An operation of an ONNX graph.</summary>
/// <param name="Operator">What it computes, such as <c>Conv</c>.</param>
/// <param name="Inputs">Names of what it reads: results of other operations, initialisers, inputs of the graph.</param>
/// <param name="Outputs">Names of its results.</param>
/// <param name="Integers">Its attributes that are whole numbers, one or several.</param>
/// <param name="Reals">Its attributes that are single real numbers.</param>
public sealed record OnnxNode(
    string Operator,
    IReadOnlyList<string> Inputs,
    IReadOnlyList<string> Outputs,
    IReadOnlyDictionary<string, IReadOnlyList<long>> Integers,
    IReadOnlyDictionary<string, float> Reals
);
