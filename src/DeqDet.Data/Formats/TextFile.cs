using System.Text;

namespace DeqDet.Data.Formats;

/// <summary>Reads small text files: as UTF-8, with or without a mark at the start, whatever ends their lines.</summary>
internal static class TextFile
{
    private static readonly UTF8Encoding strict = new(false, throwOnInvalidBytes: true);

    /// <summary>The bytes of a file without a mark at their start.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">Its greatest length, bytes.</param>
    /// <exception cref="InputError">It cannot be read, or is longer.</exception>
    public static byte[] Bytes(string path, long most)
    {
        try
        {
            var length = new FileInfo(path).Length;
            if (length > most)
            {
                throw new InputError(
                    $"{path}: {length:N0} bytes are more than the {most >> 20} MiB that such a file may have; is it what it is called?"
                );
            }

            var bytes = File.ReadAllBytes(path);
            return bytes.AsSpan().StartsWith<byte>([0xEF, 0xBB, 0xBF]) ? bytes[3..] : bytes;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"{path}: cannot be read: {error.Message}");
        }
    }

    /// <summary>The text of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">Its greatest length, bytes.</param>
    /// <exception cref="InputError">It cannot be read, is longer, or is no UTF-8.</exception>
    public static string Text(string path, long most) => Decode(Bytes(path, most), path);

    /// <summary>The lines of a file, without their ends.</summary>
    /// <inheritdoc cref="Text"/>
    public static string[] Lines(string path, long most) =>
        Text(path, most).Split('\n').Select(line => line.TrimEnd('\r')).ToArray();

    /// <summary>UTF-8 bytes as text; <paramref name="path"/> is what errors call it.</summary>
    /// <exception cref="InputError">They are none.</exception>
    public static string Decode(byte[] bytes, string path)
    {
        try
        {
            if (bytes.Length >= 2 && (bytes[0], bytes[1]) is (0xFF, 0xFE) or (0xFE, 0xFF))
            {
                throw new InputError($"{path}: is UTF-16 text; save it as UTF-8");
            }

            return strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new InputError($"{path}: is no UTF-8 text; save it as UTF-8");
        }
    }
}
