using DeqDet.Settings;

namespace DeqDet.Detection;

/// <summary>The folder that one training run writes into.</summary>
/// <param name="Path">Full path.</param>
public sealed record WorkFolder(string Path)
{
    /// <summary>The latest state of the run: weights and all that is needed to go on.</summary>
    public string Latest => In("latest.safetensors");

    /// <summary>The weights with the best validation AP so far.</summary>
    public string Best => In("best.safetensors");

    /// <summary>The settings as resolved.</summary>
    public string Settings => In("settings.json");

    /// <summary>One JSON object a line for steps and validations.</summary>
    public string Metrics => In("metrics.jsonl");

    /// <summary>Detections of the last validation in COCO's results format.</summary>
    public string Detections => In("val_detections.json");

    /// <summary>Pictures of detections beside the truth.</summary>
    public string Pictures => In("pictures");

    /// <summary>Whether a run has saved something here.</summary>
    public bool HasCheckpoint => File.Exists(Latest);

    /// <summary>
    /// A folder for a new run: the one asked for, which must not hold a run, or the first free one of work/NAME, work/NAME-2, ...
    /// </summary>
    /// <param name="asked">What the user asked for, or null.</param>
    /// <param name="name">Name of the settings file without extension.</param>
    /// <exception cref="InputError">The folder holds a run already, or cannot be made.</exception>
    public static WorkFolder ForNewRun(string? asked, string name)
    {
        if (asked is null)
        {
            return Create(Numbered(name).First(folder => !Directory.Exists(folder.Path)));
        }

        var folder = new WorkFolder(System.IO.Path.GetFullPath(asked));
        if (folder.HasCheckpoint || File.Exists(folder.Metrics))
        {
            throw new InputError(
                $"--work-dir {asked}: holds a training run already; continue it with --resume, or name another folder"
            );
        }

        return Create(folder);
    }

    /// <summary>The folder of the run to continue: the one asked for, or the newest of work/NAME, work/NAME-2, ...</summary>
    /// <exception cref="InputError">There is nothing to continue.</exception>
    public static WorkFolder ToResume(string? asked, string name)
    {
        if (asked is not null)
        {
            var folder = new WorkFolder(System.IO.Path.GetFullPath(asked));
            return folder.HasCheckpoint
                ? folder
                : throw new InputError(
                    $"{asked}: nothing to resume there, {System.IO.Path.GetFileName(folder.Latest)} is missing; start without --resume"
                );
        }

        return Numbered(name)
                .TakeWhile(folder => Directory.Exists(folder.Path))
                .Where(folder => folder.HasCheckpoint)
                .MaxBy(folder => File.GetLastWriteTimeUtc(folder.Latest))
            ?? throw new InputError(
                $"--resume: no run with a checkpoint in {System.IO.Path.Combine("work", name)}; "
                    + "name a checkpoint after --resume, or its folder with --work-dir"
            );
    }

    /// <summary>
    /// The checkpoint that a user means: a file as it is; of a work folder the best weights where a validation has chosen them, else
    /// the latest.
    /// </summary>
    /// <exception cref="InputError">There is no such file, or no checkpoint in the folder.</exception>
    public static string CheckpointOf(string path)
    {
        if (!Directory.Exists(path))
        {
            return path;
        }

        var folder = new WorkFolder(System.IO.Path.GetFullPath(path));
        return File.Exists(folder.Best) ? folder.Best
            : File.Exists(folder.Latest) ? folder.Latest
            : throw new InputError(
                $"{path}: no checkpoint in this folder; `train` writes latest.safetensors into its work folder"
            );
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);

    private static IEnumerable<WorkFolder> Numbered(string name) =>
        Enumerable
            .Range(1, int.MaxValue)
            .Select(i => new WorkFolder(
                System.IO.Path.GetFullPath(System.IO.Path.Combine("work", i == 1 ? name : $"{name}-{i}"))
            ));

    private static WorkFolder Create(WorkFolder folder)
    {
        try
        {
            Directory.CreateDirectory(folder.Path);
            return folder;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError(
                $"{folder.Path}: cannot be made ({error.Message}); choose another folder with --work-dir"
            );
        }
    }
}
