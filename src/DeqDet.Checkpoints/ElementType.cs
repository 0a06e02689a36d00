using System.Collections.Frozen;

namespace DeqDet.Checkpoints;

/// <summary>What the numbers of a stored tensor are.</summary>
public enum ElementType
{
    Bool,
    UInt8,
    Int8,
    UInt16,
    Int16,
    UInt32,
    Int32,
    UInt64,
    Int64,
    Float16,
    BFloat16,
    Float32,
    Float64,
}

/// <summary>Sizes of element types, and their names in safetensors headers.</summary>
public static class ElementTypes
{
    private static readonly FrozenDictionary<string, ElementType> ByName = new Dictionary<string, ElementType>
    {
        ["BOOL"] = ElementType.Bool,
        ["U8"] = ElementType.UInt8,
        ["I8"] = ElementType.Int8,
        ["U16"] = ElementType.UInt16,
        ["I16"] = ElementType.Int16,
        ["U32"] = ElementType.UInt32,
        ["I32"] = ElementType.Int32,
        ["U64"] = ElementType.UInt64,
        ["I64"] = ElementType.Int64,
        ["F16"] = ElementType.Float16,
        ["BF16"] = ElementType.BFloat16,
        ["F32"] = ElementType.Float32,
        ["F64"] = ElementType.Float64,
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<ElementType, string> Names = ByName.ToFrozenDictionary(
        pair => pair.Value,
        pair => pair.Key
    );

    /// <summary>Bytes of one element.</summary>
    public static int ByteSize(this ElementType type) =>
        type switch
        {
            ElementType.Bool or ElementType.UInt8 or ElementType.Int8 => 1,
            ElementType.UInt16 or ElementType.Int16 or ElementType.Float16 or ElementType.BFloat16 => 2,
            ElementType.UInt32 or ElementType.Int32 or ElementType.Float32 => 4,
            _ => 8,
        };

    /// <summary>The name in a safetensors header, such as <c>BF16</c>.</summary>
    public static string ShortName(this ElementType type) => Names[type];

    /// <summary>The type with that name in a safetensors header; false for a name that is not supported.</summary>
    public static bool TryParse(string shortName, out ElementType type) => ByName.TryGetValue(shortName, out type);

    /// <summary>All supported names, for messages.</summary>
    public static string AllNames { get; } =
        string.Join(", ", ByName.OrderBy(pair => pair.Value).Select(pair => pair.Key));
}
