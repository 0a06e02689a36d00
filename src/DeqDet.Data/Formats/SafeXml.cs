using System.Xml;

namespace DeqDet.Data.Formats;

/// <summary>Reads XML that strangers wrote: without document types, and so without entities that expand or are fetched.</summary>
internal static class SafeXml
{
    /// <summary>Opens a file, reads it by <paramref name="read"/>, and closes it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">Its greatest length, bytes.</param>
    /// <param name="read">Reads it.</param>
    /// <exception cref="InputError">It cannot be read, is longer, or is no XML: names file, line and remedy.</exception>
    public static T Read<T>(string path, long most, Func<XmlReader, T> read)
    {
        try
        {
            using var file = File.OpenRead(path);
            if (file.Length > most)
            {
                throw new InputError(
                    $"{path}: {file.Length:N0} bytes are more than the {most >> 20} MiB that such a file may have; is it what it is called?"
                );
            }

            using var reader = XmlReader.Create(
                file,
                new()
                {
                    DtdProcessing = DtdProcessing.Prohibit,
                    XmlResolver = null,
                    MaxCharactersInDocument = most,
                    IgnoreComments = true,
                    IgnoreProcessingInstructions = true,
                    IgnoreWhitespace = true,
                }
            );
            return read(reader);
        }
        catch (XmlException error)
        {
            throw new InputError($"{path}: {Reason(error)}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"{path}: cannot be read: {error.Message}");
        }
    }

    private static string Reason(XmlException error)
    {
        var place = error.LineNumber > 0 ? $"line {error.LineNumber}: " : "";
        return error.Message.Contains("DTD", StringComparison.Ordinal)
                ? $"{place}declares a document type, which is not read; remove <!DOCTYPE ...>"
            : error.Message.Contains("encoding", StringComparison.OrdinalIgnoreCase)
                ? $"{place}is not in the encoding that it declares, or in one that cannot be read; save it as UTF-8"
            : $"{place}is no XML: {error.Message.Split('\n')[0].TrimEnd('.', '\r')}";
    }
}
