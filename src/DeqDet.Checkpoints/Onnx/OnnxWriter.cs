using Google.Protobuf;

namespace DeqDet.Checkpoints.Onnx;

/// <summary>Writes ONNX files (https://onnx.ai). The same model gives the same bytes.</summary>
public static class OnnxWriter
{
    // AttributeProto.AttributeType
    private const int RealType = 1;
    private const int IntegerType = 2;
    private const int TextType = 3;
    private const int GraphType = 5;
    private const int IntegersType = 7;

    /// <summary>The number by which an attribute names a type, such as that of a cast.</summary>
    public static long TypeCode(ElementType type) => OnnxTensor.ToCode(type);

    /// <summary>Writes a model and puts the file in place when it is complete (see <see cref="AtomicFile"/>).</summary>
    /// <param name="path">Where to; an existing file is replaced.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="InputError">The system refuses to write there, or the model is larger than an ONNX file can be.</exception>
    public static void Write(string path, OnnxModel model)
    {
        var message = Message(model);
        if (message.Size > int.MaxValue)
        {
            throw new InputError(
                $"{path}: the model takes {message.Size} bytes, more than an ONNX file can have ({int.MaxValue})"
            );
        }
        AtomicFile.Write(path, stream => Write(stream, message));
    }

    /// <summary>The same into a stream that knows its position.</summary>
    public static void Write(Stream stream, OnnxModel model) => Write(stream, Message(model));

    private static void Write(Stream stream, ProtobufMessage message)
    {
        using var output = new CodedOutputStream(stream, leaveOpen: true);
        message.WriteTo(output, stream);
        output.Flush();
    }

    private static ProtobufMessage Message(OnnxModel model)
    {
        var message = new ProtobufMessage()
            .Number(OnnxFields.Model.Version, model.Version)
            .Text(OnnxFields.Model.Producer, model.Producer)
            .Text(OnnxFields.Model.ProducerVersion, model.ProducerVersion)
            .Text(OnnxFields.Model.Description, model.Description)
            .Message(
                OnnxFields.Model.Operators,
                new ProtobufMessage()
                    .Always(OnnxFields.Operators.Domain, "")
                    .Number(OnnxFields.Operators.Version, model.Operators)
            );
        foreach (var (key, value) in model.Metadata)
        {
            message.Message(
                OnnxFields.Model.Metadata,
                new ProtobufMessage().Text(OnnxFields.Entry.Key, key).Text(OnnxFields.Entry.Value, value)
            );
        }
        return message.Message(OnnxFields.Model.Graph, Message(model.Graph));
    }

    private static ProtobufMessage Message(OnnxGraph graph)
    {
        var message = new ProtobufMessage();
        foreach (var operation in graph.Operations)
        {
            message.Message(OnnxFields.Graph.Node, Message(operation));
        }
        message.Text(OnnxFields.Graph.Name, graph.Name);
        foreach (var tensor in graph.Initialisers)
        {
            message.Message(OnnxFields.Graph.Initialiser, Message(tensor));
        }
        foreach (var input in graph.Inputs)
        {
            message.Message(OnnxFields.Graph.Input, Message(input));
        }
        foreach (var output in graph.Outputs)
        {
            message.Message(OnnxFields.Graph.Output, Message(output));
        }
        return message;
    }

    private static ProtobufMessage Message(OnnxOperation operation)
    {
        var message = new ProtobufMessage();
        foreach (var input in operation.Inputs)
        {
            message.Always(OnnxFields.Node.Input, input);
        }
        foreach (var output in operation.Outputs)
        {
            message.Always(OnnxFields.Node.Output, output);
        }
        message.Text(OnnxFields.Node.Name, operation.Name).Text(OnnxFields.Node.Operator, operation.Operator);
        foreach (var attribute in operation.Attributes)
        {
            message.Message(OnnxFields.Node.Attribute, Message(attribute));
        }
        return message;
    }

    private static ProtobufMessage Message(OnnxAttribute attribute)
    {
        var message = new ProtobufMessage().Text(OnnxFields.Attribute.Name, attribute.Name);
        switch (attribute)
        {
            case OnnxAttribute.Integer integer:
                return message
                    .Number(OnnxFields.Attribute.Integer, integer.Value)
                    .Number(OnnxFields.Attribute.Type, IntegerType);
            case OnnxAttribute.Integers integers:
                foreach (var value in integers.Values)
                {
                    message.Number(OnnxFields.Attribute.Integers, value);
                }
                return message.Number(OnnxFields.Attribute.Type, IntegersType);
            case OnnxAttribute.Real real:
                return message.Real(OnnxFields.Attribute.Real, real.Value).Number(OnnxFields.Attribute.Type, RealType);
            case OnnxAttribute.Text text:
                return message.Text(OnnxFields.Attribute.Text, text.Value).Number(OnnxFields.Attribute.Type, TextType);
            case OnnxAttribute.Graph graph:
                return message
                    .Message(OnnxFields.Attribute.Graph, Message(graph.Value))
                    .Number(OnnxFields.Attribute.Type, GraphType);
            default:
                throw new ArgumentException($"an attribute of the type {attribute.GetType().Name} cannot be written");
        }
    }

    private static ProtobufMessage Message(TensorToWrite tensor)
    {
        var message = new ProtobufMessage();
        foreach (var size in tensor.Shape)
        {
            message.Number(OnnxFields.Tensor.Size, size);
        }
        return message
            .Number(OnnxFields.Tensor.Type, OnnxTensor.ToCode(tensor.Type))
            .Text(OnnxFields.Tensor.Name, tensor.Name)
            .Bytes(OnnxFields.Tensor.Raw, tensor.ByteCount, tensor.WriteChecked);
    }

    private static ProtobufMessage Message(OnnxValue value)
    {
        var tensor = new ProtobufMessage().Number(OnnxFields.Type.Element, OnnxTensor.ToCode(value.Type));
        if (value.Shape is { } shape)
        {
            var sizes = new ProtobufMessage();
            foreach (var size in shape)
            {
                sizes.Message(OnnxFields.Shape.Dimension, Message(size));
            }
            tensor.Message(OnnxFields.Type.Shape, sizes);
        }
        return new ProtobufMessage()
            .Text(OnnxFields.Value.Name, value.Name)
            .Message(OnnxFields.Value.Type, new ProtobufMessage().Message(OnnxFields.Type.Tensor, tensor))
            .Text(OnnxFields.Value.Description, value.Description);
    }

    private static ProtobufMessage Message(OnnxSize size) =>
        size.Size is { } number ? new ProtobufMessage().Number(OnnxFields.Shape.Size, number)
        : size.Name is { } name ? new ProtobufMessage().Text(OnnxFields.Shape.Name, name)
        : new ProtobufMessage();
}
