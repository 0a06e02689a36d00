using System.Text.Json;
using DeqDet.Checkpoints;
using DeqDet.Settings;
using DeqDet.Verification;
using Microsoft.FSharp.Core;
using TorchSharp;

namespace DeqDet.Host.Goldens;

/// <summary>Finds in a tree of folders everything that can be verified.</summary>
public sealed class GoldenFolder(string root, torch.Device device)
{
    private readonly HostPreprocessing preprocessing = new();

    /// <summary>
    /// The jobs of all folders, by name. <paramref name="selected"/> decides on paths below the root, with forward slashes.
    /// </summary>
    /// <exception cref="InputError">A folder or a description cannot be read.</exception>
    public IReadOnlyList<VerificationJob> Jobs(Func<string, bool> selected)
    {
        if (!Directory.Exists(root))
        {
            throw new InputError($"{root}: there is no such folder; name one with golden files");
        }
        try
        {
            return
            [
                .. Directory
                    .EnumerateDirectories(root, "*", SearchOption.AllDirectories)
                    .Prepend(root)
                    .SelectMany(folder => JobsOf(folder, selected))
                    .OrderBy(job => job.File, StringComparer.Ordinal),
            ];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"{root}: cannot be searched: {error.Message}", error);
        }
    }

    private IEnumerable<VerificationJob> JobsOf(string folder, Func<string, bool> selected)
    {
        var files = Directory
            .GetFiles(folder)
            .Select(file => Path.GetFileName(file)!)
            .Order(StringComparer.Ordinal)
            .ToList();
        string Below(string file) => Path.GetRelativePath(root, Path.Combine(folder, file)).Replace('\\', '/');

        if (CocoCase.IsOne(files))
        {
            var name = Below(CocoCase.Description);
            return selected(name) ? [new(name, () => CocoCase.Check(folder, name))] : [];
        }

        var tensors = Catalogue
            .jobs(
                Surroundings(folder),
                files.Where(file => !file.EndsWith(".safetensors", StringComparison.Ordinal) || selected(Below(file)))
            )
            .Select(job => new VerificationJob(Below(job.File), () => Named(job.Run.Invoke(null!), Below)));
        var checkpoints = files
            .Where(file => file.EndsWith(".pth", StringComparison.Ordinal) && selected(Below(file)))
            .Select(file => PthCase.Find(folder, file, files))
            .OfType<PthCase>()
            .Select(found => new VerificationJob(Below(found.File), () => found.Check(Below(found.File))));
        return tensors.Concat(checkpoints);
    }

    // A check knows the name of its file alone; the report has files of many folders.
    private static IEnumerable<Check> Named(IEnumerable<Check> checks, Func<string, string> below) =>
        checks.Select(check => new Check(below(check.File), check.Tensor, check.Measure, check.Error, check.Accepted));

    private Catalogue.Surroundings Surroundings(string folder) =>
        new(
            FuncConvert.FromFunc<string, GoldenFile>(file => Tensors(Path.Combine(folder, file), file)),
            FuncConvert.FromFunc<string, JsonElement>(file => GoldenJsonFile.Read(Path.Combine(folder, file))),
            device,
            FSharpOption<IPreprocessing>.Some(preprocessing)
        );

    private GoldenFile Tensors(string path, string name)
    {
        using var file = SafetensorsFile.Open(path);
        return new(
            name,
            file.Tensors.ToDictionary(tensor => tensor.Name, tensor => Checkpoints.Tensors.Load(tensor, device))
        );
    }
}
