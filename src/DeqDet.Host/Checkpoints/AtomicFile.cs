namespace DeqDet.Host.Checkpoints;

/// <summary>Writes a file so that its name always stands for a whole file: the old one or the new one.</summary>
public static class AtomicFile
{
    /// <summary>
    /// Lets <paramref name="write"/> fill a temporary file in the same folder, brings it to the disk, and renames it to
    /// <paramref name="path"/>. If anything fails the temporary file is removed and the old file stays as it was.
    /// </summary>
    /// <exception cref="CheckpointError">The system refuses: no such folder, no permission, no space.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        string? leftOver = null;
        try
        {
            var full = Path.GetFullPath(path);
            var temporary = Path.Combine(
                Path.GetDirectoryName(full) ?? ".",
                $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp"
            );
            using (
                var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16)
            )
            {
                leftOver = temporary;
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, full, overwrite: true);
            leftOver = null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointError(path, $"cannot be written: {e.Message}", e);
        }
        finally
        {
            if (leftOver is not null)
            {
                File.Delete(leftOver);
            }
        }
    }
}
