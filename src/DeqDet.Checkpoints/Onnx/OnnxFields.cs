namespace DeqDet.Checkpoints.Onnx;

/// <summary>Numbers of the fields that are read or written, message by message (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).</summary>
internal static class OnnxFields
{
    /// <summary>ModelProto.</summary>
    public static class Model
    {
        public const int Version = 1;
        public const int Producer = 2;
        public const int ProducerVersion = 3;
        public const int Description = 6;
        public const int Graph = 7;
        public const int Operators = 8;
        public const int Metadata = 14;
    }

    /// <summary>OperatorSetIdProto.</summary>
    public static class Operators
    {
        public const int Domain = 1;
        public const int Version = 2;
    }

    /// <summary>StringStringEntryProto.</summary>
    public static class Entry
    {
        public const int Key = 1;
        public const int Value = 2;
    }

    /// <summary>GraphProto.</summary>
    public static class Graph
    {
        public const int Node = 1;
        public const int Name = 2;
        public const int Initialiser = 5;
        public const int Input = 11;
        public const int Output = 12;
        public const int SparseInitialiser = 15;
    }

    /// <summary>NodeProto.</summary>
    public static class Node
    {
        public const int Input = 1;
        public const int Output = 2;
        public const int Name = 3;
        public const int Operator = 4;
        public const int Attribute = 5;
    }

    /// <summary>AttributeProto.</summary>
    public static class Attribute
    {
        public const int Name = 1;
        public const int Real = 2;
        public const int Integer = 3;
        public const int Text = 4;
        public const int Graph = 6;
        public const int Integers = 8;
        public const int Type = 20;
    }

    /// <summary>TensorProto.</summary>
    public static class Tensor
    {
        public const int Size = 1;
        public const int Type = 2;
        public const int Segment = 3;
        public const int Floats = 4;
        public const int Name = 8;
        public const int Raw = 9;
        public const int Doubles = 10;
        public const int External = 13;
        public const int Location = 14;
    }

    /// <summary>ValueInfoProto.</summary>
    public static class Value
    {
        public const int Name = 1;
        public const int Type = 2;
        public const int Description = 3;
    }

    /// <summary>TypeProto, of a tensor.</summary>
    public static class Type
    {
        public const int Tensor = 1;
        public const int Element = 1;
        public const int Shape = 2;
    }

    /// <summary>TensorShapeProto and its Dimension.</summary>
    public static class Shape
    {
        public const int Dimension = 1;
        public const int Size = 1;
        public const int Name = 2;
    }
}
