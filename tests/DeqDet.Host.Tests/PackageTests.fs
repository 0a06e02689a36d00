/// What `dotnet pack` makes: a look into the packages. Those of the folder that DEQDET_PACKAGES names, with all of them there; else two are packed here.
module DeqDet.Tests.PackageTests

open System
open System.Collections.Immutable
open System.Diagnostics
open System.IO
open System.IO.Compression
open System.Reflection.Metadata
open System.Reflection.PortableExecutable
open System.Text
open System.Text.RegularExpressions
open System.Xml.Linq
open Expecto

let private root = Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", ".."))

/// A package in memory: its files by their paths, and its nuspec.
type private Package =
    {
        Files: Map<string, byte[]>
        Nuspec: XElement
    }

    /// The first element of a name, in whatever version of the nuspec's namespace.
    member package.Find(name: string) : XElement option =
        package.Nuspec.Descendants()
        |> Seq.tryFind (fun element -> element.Name.LocalName = name)

    member package.Text(name: string) : string =
        match package.Find name with
        | Some element -> element.Value
        | None -> ""

    /// Names of the packages that it depends on, with their versions as the nuspec has them.
    member package.Dependencies: Map<string, string> =
        let attribute (name: string) (element: XElement) = element.Attribute(XName.Get name).Value

        Map
            [
                for element in package.Nuspec.Descendants() do
                    if element.Name.LocalName = "dependency" then
                        attribute "id" element, attribute "version" element
            ]

let private read (path: string) : Package =
    use archive = ZipFile.OpenRead path

    let files =
        Map
            [
                for entry in archive.Entries ->
                    use stream = entry.Open()
                    use bytes = new MemoryStream()
                    stream.CopyTo bytes
                    entry.FullName, bytes.ToArray()
            ]

    let nuspec =
        files
        |> Map.pick (fun name bytes ->
            if name.EndsWith(".nuspec", StringComparison.Ordinal) then
                Some bytes
            else
                None)

    use stream = new MemoryStream(nuspec)

    {
        Files = files
        Nuspec = XDocument.Load(stream).Root
    }

/// The libraries that are packed, as build/Packing.props lists them, without the program.
let private libraries =
    [
        for found in
            Regex.Matches(File.ReadAllText(Path.Combine(root, "build", "Packing.props")), @"(DeqDet\.\w+)(?=;)") do
            if found.Value <> "DeqDet.Host" then
                found.Value
    ]

let private version =
    Regex
        .Match(File.ReadAllText(Path.Combine(root, "build", "Packing.props")), "<Version>(.*)</Version>")
        .Groups[1].Value

/// Packs a library that is built, as this program is.
let private pack (library: string) (folder: string) =
    let configuration =
        if AppContext.BaseDirectory.Contains "/Release/" then
            "Release"
        else
            "Debug"

    let start =
        ProcessStartInfo("dotnet", RedirectStandardOutput = true, RedirectStandardError = true)

    for argument in
        [
            "pack"
            Path.Combine(root, "src", library)
            "--no-build"
            "-c"
            configuration
            "-o"
            folder
        ] do
        start.ArgumentList.Add argument

    use run = Process.Start start
    let error = run.StandardError.ReadToEndAsync()
    let output = run.StandardOutput.ReadToEnd()
    run.WaitForExit()
    Expect.equal run.ExitCode 0 $"dotnet pack {library}: {output}{error.Result}"

/// The packages that are looked at, by name.
let private packages =
    lazy
        (let from (folder: string) (names: string list) =
            Map
                [
                    for name in names -> name, read (Path.Combine(folder, $"{name}.{version}.nupkg"))
                ]

         match Environment.GetEnvironmentVariable "DEQDET_PACKAGES" with
         | null
         | "" ->
             let folder = Directory.CreateTempSubdirectory "deqdet-packages-"

             try
                 let names = [ "DeqDet.Coco"; "DeqDet.Solver" ]

                 for name in names do
                     pack name folder.FullName

                 from folder.FullName names
             finally
                 folder.Delete true
         | folder -> from folder libraries)

/// Exact versions of packages, from paket.lock.
let private locked =
    lazy
        (Map
            [
                for line in
                    Regex.Matches(
                        File.ReadAllText(Path.Combine(root, "paket.lock")),
                        @"^    (\S+) \((\S+)\)",
                        RegexOptions.Multiline
                    ) -> line.Groups[1].Value, line.Groups[2].Value
            ])

/// What a library's project and paket.references say it depends on.
let private wanted (library: string) : Map<string, string> =
    let folder = Path.Combine(root, "src", library)
    let project = XDocument.Load(Directory.GetFiles(folder, "*.*proj")[0])

    Map
        [
            for reference in project.Descendants(XName.Get "ProjectReference") do
                let path = reference.Attribute(XName.Get "Include").Value
                yield Path.GetFileNameWithoutExtension(path.Replace('\\', '/')), version

            for line in File.ReadAllLines(Path.Combine(folder, "paket.references")) do
                match line.Trim() with
                | "" -> ()
                // bound to libtorch's binary interface
                | "TorchSharp" as name -> yield name, $"[{locked.Value[name]}]"
                | name -> yield name, locked.Value[name]
        ]

/// The symbols that an assembly holds: path and whether the source is there, of each source file.
let private sources (assembly: byte[]) : (string * bool) list =
    use reader = new PEReader(ImmutableArray.Create<byte> assembly)

    match
        reader.ReadDebugDirectory()
        |> Seq.tryFind (fun entry -> entry.Type = DebugDirectoryEntryType.EmbeddedPortablePdb)
    with
    | None -> []
    | Some entry ->
        use provider = reader.ReadEmbeddedPortablePdbDebugDirectoryData entry
        let symbols = provider.GetMetadataReader()
        let embedded = Guid "0E8A571B-6926-466E-B4AD-8AB04611F5FE"

        [
            for handle in symbols.Documents ->
                let document = symbols.GetDocument handle

                symbols.GetString document.Name,
                symbols.GetCustomDebugInformation(DocumentHandle.op_Implicit handle: EntityHandle)
                |> Seq.exists (fun info -> symbols.GetGuid(symbols.GetCustomDebugInformation(info).Kind) = embedded)
        ]

let private contains (bytes: byte[]) (text: string) =
    bytes.AsSpan().IndexOf(ReadOnlySpan(Encoding.UTF8.GetBytes text)) >= 0
    || bytes.AsSpan().IndexOf(ReadOnlySpan(Encoding.Unicode.GetBytes text)) >= 0

/// A check of each package.
let private each (check: string -> Package -> unit) () =
    for KeyValue(name, package) in packages.Value do
        check name package

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Packages"
        [
            testCase "name, version, licence, description, readme, icon and changes are there"
            <| each (fun name package ->
                Expect.equal (package.Text "id") name "id"
                Expect.equal (package.Text "version") version $"{name}: version"
                Expect.equal (package.Text "license") "Apache-2.0" $"{name}: licence"
                Expect.isTrue ((package.Text "description").Length > 50) $"{name}: description"
                let file (path: string) = package.Files[path]
                Expect.isTrue (contains (file (package.Text "readme")) "DeqDet") $"{name}: readme"
                let icon = file (package.Text "icon")
                Expect.equal icon[..3] [| 0x89uy; byte 'P'; byte 'N'; byte 'G' |] $"{name}: icon"
                Expect.isTrue (contains (file "LICENSE") "Apache License") $"{name}: LICENSE"
                Expect.isTrue (contains (file "CHANGELOG.md") version) $"{name}: this version's changes")

            testCase
                "they depend on what their projects name, and on nothing else; TorchSharp alone in one exact version"
            <| each (fun name package -> Expect.equal package.Dependencies (wanted name) name)

            testCase "each has its assembly and the documentation of its members"
            <| each (fun name package ->
                let documentation =
                    XDocument.Parse(Encoding.UTF8.GetString package.Files[$"lib/net10.0/{name}.xml"])

                let members = documentation.Descendants(XName.Get "member") |> Seq.length
                Expect.isTrue (members > 5) $"{name}: {members} documented members"

                Expect.equal
                    [
                        for KeyValue(path, _) in package.Files do
                            if path.StartsWith("lib/", StringComparison.Ordinal) then
                                path
                    ]
                    [ $"lib/net10.0/{name}.dll"; $"lib/net10.0/{name}.xml" ]
                    name)

            testCase "symbols with sources lie in the assemblies, and no file names a folder of this machine"
            <| each (fun name package ->
                let sources = sources package.Files[$"lib/net10.0/{name}.dll"]
                Expect.isNonEmpty sources $"{name}: symbols"

                Expect.equal
                    [
                        for path, isEmbedded in sources do
                            if not (path.StartsWith("/_/", StringComparison.Ordinal) && isEmbedded) then
                                path
                    ]
                    []
                    $"{name}: sources"

                for KeyValue(path, bytes) in package.Files do
                    Expect.isFalse (contains bytes (root + "/")) $"{name}: {path} names {root}")

            testCase
                "where TorchSharp comes in, the mend of its native library travels along; where libvips does, its targets"
            <| each (fun name package ->
                let depends (dependency: string) =
                    (package.Dependencies.ContainsKey dependency)

                let inherits =
                    package.Dependencies
                    |> Map.exists (fun dependency _ ->
                        List.contains dependency libraries
                        && (wanted dependency).ContainsKey "TorchSharp")

                if depends "TorchSharp" && not inherits then
                    for file in
                        [
                            $"{name}.targets"
                            "Natives.targets"
                            "TorchSharpNative.targets"
                            "WeakVersionNeed.cs"
                        ] do
                        Expect.isTrue (package.Files.ContainsKey $"buildTransitive/{file}") $"{name}: {file}"

                if depends "NetVips" then
                    for file in [ $"{name}.targets"; "Natives.targets" ] do
                        Expect.isTrue (package.Files.ContainsKey $"buildTransitive/{file}") $"{name}: {file}")
        ]
