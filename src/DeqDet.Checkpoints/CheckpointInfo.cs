using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DeqDet.Checkpoints;

/// <summary>How far training had come.</summary>
/// <param name="Epoch">Epochs completed.</param>
/// <param name="Step">Optimiser steps taken in all.</param>
public sealed record CheckpointProgress(int Epoch, long Step);

/// <summary>
/// What a training checkpoint says besides its tensors. Stored as the safetensors metadata, each value a text: JSON for the
/// settings, the classes, the progress and the account of training.
/// </summary>
/// <param name="Settings">The settings as resolved, as JSON text.</param>
/// <param name="Classes">In the order of the model's outputs.</param>
/// <param name="Progress">How far training had come.</param>
/// <param name="Seed">The seed all random numbers derive from.</param>
/// <param name="Version">The program's version.</param>
/// <param name="Training">How it was trained, for people to read: plain JSON values by key.</param>
public sealed record CheckpointInfo(
    string Settings,
    IReadOnlyList<ObjectClass> Classes,
    CheckpointProgress Progress,
    ulong Seed,
    string Version,
    JsonObject Training
)
{
    private const string FormatName = "deqdet-checkpoint-";

    // To be raised whenever this program could no longer read what it writes now.
    private const int FormatVersion = 1;

    /// <summary>As safetensors metadata.</summary>
    public IReadOnlyDictionary<string, string> ToMetadata() =>
        new Dictionary<string, string>
        {
            ["format"] = $"{FormatName}{FormatVersion}",
            ["settings"] = Settings,
            ["classes"] = new JsonArray([
                .. Classes.Select(c => new JsonObject
                {
                    ["id"] = JsonSerializer.SerializeToNode(c.Id),
                    ["name"] = c.Name,
                }),
            ]).ToJsonString(),
            ["progress"] = new JsonObject { ["epoch"] = Progress.Epoch, ["step"] = Progress.Step }.ToJsonString(),
            ["seed"] = Seed.ToString(CultureInfo.InvariantCulture),
            ["version"] = Version,
            ["training"] = Training.ToJsonString(),
        };

    /// <summary>From safetensors metadata.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="metadata">Its metadata.</param>
    /// <exception cref="CheckpointError">It is no checkpoint of this program, of another version, or damaged.</exception>
    public static CheckpointInfo FromMetadata(string path, IReadOnlyDictionary<string, string> metadata)
    {
        var format = metadata.GetValueOrDefault("format");
        if (format is null || !format.StartsWith(FormatName, StringComparison.Ordinal))
        {
            throw new CheckpointError(
                path,
                "is a file of weights, but no DeqDet checkpoint: it does not say which settings and classes they belong to"
            );
        }
        if (
            !int.TryParse(
                format.AsSpan(FormatName.Length),
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out var version
            )
            || version < 1
        )
        {
            throw new CheckpointError(path, $"its metadata are damaged: the format '{format}' has no number");
        }
        if (version > FormatVersion)
        {
            var writer = metadata.GetValueOrDefault("version") is { } name ? $" ({name})" : "";
            throw new CheckpointError(
                path,
                $"was written by a newer version of this program{writer}, in format {version}; this one reads up to format "
                    + $"{FormatVersion}: use that version or a later one"
            );
        }
        try
        {
            var progress = Json("progress");
            return new CheckpointInfo(
                Text("settings"),
                [
                    .. Json("classes")
                        .EnumerateArray()
                        .Select(c => new ObjectClass(CocoId.Of(c.GetProperty("id")), Name(c.GetProperty("name")))),
                ],
                new CheckpointProgress(
                    progress.GetProperty("epoch").GetInt32(),
                    progress.GetProperty("step").GetInt64()
                ),
                ulong.Parse(Text("seed"), CultureInfo.InvariantCulture),
                Text("version"),
                JsonObject.Create(Json("training")) ?? []
            );
        }
        catch (Exception e)
            when (e
                    is JsonException
                        or InvalidOperationException
                        or FormatException
                        or OverflowException
                        or KeyNotFoundException
            )
        {
            throw new CheckpointError(path, $"its metadata are damaged: {e.Message}", e);
        }

        string Text(string key) =>
            metadata.GetValueOrDefault(key) ?? throw new CheckpointError(path, $"its metadata have no '{key}'");

        JsonElement Json(string key)
        {
            using var document = JsonDocument.Parse(Text(key));
            return document.RootElement.Clone();
        }

        static string Name(JsonElement name) => name.GetString() ?? throw new FormatException("a class without a name");
    }
}
