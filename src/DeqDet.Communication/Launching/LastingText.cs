using System.Text;

namespace DeqDet.Communication.Launching;

/// <summary>A text file that another process goes on writing, read line by line.</summary>
/// <param name="path">The file, which need not be there yet.</param>
/// <param name="line">Called with each line once it is whole.</param>
internal sealed class LastingText(string path, Action<string> line)
{
    private readonly StringBuilder begun = new();
    private readonly Decoder decoder = Encoding.UTF8.GetDecoder();
    private long position;

    /// <summary>Passes on the lines that have been written since the last time.</summary>
    public void Pass()
    {
        if (!File.Exists(path))
        {
            return;
        }

        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length <= position)
        {
            return;
        }

        file.Position = position;
        var bytes = new byte[file.Length - position];
        var read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        position += read;
        var characters = new char[decoder.GetCharCount(bytes, 0, read)];
        decoder.GetChars(bytes, 0, read, characters, 0);
        begun.Append(characters);
        var lines = begun.ToString().Split('\n');
        foreach (var whole in lines[..^1])
        {
            line(whole);
        }

        begun.Clear().Append(lines[^1]);
    }

    /// <summary>Passes on all that is there, a line without an end, too.</summary>
    public void Finish()
    {
        Pass();
        if (begun.Length > 0)
        {
            line(begun.ToString());
            begun.Clear();
        }
    }
}
