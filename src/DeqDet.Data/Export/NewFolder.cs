namespace DeqDet.Data.Export;

/// <summary>A folder that is filled wholly or not at all.</summary>
public static class NewFolder
{
    /// <summary>Sees to it that a folder is not there, or empty.</summary>
    /// <exception cref="InputError">It holds something, or is a file.</exception>
    public static void Check(string folder)
    {
        if (File.Exists(folder))
        {
            throw new InputError($"{folder}: is a file; name a new folder");
        }

        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).FirstOrDefault() is { } first)
        {
            throw new InputError(
                $"{folder}: is not empty, it holds {Path.GetFileName(first)}; name a new folder, or empty this one"
            );
        }
    }

    /// <summary>
    /// Fills a new or empty folder. What <paramref name="fill"/> makes lies in a temporary folder inside until it is whole, and is removed if
    /// anything fails.
    /// </summary>
    /// <param name="folder">The folder; those above it are made, too.</param>
    /// <param name="fill">Makes everything in the folder that it is given.</param>
    /// <exception cref="InputError">The folder is not empty, or the system refuses.</exception>
    public static void Fill(string folder, Action<string> fill)
    {
        Check(folder);
        var isNew = !Directory.Exists(folder);
        var making = Path.Combine(folder, $".{Guid.NewGuid():N}.tmp");
        var moved = new List<string>();
        var isWhole = false;
        try
        {
            Directory.CreateDirectory(making);
            fill(making);
            foreach (var entry in Directory.GetFileSystemEntries(making))
            {
                var target = Path.Combine(folder, Path.GetFileName(entry));
                Directory.Move(entry, target);
                moved.Add(target);
            }

            isWhole = true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw AtomicFile.Refused(folder, error);
        }
        finally
        {
            Remove(making);
            if (!isWhole)
            {
                moved.ForEach(Remove);
                RemoveIf(isNew, folder);
            }
        }
    }

    private static void RemoveIf(bool isNew, string folder)
    {
        if (isNew && Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any())
        {
            Directory.Delete(folder);
        }
    }

    private static void Remove(string entry)
    {
        if (Directory.Exists(entry))
        {
            Directory.Delete(entry, recursive: true);
        }
        else if (File.Exists(entry))
        {
            File.Delete(entry);
        }
    }
}
