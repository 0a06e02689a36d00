using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.FSharp.Core;

namespace DeqDet.Serving.Http;

/// <summary>Form of an answer.</summary>
internal enum AnswerFormat
{
    /// <summary>Detections as JSON.</summary>
    Json,

    /// <summary>The picture with its boxes, a PNG file.</summary>
    Png,
}

/// <summary>What a request may say besides its picture.</summary>
/// <param name="Threshold">Least score of a detection; null: what the model says for each class.</param>
/// <param name="Tolerance">The residual at which a query has settled; null: what the model says.</param>
/// <param name="Format">Form of the answer.</param>
internal sealed record QueryParameters(double? Threshold, double? Tolerance, AnswerFormat Format)
{
    /// <summary>A parameter that is a number, with its range.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Least">The least value.</param>
    /// <param name="Most">The largest value, which is allowed.</param>
    /// <param name="AllowsLeast">Whether the least value is allowed.</param>
    /// <param name="Meaning">What it does.</param>
    internal sealed record NumberParameter(string Name, double Least, double Most, bool AllowsLeast, string Meaning)
    {
        private string Range =>
            AllowsLeast
                ? string.Create(CultureInfo.InvariantCulture, $"a number from {Least} to {Most}")
                : string.Create(CultureInfo.InvariantCulture, $"a number above {Least}, at most {Most}");

        public double? Read(IQueryCollection query)
        {
            if (Single(query, Name) is not { } text)
            {
                return null;
            }

            return
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                && number <= Most
                && (AllowsLeast ? number >= Least : number > Least)
                ? number
                : throw Refusal.BadRequest("bad_parameter", $"{Name}={text}: must be {Range}.");
        }
    }

    /// <summary>The parameter of <see cref="Threshold"/>.</summary>
    public static readonly NumberParameter ThresholdParameter = new(
        "threshold",
        0,
        1,
        AllowsLeast: true,
        "Least score of a detection. Without it, what was best for each class in the model's validation, or what the service was started with."
    );

    /// <summary>The parameter of <see cref="Tolerance"/>.</summary>
    public static readonly NumberParameter ToleranceParameter = new(
        "tolerance",
        0,
        1,
        AllowsLeast: false,
        "Stops refining a query when its box moves by less than this part of its size and its content by less than this part of its length. Without it, as the service was started. Only for models with an equilibrium."
    );

    /// <summary>The name of <see cref="Format"/>.</summary>
    public const string FormatName = "format";

    /// <summary>The words for forms of an answer.</summary>
    public static IReadOnlyDictionary<string, AnswerFormat> Formats { get; } =
        new Dictionary<string, AnswerFormat>(StringComparer.Ordinal)
        {
            ["json"] = AnswerFormat.Json,
            ["png"] = AnswerFormat.Png,
        };

    private static IReadOnlyList<string> Names => [ThresholdParameter.Name, ToleranceParameter.Name, FormatName];

    /// <summary>Reads them.</summary>
    /// <exception cref="Refusal">One is unknown, given twice or out of its range, or says nothing to this detector.</exception>
    public static QueryParameters Read(IQueryCollection query, DetectorFacts facts)
    {
        if (query.Keys.FirstOrDefault(key => !Names.Contains(key)) is { } unknown)
        {
            var known = string.Join(", ", Names);
            var meant = Nearest.find(Names, unknown) is { Value: var near } ? $"did you mean {near}? " : "";
            throw Refusal.BadRequest("unknown_parameter", $"'{unknown}' is no parameter; {meant}They are {known}.");
        }

        var tolerance = ToleranceParameter.Read(query);
        if (tolerance is not null && !facts.HasEquilibrium)
        {
            throw Refusal.BadRequest(
                "bad_parameter",
                "tolerance is for DEQDet models; this one applies a fixed number of different stages."
            );
        }

        return new(ThresholdParameter.Read(query), tolerance, ReadFormat(query));
    }

    private static AnswerFormat ReadFormat(IQueryCollection query) =>
        Single(query, FormatName) is not { } word ? AnswerFormat.Json
        : Formats.TryGetValue(word, out var format) ? format
        : throw Refusal.BadRequest(
            "bad_parameter",
            $"{FormatName}={word}: must be one of {string.Join(", ", Formats.Keys)}."
        );

    private static string? Single(IQueryCollection query, string name) =>
        query[name].Count switch
        {
            0 => null,
            1 => query[name][0] ?? "",
            _ => throw Refusal.BadRequest("bad_parameter", $"{name} is given more than once."),
        };
}
