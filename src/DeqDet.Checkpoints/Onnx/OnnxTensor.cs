namespace DeqDet.Checkpoints.Onnx;

/// <summary>Reads initialisers (TensorProto in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).</summary>
internal static class OnnxTensor
{
    /// <summary>
    /// An initialiser whose numbers lie in the file as they are: raw, or floats in one packed list. Null where they do not: lists of whole
    /// numbers of varying length, and texts, which no weights are.
    /// </summary>
    /// <exception cref="CheckpointError">Its numbers are in another file, missing, in pieces, or as many as its shape does not say.</exception>
    public static StoredTensor? Read(MappedFile file, ProtobufFields fields, ProtobufField message)
    {
        var name = "";
        var shape = new List<long>();
        var code = 0UL;
        var external = false;
        var inPieces = false;
        ProtobufField? numbers = null;
        foreach (var field in fields.Of(message))
        {
            switch (field.Number)
            {
                case OnnxFields.Tensor.Size:
                    AddTo(shape, fields.Integers(field));
                    break;
                case OnnxFields.Tensor.Type:
                    code = field.Value;
                    break;
                case OnnxFields.Tensor.Segment:
                    inPieces = true;
                    break;
                case OnnxFields.Tensor.Floats or OnnxFields.Tensor.Raw or OnnxFields.Tensor.Doubles:
                    inPieces |= numbers is not null || !field.HasBytes;
                    numbers = field;
                    break;
                case OnnxFields.Tensor.Name:
                    name = fields.Text(field);
                    break;
                case OnnxFields.Tensor.External:
                    external = true;
                    break;
                case OnnxFields.Tensor.Location:
                    external |= field.Value != 0;
                    break;
                default:
                    break;
            }
        }
        if (external)
        {
            throw Wrong("has its numbers in another file; save the model with all of them in one file");
        }
        if (ToElementType(code) is not { } type)
        {
            return null;
        }
        if (!TensorShape.TryMeasure(shape, type, out _, out var bytes))
        {
            throw Wrong($"has the impossible shape {TensorShape.Text(shape)}");
        }
        if (inPieces)
        {
            throw Wrong("has its numbers in pieces");
        }
        if (numbers is null && bytes > 0)
        {
            return type is ElementType.Float32 or ElementType.Float64 ? throw Wrong("has no numbers") : null;
        }
        var found = numbers ?? default;
        // float_data holds floats, double_data doubles; both are little-endian as raw_data is
        if (
            found.Number == OnnxFields.Tensor.Floats && type != ElementType.Float32
            || found.Number == OnnxFields.Tensor.Doubles && type != ElementType.Float64
        )
        {
            throw Wrong($"of the type {type.ShortName()} has its numbers in a list of another type");
        }
        if (found.Length != bytes)
        {
            throw Wrong($"{TensorShape.Text(shape)} has {found.Length} bytes of numbers instead of {bytes}");
        }
        return new StoredTensor(file, found.Start, name, type, [.. shape]);

        CheckpointError Wrong(string problem) => new(file.Path, $"the initialiser '{name}' {problem}");
    }

    private static void AddTo(List<long> shape, IEnumerable<long> sizes)
    {
        foreach (var size in sizes)
        {
            shape.Add(size);
            if (shape.Count > TensorShape.MaxDimensions)
            {
                // enough to be refused as impossible
                return;
            }
        }
    }

    /// <summary>The number that TensorProto.DataType has for a type.</summary>
    public static long ToCode(ElementType type)
    {
        for (var code = 1UL; code <= 16; code++)
        {
            if (ToElementType(code) == type)
            {
                return (long)code;
            }
        }
        throw new ArgumentException($"ONNX has no type for {type.ShortName()}");
    }

    // TensorProto.DataType; null for texts, complex numbers and those of 8 bits or fewer that nothing here reads.
    private static ElementType? ToElementType(ulong code) =>
        code switch
        {
            1 => ElementType.Float32,
            2 => ElementType.UInt8,
            3 => ElementType.Int8,
            4 => ElementType.UInt16,
            5 => ElementType.Int16,
            6 => ElementType.Int32,
            7 => ElementType.Int64,
            9 => ElementType.Bool,
            10 => ElementType.Float16,
            11 => ElementType.Float64,
            12 => ElementType.UInt32,
            13 => ElementType.UInt64,
            16 => ElementType.BFloat16,
            _ => null,
        };
}
