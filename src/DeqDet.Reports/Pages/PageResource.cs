using System.Reflection;

namespace DeqDet.Reports.Pages;

/// <summary>The parts of pages, which lie in Resources/ and are embedded in the program.</summary>
internal static class PageResource
{
    /// <summary>The text of a file by its name.</summary>
    public static string Text(string name)
    {
        using var stream =
            Assembly.GetExecutingAssembly().GetManifestResourceStream($"pages/{name}")
            ?? throw new InvalidOperationException($"{name} is not embedded in the program");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
