using System.ComponentModel;
using System.Diagnostics;

namespace DeqDet.Images;

/// <summary>A started ffmpeg or ffprobe: its pipes, and the last of what it complained of. Disposing ends it.</summary>
internal sealed class FfmpegProcess : IDisposable
{
    private const int MostComplaints = 20;
    private const int LongestComplaint = 300;

    private static readonly TimeSpan patience = TimeSpan.FromSeconds(10);

    private readonly Process process;
    private readonly Queue<string> complaints = [];
    private readonly Lock access = new();
    private bool inputClosed;

    private FfmpegProcess(Process process)
    {
        this.process = process;
        process.ErrorDataReceived += (_, line) => Note(line.Data);
        process.BeginErrorReadLine();
    }

    /// <summary>What it writes.</summary>
    public Stream Output => process.StandardOutput.BaseStream;

    /// <summary>What it reads.</summary>
    public Stream Input => process.StandardInput.BaseStream;

    /// <summary>Starts a program with arguments, of which no shell sees anything.</summary>
    /// <exception cref="InputError">It cannot be started.</exception>
    public static FfmpegProcess Start(string program, IEnumerable<string> arguments, string name)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            CreateNoWindow = true,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            return new(Process.Start(start)!);
        }
        catch (Exception error) when (error is Win32Exception or InvalidOperationException)
        {
            throw new InputError($"{name}: {program} cannot be started ({error.Message})", error);
        }
    }

    /// <summary>Tells it that nothing more comes.</summary>
    public void CloseInput()
    {
        if (!inputClosed)
        {
            inputClosed = true;
            try
            {
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // it has ended already
            }
        }
    }

    /// <summary>Waits for its end.</summary>
    /// <returns>Its exit code; null where it did not end in time, and was ended.</returns>
    public int? End(TimeSpan within)
    {
        if (!process.WaitForExit(within))
        {
            Kill();
            process.WaitForExit(patience);
            return null;
        }

        // without a time this also waits for the last complaints
        process.WaitForExit();
        return process.ExitCode;
    }

    /// <summary>Ends it at once.</summary>
    public void Kill()
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception error) when (error is InvalidOperationException or Win32Exception)
        {
            // it has ended already
        }
    }

    /// <summary>The last of its complaints; empty where it had none.</summary>
    public string Complaint
    {
        get
        {
            lock (access)
            {
                // the last line is often a count of what went wrong, the one before says what
                return string.Join("; ", complaints.TakeLast(2));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Kill();
        process.WaitForExit(patience);
        process.Dispose();
    }

    private void Note(string? line)
    {
        if (string.IsNullOrWhiteSpace(line))
        {
            return;
        }

        var text = string.Concat(line.Where(letter => !char.IsControl(letter))).Trim();
        lock (access)
        {
            complaints.Enqueue(text.Length <= LongestComplaint ? text : $"{text[..LongestComplaint]}...");
            if (complaints.Count > MostComplaints)
            {
                complaints.Dequeue();
            }
        }
    }
}
