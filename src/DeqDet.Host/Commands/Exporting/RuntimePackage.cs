using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;

namespace DeqDet.Host.Commands.Exporting;

/// <summary>Reads the files of ONNX Runtime Web from a package: nothing but the very files of the known version comes out.</summary>
public static class RuntimePackage
{
    private const string Manifest = "package.json";

    // the real one has 80 entries of 150 MB
    private const int MostEntries = 10_000;
    private const long MostBytes = 1L << 30;
    private const int MostManifestBytes = 1 << 20;

    private static string Remedy =>
        $"fetch the package again where there is a network: npm pack {WebRuntime.Package}@{WebRuntime.Version}";

    /// <summary>The files of a package: an archive as npm packs it (.tgz), or a folder that it was unpacked or installed into.</summary>
    /// <exception cref="InputError">It is not there, damaged, or of another version.</exception>
    public static IReadOnlyDictionary<string, byte[]> Read(string path)
    {
        try
        {
            return Checked(path, Directory.Exists(path) ? OfFolder(path) : OfArchive(path));
        }
        catch (FileNotFoundException error)
        {
            throw new InputError($"{path}: there is no such file or folder", error);
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException)
        {
            throw new InputError($"{path}: is no whole .tgz archive ({error.Message}); {Remedy}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"{path}: cannot be read ({error.Message})", error);
        }
    }

    // The manifest and the files, as far as they are there, by their names without folders.
    private static Dictionary<string, byte[]> OfFolder(string path)
    {
        var found = new Dictionary<string, byte[]>();
        var root = new[] { path, Path.Combine(path, "package"), Path.Combine(path, "node_modules", WebRuntime.Package) }
            .Where(Directory.Exists)
            .FirstOrDefault(folder => Directory.Exists(Path.Combine(folder, WebRuntime.Folder)), path);
        Take(Path.Combine(root, Manifest), MostManifestBytes);
        foreach (var file in WebRuntime.Files)
        {
            Take(Path.Combine(root, WebRuntime.Folder, file.Name), file.Bytes);
        }

        return found;

        void Take(string file, int most)
        {
            if (File.Exists(file))
            {
                // of a longer one enough to see that it is
                using var stream = File.OpenRead(file);
                var bytes = new byte[Math.Min(stream.Length, most + 1)];
                stream.ReadExactly(bytes);
                found[Path.GetFileName(file)] = bytes;
            }
        }
    }

    private static Dictionary<string, byte[]> OfArchive(string path)
    {
        var wanted = WebRuntime.Files.ToDictionary(
            file => $"package/{WebRuntime.Folder}/{file.Name}",
            file => (long)file.Bytes
        );
        wanted.Add($"package/{Manifest}", MostManifestBytes);
        var found = new Dictionary<string, byte[]>();
        using var stream = File.OpenRead(path);
        using var unpacked = new GZipStream(stream, CompressionMode.Decompress);
        using var reader = new TarReader(unpacked);
        var (entries, total) = (0, 0L);
        while (found.Count < wanted.Count && reader.GetNextEntry() is { } entry)
        {
            total += entry.Length;
            if (++entries > MostEntries || total > MostBytes)
            {
                throw new InvalidDataException("it is larger than the package");
            }

            if (wanted.TryGetValue(entry.Name, out var most) && entry.DataStream is { } data && entry.Length <= most)
            {
                var bytes = new byte[entry.Length];
                data.ReadExactly(bytes);
                found[Path.GetFileName(entry.Name)] = bytes;
            }
        }

        return found;
    }

    private static Dictionary<string, byte[]> Checked(string path, Dictionary<string, byte[]> found)
    {
        if (found.Remove(Manifest, out var manifest) && NameAndVersion(manifest) is var (name, version))
        {
            if ((name, version) != (WebRuntime.Package, WebRuntime.Version))
            {
                throw new InputError(
                    $"{path}: is {name} {version}; pages are made for {WebRuntime.Package} {WebRuntime.Version}: {Remedy}"
                );
            }
        }

        foreach (var file in WebRuntime.Files)
        {
            if (!found.TryGetValue(file.Name, out var bytes))
            {
                throw new InputError(
                    $"{path}: is not the package {WebRuntime.Package} {WebRuntime.Version}: {WebRuntime.Folder}/{file.Name} is missing or has another size; {Remedy}"
                );
            }

            if (!IsThatOf(file, bytes))
            {
                throw new InputError(
                    $"{path}: {WebRuntime.Folder}/{file.Name} is not that of {WebRuntime.Package} {WebRuntime.Version} (its SHA-256 differs): damaged, or another version; {Remedy}"
                );
            }
        }

        return found;
    }

    /// <summary>Whether these are a file's bytes.</summary>
    public static bool IsThatOf(PinnedFile file, byte[] bytes) =>
        bytes.Length == file.Bytes && Convert.ToHexStringLower(SHA256.HashData(bytes)) == file.Sha256;

    private static (string Name, string Version)? NameAndVersion(byte[] manifest)
    {
        try
        {
            using var json = JsonDocument.Parse(manifest);
            var root = json.RootElement;
            return (root.GetProperty("name").GetString()!, root.GetProperty("version").GetString()!);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // the files themselves decide
            return null;
        }
    }
}
