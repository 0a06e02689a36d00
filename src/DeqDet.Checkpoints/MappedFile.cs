using System.IO.MemoryMappedFiles;

namespace DeqDet.Checkpoints;

/// <summary>
/// A whole file, read-only, in the address space: its pages are loaded when touched and can be dropped again by the system.
/// The only unsafe code of the checkpoint readers; every access is checked against the length. A file that another process
/// shortens while it is mapped ends this process, so writers replace files by renaming (see <see cref="AtomicFile"/>).
/// </summary>
public sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private byte* _start;

    private MappedFile(string path, MemoryMappedFile file, MemoryMappedViewAccessor view, long length)
    {
        Path = path;
        Length = length;
        _file = file;
        _view = view;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += view.PointerOffset;
    }

    /// <summary>As given to <see cref="Open"/>.</summary>
    public string Path { get; }

    /// <summary>Bytes.</summary>
    public long Length { get; }

    /// <summary>Maps a file.</summary>
    /// <exception cref="CheckpointError">It does not exist, is empty, is a folder, or may not be read.</exception>
    public static MappedFile Open(string path)
    {
        if (Directory.Exists(path))
        {
            throw new CheckpointError(path, "is a folder; a checkpoint file is needed");
        }
        try
        {
            var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            var length = stream.Length;
            if (length == 0)
            {
                stream.Dispose();
                throw new CheckpointError(path, "the file is empty");
            }
            var file = MemoryMappedFile.CreateFromFile(
                stream,
                null,
                0,
                MemoryMappedFileAccess.Read,
                HandleInheritability.None,
                leaveOpen: false
            );
            try
            {
                var view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
                return new MappedFile(path, file, view, length);
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointError(path, "there is no such file", e);
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new CheckpointError(path, $"cannot be read: {e.Message}", e);
        }
    }

    /// <summary>A window on the file, valid until it is disposed.</summary>
    public ReadOnlySpan<byte> Slice(long offset, int count)
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        if (offset < 0 || count < 0 || offset > Length - count)
        {
            throw new ArgumentOutOfRangeException(nameof(offset), $"{count} bytes at {offset} of {Length}");
        }
        return new ReadOnlySpan<byte>(_start + offset, count);
    }

    /// <summary>A part of the file to read as a stream, valid until the file is disposed.</summary>
    internal Stream OpenStream(long offset, long count)
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        if (offset < 0 || count < 0 || offset > Length - count)
        {
            throw new ArgumentOutOfRangeException(nameof(offset), $"{count} bytes at {offset} of {Length}");
        }
        return new UnmanagedMemoryStream(_start + offset, count);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_start is not null)
        {
            _start = null;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }
    }
}
