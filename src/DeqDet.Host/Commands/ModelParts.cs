using System.Globalization;
using DeqDet.Detection;
using DeqDet.Model;
using Microsoft.FSharp.Collections;

namespace DeqDet.Host.Commands;

/// <summary>What the parts of a detector hold and cost, a line each. Starts no libtorch.</summary>
public static class ModelParts
{
    private const double Float32 = 4;

    /// <summary>Parameters that are computed with, by part.</summary>
    public static IEnumerable<(string Name, string Text)> Parameters(DetectorSettings settings)
    {
        var parts = DetectorModule
            .specs(settings)
            .Where(spec => spec.Role.IsParameter)
            .GroupBy(spec => Part(settings, spec.Name))
            .Select(part =>
                (
                    part.Key,
                    part.Sum(spec => spec.Shape.Aggregate(1L, (product, side) => product * side))
                        .ToString("#,0", CultureInfo.InvariantCulture)
                )
            );
        return Column("by part", [.. parts]);
    }

    /// <summary>Operations of a prediction for one image of a size, by part.</summary>
    public static IEnumerable<(string Name, string Text)> Costs(DetectorSettings settings, ImageSize size)
    {
        var cost = CostModule.ofDetector(Float32, settings, 1, size);
        return Column(
            "operations",
            [
                ($"backbone, one image of {size}", Giga(cost.Backbone.Aggregate(Cost.Zero, (sum, part) => sum + part))),
                ("neck", Giga(cost.Neck)),
                ($"each of {Counted.Of(cost.Applications, "application")} of a head", Giga(cost.Application)),
                ("classes", Giga(cost.Classes)),
                ("a whole prediction", Giga(cost.Prediction)),
            ]
        );
    }

    private static string Part(DetectorSettings settings, string name) =>
        name.Split('.') switch
        {
            ["backbone", ..] => "backbone",
            ["neck", ..] => "neck",
            ["roi_head", _, var head, ..] when FamilyModule.hasEquilibrium(settings) => head == "0"
                ? "init head"
                : "refinement head",
            ["roi_head", _, var head, ..] => $"stage {int.Parse(head, CultureInfo.InvariantCulture) + 1}",
            _ => "queries",
        };

    private static string Giga(Cost cost) =>
        (cost.Flops / 1e9).ToString("0.000", CultureInfo.InvariantCulture) + " GFLOP";

    private static IEnumerable<(string, string)> Column(string title, IReadOnlyList<(string Part, string Number)> rows)
    {
        var width = rows.Max(row => row.Number.Length);
        return rows.Select((row, i) => (i == 0 ? title : "", $"{row.Number.PadLeft(width)}  {row.Part}"));
    }
}
