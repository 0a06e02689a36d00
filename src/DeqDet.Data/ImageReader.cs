using System.Diagnostics;
using DeqDet.Images;

namespace DeqDet.Data;

/// <summary>A file that was to be read: its picture, or why there is none.</summary>
/// <param name="File">The path.</param>
/// <param name="Image">The picture; null where it could not be read.</param>
/// <param name="Refusal">Why it could not.</param>
public sealed record ReadImage(string File, RgbImage? Image, InputError? Refusal);

/// <summary>Reads image files some at a time, by several threads, and the next ones while those are used.</summary>
public static class ImageReader
{
    // Beside one group another one waits: with three bytes a pixel, together 200 MB.
    private const long MostPixels = 32L << 20;

    private static readonly int threads = Math.Max(1, Environment.ProcessorCount / 2);

    /// <summary>
    /// All files in their order, in groups of at most so many, fewer where the pictures are large: a group ends with the picture that makes it
    /// too large, whatever the number of threads. A file that cannot be read is a member of its group like any other. For one thread.
    /// </summary>
    /// <param name="files">The files.</param>
    /// <param name="most">Files of a group at most.</param>
    /// <param name="decoded">Told how long each file took; from any thread.</param>
    public static IEnumerable<IReadOnlyList<ReadImage>> Groups(
        IReadOnlyList<string> files,
        int most,
        Action<TimeSpan>? decoded = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        return Read(new(files, most, decoded));
    }

    private static IEnumerable<IReadOnlyList<ReadImage>> Read(Queue reading)
    {
        var next = Task.Run(reading.Group);
        while (true)
        {
            var group = next.GetAwaiter().GetResult();
            if (group.Count == 0)
            {
                yield break;
            }

            next = Task.Run(reading.Group);
            yield return group;
        }
    }

    private sealed class Queue(IReadOnlyList<string> files, int most, Action<TimeSpan>? decoded)
    {
        // What was read with others and did not fit into their group.
        private readonly Queue<ReadImage> left = new();
        private int read;

        public List<ReadImage> Group()
        {
            var group = new List<ReadImage>();
            for (var pixels = 0L; group.Count < most && pixels < MostPixels && More(); )
            {
                var next = left.Dequeue();
                group.Add(next);
                pixels += (long)(next.Image?.Width ?? 0) * (next.Image?.Height ?? 0);
            }

            return group;
        }

        private bool More()
        {
            if (left.Count == 0)
            {
                var count = Math.Min(threads, files.Count - read);
                var images = new ReadImage[count];
                Parallel.For(0, count, i => images[i] = Load(files[read + i]));
                read += count;
                foreach (var image in images)
                {
                    left.Enqueue(image);
                }
            }

            return left.Count > 0;
        }

        private ReadImage Load(string file)
        {
            var start = Stopwatch.GetTimestamp();
            try
            {
                return new(file, ImageFile.Load(file), null);
            }
            catch (InputError error)
            {
                return new(file, null, error);
            }
            finally
            {
                decoded?.Invoke(Stopwatch.GetElapsedTime(start));
            }
        }
    }
}
