using DeqDet.Detection;

namespace DeqDet.Host.Commands.Exporting;

/// <summary>Where the files of ONNX Runtime Web come from: a package that was named, this program's cache, or npm.</summary>
/// <param name="Cache">Folder of this program's cache; it need not be there, and need not be writable.</param>
/// <param name="Fetch">Brings the package's archive into a folder; its path. Raises InputError where it cannot be had.</param>
public sealed record RuntimeSource(string Cache, Func<string, CancellationToken, string> Fetch)
{
    /// <summary>This machine's.</summary>
    public static RuntimeSource OfMachine(CancellationToken cancellation) =>
        new(
            PackageSourceModule.ofMachine(cancellation).Cache,
            (folder, token) => NpmProgram.Pack(NpmProgram.Name, WebRuntime.Package, WebRuntime.Version, folder, token)
        );

    private string Kept => Path.Combine(Cache, $"{WebRuntime.Package}-{WebRuntime.Version}");

    /// <summary>The files by their names.</summary>
    /// <param name="package">A package, as an archive or a folder; null: that of the cache, or one that is fetched.</param>
    /// <param name="output">Where it says that something is fetched.</param>
    /// <param name="cancellation">Ends the fetching.</param>
    /// <exception cref="InputError">The package is damaged or another one, or none can be had.</exception>
    public IReadOnlyDictionary<string, byte[]> Files(string? package, TextWriter output, CancellationToken cancellation)
    {
        if (package is not null)
        {
            return RuntimePackage.Read(package);
        }

        if (OfCache() is { } kept)
        {
            return kept;
        }

        output.WriteLine(
            $"fetching {WebRuntime.Package} {WebRuntime.Version} by npm, {WebRuntime.Megabytes} MB (MIT); it is kept in {Cache}"
        );
        output.Flush();
        var files = Fetched(cancellation);
        Keep(files);
        return files;
    }

    private Dictionary<string, byte[]>? OfCache()
    {
        var found = new Dictionary<string, byte[]>();
        try
        {
            foreach (var file in WebRuntime.Files)
            {
                var path = Path.Combine(Kept, file.Name);
                if (new FileInfo(path) is not { Exists: true } info || info.Length != file.Bytes)
                {
                    return null;
                }

                found[file.Name] = File.ReadAllBytes(path);
                if (!RuntimePackage.IsThatOf(file, found[file.Name]))
                {
                    return null;
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // what cannot be read is fetched again
            return null;
        }

        return found;
    }

    private IReadOnlyDictionary<string, byte[]> Fetched(CancellationToken cancellation)
    {
        var folder = Directory.CreateTempSubdirectory("deqdet-npm-").FullName;
        try
        {
            return RuntimePackage.Read(Fetch(folder, cancellation));
        }
        catch (InputError error)
        {
            throw new InputError(
                $"the page needs {WebRuntime.Package} {WebRuntime.Version}, and it could not be fetched: {error.Message}\n"
                    + $"Install Node.js, or run `npm pack {WebRuntime.Package}@{WebRuntime.Version}` on a machine with a network and name the file that it leaves: "
                    + $"--runtime {WebRuntime.Package}-{WebRuntime.Version}.tgz (a folder that holds the package will do as well). "
                    + "For the model alone, name an ONNX file in place of the folder",
                error
            );
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Each file whole; a cache that cannot be written is none.
    private void Keep(IReadOnlyDictionary<string, byte[]> files)
    {
        try
        {
            Directory.CreateDirectory(Kept);
            foreach (var (name, bytes) in files)
            {
                AtomicFile.Write(Path.Combine(Kept, name), stream => stream.Write(bytes));
            }
        }
        catch (Exception error) when (error is InputError or IOException or UnauthorizedAccessException)
        {
            // the page has them all the same
        }
    }
}
