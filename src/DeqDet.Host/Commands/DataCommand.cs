using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Data.Check;
using DeqDet.Host.Terminal;
using DeqDet.Reports.Pages;
using DeqDet.Settings;
using Spectre.Console;

namespace DeqDet.Host.Commands;

/// <summary>The command <c>data check</c>: everything that is wrong with a data set, before a training finds out.</summary>
public static class DataCommand
{
    /// <summary>Prints the report, and writes it as JSON if that is asked for.</summary>
    /// <returns>0 if nothing would spoil a training, else 1.</returns>
    /// <exception cref="InputError">The data is not there at all, or the JSON file cannot be written.</exception>
    public static int Check(DataCheckRequest request, IAnsiConsole console)
    {
        var parts = Parts(request);
        Outputs.Check(
            "--json",
            request.Json?.Value,
            parts.Select(part => part.AnnotationFile),
            Outputs.IsReport("spoiled")
        );
        var report = DataCheck.Run(parts, request.Decode);
        if (request.Json is { Value: var json })
        {
            DataReportJson.Save(report, json);
        }

        new DataReportText(new(console)).Print(report);
        return report.Spoiled ? 1 : 0;
    }

    private static IReadOnlyList<DataPart> Parts(DataCheckRequest request)
    {
        if (request.Config is { Value: var config })
        {
            var data = SettingsFile.load(config, []).Data;
            var root = request.Folder?.Value ?? data.Root;
            return [DataPart.Find(root, data.Train, data.AutoSplit), DataPart.Find(root, data.Val, data.AutoSplit)];
        }

        return request.Folder is { Value: var folder }
            ? DataFolder.Parts(folder)
            : [.. request.Pairs.Select(pair => DataFolder.Pair(pair.Annotations, pair.Images))];
    }
}
