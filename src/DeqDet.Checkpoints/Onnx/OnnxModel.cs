namespace DeqDet.Checkpoints.Onnx;

/// <summary>An attribute of an operation that is written: one of these.</summary>
public abstract record OnnxAttribute(string Name)
{
    private OnnxAttribute()
        : this("") { }

    /// <summary>A whole number.</summary>
    public sealed record Integer(string Name, long Value) : OnnxAttribute(Name);

    /// <summary>Whole numbers.</summary>
    public sealed record Integers(string Name, IReadOnlyList<long> Values) : OnnxAttribute(Name);

    /// <summary>A real number.</summary>
    public sealed record Real(string Name, float Value) : OnnxAttribute(Name);

    /// <summary>A word.</summary>
    public sealed record Text(string Name, string Value) : OnnxAttribute(Name);

    /// <summary>A graph, such as the body of a loop.</summary>
    public sealed record Graph(string Name, OnnxGraph Value) : OnnxAttribute(Name);
}

/// <summary>An operation that is written.</summary>
/// <param name="Name">For messages of those who run it; unique.</param>
/// <param name="Operator">What it computes, such as <c>Conv</c>.</param>
/// <param name="Inputs">Names of what it reads; empty for an input that is left out.</param>
/// <param name="Outputs">Names of its results.</param>
/// <param name="Attributes">Its attributes.</param>
public sealed record OnnxOperation(
    string Name,
    string Operator,
    IReadOnlyList<string> Inputs,
    IReadOnlyList<string> Outputs,
    IReadOnlyList<OnnxAttribute> Attributes
);

/// <summary>A size of an input or output: a number, or a name where it is free.</summary>
/// <param name="Size">The number; null where it is free.</param>
/// <param name="Name">What a free size is called: sizes of one name are equal. Null where it has no name.</param>
public readonly record struct OnnxSize(long? Size, string? Name);

/// <summary>An input or output of a graph.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">What its numbers are.</param>
/// <param name="Shape">Its sizes; null where nothing is said of them.</param>
/// <param name="Description">What it is, for people; may be empty.</param>
public sealed record OnnxValue(string Name, ElementType Type, IReadOnlyList<OnnxSize>? Shape, string Description);

/// <summary>A graph that is written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Operations">Each after those whose results it reads.</param>
/// <param name="Initialisers">Tensors that the operations read; a body of a loop also sees those of the graph around it.</param>
/// <param name="Inputs">What it is given.</param>
/// <param name="Outputs">What it gives.</param>
public sealed record OnnxGraph(
    string Name,
    IReadOnlyList<OnnxOperation> Operations,
    IReadOnlyList<TensorToWrite> Initialisers,
    IReadOnlyList<OnnxValue> Inputs,
    IReadOnlyList<OnnxValue> Outputs
);

/// <summary>A model that is written.</summary>
/// <param name="Version">Of the file format (IR version).</param>
/// <param name="Operators">Version of the standard set of operators (opset).</param>
/// <param name="Producer">The program that writes it.</param>
/// <param name="ProducerVersion">That program's version.</param>
/// <param name="Description">What it computes, for people.</param>
/// <param name="Graph">What it computes.</param>
/// <param name="Metadata">What else is to be known of it.</param>
public sealed record OnnxModel(
    int Version,
    int Operators,
    string Producer,
    string ProducerVersion,
    string Description,
    OnnxGraph Graph,
    IReadOnlyList<KeyValuePair<string, string>> Metadata
);
