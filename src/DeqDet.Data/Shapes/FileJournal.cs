using System.Text;

namespace DeqDet.Data.Shapes;

/// <summary>
/// Writes the files of a new folder, each into the folder's list before it is begun: whenever the program ends, the list says what of the
/// folder is ours. Safe for many threads.
/// </summary>
internal sealed class FileJournal : IDisposable
{
    private readonly string folder;
    private readonly MadeFiles made = new();
    private readonly FileStream list;

    /// <summary>Makes the folder with its list.</summary>
    public FileJournal(string folder)
    {
        this.folder = folder;
        Directory.CreateDirectory(folder);
        list = new(Path.Combine(folder, MadeFiles.Name), FileMode.CreateNew, FileAccess.Write, FileShare.Read, 1);
    }

    /// <summary>Writes a file, in a folder that is made for it if need be.</summary>
    /// <param name="path">Relative to the folder, with slashes.</param>
    /// <param name="content">All of it.</param>
    public void Write(string path, byte[] content)
    {
        lock (made)
        {
            list.Write(Encoding.UTF8.GetBytes(made.Add(path, content)));
        }

        var file = Path.Combine(folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, content);
    }

    /// <summary>Puts the list into order: until here it is in that of the threads.</summary>
    public void Finish()
    {
        list.Dispose();
        made.Save(folder);
    }

    /// <inheritdoc/>
    public void Dispose() => list.Dispose();
}
