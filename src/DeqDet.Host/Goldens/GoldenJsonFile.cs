using System.Text.Json;
using DeqDet.Settings;

namespace DeqDet.Host.Goldens;

/// <summary>Reads the JSON files among the goldens.</summary>
public static class GoldenJsonFile
{
    /// <summary>The whole file.</summary>
    /// <exception cref="InputError">It is missing, cannot be read, or is no JSON.</exception>
    public static JsonElement Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return document.RootElement.Clone();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"{path}: cannot be read: {error.Message}", error);
        }
        catch (JsonException error)
        {
            throw new InputError($"{path}: is no JSON: {error.Message}", error);
        }
    }

    /// <summary>Runs what reads members of a JSON file.</summary>
    /// <exception cref="InputError">A member is missing or of another kind than expected.</exception>
    public static T Understand<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error)
            when (error
                    is KeyNotFoundException
                        or InvalidOperationException
                        or FormatException
                        or IndexOutOfRangeException
            )
        {
            throw new InputError(
                $"{path}: something expected in it is missing or of another kind: {error.Message}",
                error
            );
        }
    }
}
