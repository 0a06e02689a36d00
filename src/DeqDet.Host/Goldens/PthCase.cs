using System.Text.Json;
using System.Text.Json.Nodes;
using DeqDet.Checkpoints;
using DeqDet.Verification;
using TorchSharp;

namespace DeqDet.Host.Goldens;

/// <summary>
/// A PyTorch checkpoint with what reading it must give: the tensors of NAME_expected.safetensors (NAME_legacy.pth holds the same), the
/// metadata of NAME_expected.json; for hostile_*.pth that nothing in it is run; for truncated*.pth that it is refused.
/// </summary>
public sealed record PthCase
{
    /// <summary>What the hostile files would make if something in them ran.</summary>
    private const string Trace = "/tmp/pwned";

    private readonly string folder;
    private readonly string? expected;
    private readonly bool metadata;

    private PthCase(string folder, string file, string? expected, bool metadata)
    {
        (this.folder, File, this.expected, this.metadata) = (folder, file, expected, metadata);
    }

    /// <summary>The checkpoint's name.</summary>
    public string File { get; }

    private bool Hostile => File.StartsWith("hostile_", StringComparison.Ordinal);

    private bool Truncated => File.StartsWith("truncated", StringComparison.Ordinal);

    /// <summary>The case of a checkpoint among the files of its folder; null where nothing says what to expect of it.</summary>
    public static PthCase? Find(string folder, string file, IReadOnlyCollection<string> files)
    {
        var name = Path.GetFileNameWithoutExtension(file);
        var legacy = name.EndsWith("_legacy", StringComparison.Ordinal) ? name[..^"_legacy".Length] : name;
        var expected = new[] { name, legacy }.FirstOrDefault(n => files.Contains($"{n}_expected.safetensors"));
        var found = new PthCase(folder, file, expected, files.Contains($"{expected}_expected.json"));
        return expected is not null || found.Hostile || found.Truncated ? found : null;
    }

    /// <summary>Opens the checkpoint and compares; <paramref name="name"/> stands for it in the checks.</summary>
    public IReadOnlyList<Check> Check(string name)
    {
        var checks = new List<Check>();
        if (Hostile || Truncated)
        {
            checks.Add(Truth(name, Hostile ? "refused or inert" : "refused", Refused() || (Hostile && !Ran())));
        }
        if (expected is not null)
        {
            using var file = PthFile.Open(Path.Combine(folder, File));
            checks.AddRange(Tensors(name, file));
            if (metadata)
            {
                checks.AddRange(Metadata(name, file));
            }
        }
        return checks;
    }

    // What another program left there is not ours.
    private static readonly bool traceBefore = Path.Exists(Trace);

    private static bool Ran() => !traceBefore && Path.Exists(Trace);

    private bool Refused()
    {
        try
        {
            using var file = PthFile.Open(Path.Combine(folder, File));
            foreach (var tensor in file.Tensors)
            {
                Checkpoints.Tensors.Load(tensor).Dispose();
            }
            return false;
        }
        catch (CheckpointError)
        {
            return !Ran();
        }
    }

    private IEnumerable<Check> Tensors(string name, PthFile file)
    {
        using var scope = torch.NewDisposeScope();
        using var golden = SafetensorsFile.Open(Path.Combine(folder, $"{expected}_expected.safetensors"));
        var ours = file.Tensors.Select(tensor => tensor.Name).ToHashSet();
        yield return Truth(name, "names", ours.SetEquals(golden.Tensors.Select(tensor => tensor.Name)));
        foreach (var tensor in golden.Tensors)
        {
            if (file.Find(tensor.Name) is { } stored)
            {
                yield return CheckModule.exact(
                    name,
                    tensor.Name,
                    Checkpoints.Tensors.Load(tensor),
                    Checkpoints.Tensors.Load(stored)
                );
            }
        }
    }

    private IReadOnlyList<Check> Metadata(string name, PthFile file)
    {
        var path = Path.Combine(folder, $"{expected}_expected.json");
        var golden = GoldenJsonFile.Read(path);
        bool SameList(string key, IEnumerable<string> ours) =>
            golden.GetProperty(key).EnumerateArray().Select(item => item.GetString()).SequenceEqual(ours);

        return GoldenJsonFile.Understand<IReadOnlyList<Check>>(
            path,
            () =>
                [
                    Truth(name, "number of tensors", golden.GetProperty("n_state").GetInt32() == file.Tensors.Count),
                    Truth(name, "top-level keys", SameList("top_level_keys", file.TopLevelKeys)),
                    .. golden
                        .GetProperty("meta_expect")
                        .EnumerateObject()
                        .Select(entry =>
                            Truth(name, $"meta.{entry.Name}", Same(entry.Value, file.Metadata["meta"]?[entry.Name]))
                        ),
                ]
        );
    }

    private static bool Same(JsonElement expected, JsonNode? actual) =>
        JsonNode.DeepEquals(JsonNode.Parse(expected.GetRawText()), actual);

    private static Check Truth(string file, string what, bool holds) =>
        new(file, what, Measure.Count, holds ? 0 : 1, 0);
}
