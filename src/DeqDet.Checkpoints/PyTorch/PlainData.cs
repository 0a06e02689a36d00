using System.Globalization;
using System.Numerics;
using System.Text.Json.Nodes;

namespace DeqDet.Checkpoints.PyTorch;

/// <summary>Turns the plain part of a pickled value into JSON; what is not plain is left out.</summary>
internal sealed class PlainData(string path, MemoryBudget budget)
{
    private const int MaxDepth = 32;
    private const int MaxTextLength = 1 << 20;

    /// <summary>
    /// Numbers, texts, truth values, lists (also tuples) and dictionaries. Inert objects, tensors and raw bytes become null,
    /// and as values of a dictionary are left out. Non-finite numbers become the texts nan, inf and -inf.
    /// </summary>
    /// <exception cref="CheckpointError">It is nested deeper than any real data, contains itself, or is too large.</exception>
    public JsonNode? ToJson(object? value) => Convert(value, 0);

    /// <summary>Whether it is a number, a text, a truth value or None.</summary>
    public static bool IsScalar(object? value) => value is null or bool or long or double or BigInteger or PickleText;

    private JsonNode? Convert(object? value, int depth)
    {
        if (depth > MaxDepth)
        {
            throw new CheckpointError(
                path,
                $"its metadata are nested more than {MaxDepth} deep, or contain themselves"
            );
        }
        budget.Charge(200);
        switch (value)
        {
            case bool truth:
                return JsonValue.Create(truth);
            case long number:
                return JsonValue.Create(number);
            case BigInteger number:
                return JsonValue.Create(number.ToString(CultureInfo.InvariantCulture));
            case double number when double.IsFinite(number):
                return JsonValue.Create(number);
            case double number:
                return JsonValue.Create(
                    double.IsNaN(number) ? "nan"
                    : number > 0 ? "inf"
                    : "-inf"
                );
            case PickleText text:
                return JsonValue.Create(Text(text));
            case PickleTuple tuple:
                return new JsonArray([.. tuple.Items.Select(item => Convert(item, depth + 1))]);
            case PickleList list:
                return new JsonArray([.. list.Items.Select(item => Convert(item, depth + 1))]);
            case PickleDict dict:
                var result = new JsonObject();
                foreach (var (key, item) in dict.Items)
                {
                    if (item is PickleInert or PickleTensor or PickleStorage or PickleGlobal)
                    {
                        continue;
                    }
                    switch (key)
                    {
                        case PickleText text:
                            result[Text(text)] = Convert(item, depth + 1);
                            break;
                        case long number:
                            result[number.ToString(CultureInfo.InvariantCulture)] = Convert(item, depth + 1);
                            break;
                    }
                }
                return result;
            default:
                return null;
        }
    }

    private string Text(PickleText text)
    {
        if (text.Length > MaxTextLength)
        {
            return $"({text.Length} bytes of text)";
        }
        budget.Charge(2 * text.Length);
        return text.ToString();
    }
}
