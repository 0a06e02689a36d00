/// Packages of ONNX Runtime Web that are none: other versions, damaged, incomplete; and none to be had.
module DeqDet.Tests.RuntimePackageTests

open System
open System.Formats.Tar
open System.IO
open System.IO.Compression
open System.Text
open System.Threading
open Expecto
open DeqDet
open DeqDet.Host.Commands.Exporting

let private withFolder (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory("deqdet-runtime-").FullName

    try
        test folder
    finally
        Directory.Delete(folder, true)

let private manifest (name: string) (version: string) =
    Encoding.UTF8.GetBytes $"""{{"name":"{name}","version":"{version}"}}"""

/// Files of the right names and sizes, of zeros.
let private hollow =
    [
        for file in WebRuntime.Files -> $"{WebRuntime.Folder}/{file.Name}", Array.zeroCreate<byte> file.Bytes
    ]

let private archive (path: string) (entries: (string * byte[]) list) =
    use stream = File.Create path
    use packed = new GZipStream(stream, CompressionLevel.Fastest)
    use writer = new TarWriter(packed)

    for name, bytes in entries do
        writer.WriteEntry(
            UstarTarEntry(TarEntryType.RegularFile, "package/" + name, DataStream = new MemoryStream(bytes))
        )

let private folder (path: string) (entries: (string * byte[]) list) =
    for name, bytes in entries do
        let file = Path.Combine(path, name)
        Directory.CreateDirectory(Path.GetDirectoryName file) |> ignore
        File.WriteAllBytes(file, bytes)

let private refused (words: string list) (act: unit -> unit) =
    let error =
        try
            act ()
            failtest "taken"
        with :? InputError as error ->
            error.Message

    for word in words do
        Expect.stringContains error word "the message"

let private source (cache: string) (fetch: string -> string) =
    RuntimeSource(cache, Func<string, CancellationToken, string>(fun folder _ -> fetch folder))

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Packages of the web runtime"
        [
            testCase "what is not the very package is refused, and the message says what is wrong"
            <| fun () ->
                withFolder (fun root ->
                    let path name = Path.Combine(root, name)

                    let read name () =
                        RuntimePackage.Read(path name) |> ignore

                    refused [ "none.tgz"; "there is no such file or folder" ] (read "none.tgz")
                    File.WriteAllText(path "text.tgz", "no archive")
                    refused [ "is no whole .tgz archive"; "npm pack onnxruntime-web@1.30.0" ] (read "text.tgz")

                    let ours = "package.json", manifest "onnxruntime-web" "1.30.0"
                    let older = "package.json", manifest "onnxruntime-web" "1.20.1"
                    archive (path "older.tgz") [ older ]
                    refused [ "is onnxruntime-web 1.20.1"; "npm pack" ] (read "older.tgz")
                    archive (path "other.tgz") [ "package.json", manifest "left-pad" "1.30.0" ]
                    refused [ "is left-pad 1.30.0" ] (read "other.tgz")
                    archive (path "part.tgz") (ours :: hollow[1..])
                    refused [ "dist/ort.wasm.min.mjs is missing" ] (read "part.tgz")
                    archive (path "hollow.tgz") (ours :: hollow)
                    refused [ "SHA-256 differs" ] (read "hollow.tgz")

                    let whole = File.ReadAllBytes(path "hollow.tgz")

                    for length in [ 1; 15; whole.Length / 2; whole.Length - 600 ] do
                        File.WriteAllBytes(path "cut.tgz", whole[.. length - 1])
                        refused [ "cut.tgz" ] (read "cut.tgz")

                    let random = Random 1

                    for _ in 1..10 do
                        let changed = Array.copy whole
                        changed[random.Next changed.Length] <- byte (random.Next 256)
                        File.WriteAllBytes(path "changed.tgz", changed)
                        refused [ "changed.tgz" ] (read "changed.tgz")

                    Directory.CreateDirectory(path "empty") |> ignore
                    refused [ "is not the package" ] (read "empty")
                    folder (path "installed/node_modules/onnxruntime-web") [ older ]
                    refused [ "is not the package" ] (read "installed")
                    folder (path "installed/node_modules/onnxruntime-web") hollow
                    refused [ "is onnxruntime-web 1.20.1" ] (read "installed")
                    folder (path "unpacked/package") (("package.json", [| 0uy |]) :: hollow)
                    refused [ "SHA-256 differs" ] (read "unpacked"))

            testCase "where none can be fetched the remedy is told, and nothing is kept"
            <| fun () ->
                withFolder (fun root ->
                    let ask fetch () =
                        (source root fetch).Files(null, TextWriter.Null, CancellationToken.None)
                        |> ignore

                    refused
                        [ "there is no npm"; "Install Node.js"; "--runtime onnxruntime-web-1.30.0.tgz" ]
                        (ask (fun _ -> raise (InputError "there is no npm")))

                    refused
                        [ "could not be fetched"; "SHA-256 differs" ]
                        (ask (fun folder ->
                            let file = Path.Combine(folder, "a.tgz")
                            archive file (("package.json", manifest "onnxruntime-web" "1.30.0") :: hollow)
                            file))

                    Expect.isEmpty (Directory.GetFileSystemEntries root) "nothing is kept")

            testCase "a damaged file in the cache is not used"
            <| fun () ->
                withFolder (fun root ->
                    folder
                        (Path.Combine(root, "onnxruntime-web-1.30.0"))
                        [ for name, bytes in hollow -> Path.GetFileName name, bytes ]

                    refused [ "asked" ] (fun () ->
                        (source root (fun _ -> raise (InputError "asked")))
                            .Files(null, TextWriter.Null, CancellationToken.None)
                        |> ignore))

            testCase "what npm says is told; one that does not end is ended"
            <| fun () ->
                withFolder (fun root ->
                    let npm name (script: string) =
                        let file = Path.Combine(root, name)
                        File.WriteAllText(file, "#!/bin/sh\n" + script)

                        if not (OperatingSystem.IsWindows()) then
                            File.SetUnixFileMode(file, UnixFileMode.UserRead ||| UnixFileMode.UserExecute)

                        file

                    let pack program cancellation =
                        let folder = Directory.CreateTempSubdirectory("deqdet-npm-").FullName

                        try
                            NpmProgram.Pack(program, "a", "1.0", folder, cancellation)
                        finally
                            Directory.Delete(folder, true)

                    let ask program () =
                        pack program CancellationToken.None |> ignore

                    refused [ "there is no `npm`" ] (ask (Path.Combine(root, "none")))

                    if not (OperatingSystem.IsWindows()) then
                        refused
                            [ "`npm pack a@1.0` says"; "no route" ]
                            (ask (npm "fails" "echo no route >&2; exit 1\n"))

                        refused [ "`npm pack a@1.0` says" ] (ask (npm "lies" "exit 0\n"))

                        let file = pack (npm "packs" "touch \"$4/a-1.0.tgz\"\n") CancellationToken.None
                        Expect.equal (Path.GetFileName file) "a-1.0.tgz" "the file"

                        use soon = new CancellationTokenSource(200)

                        Expect.throwsT<OperationCanceledException>
                            (fun () -> pack (npm "hangs" "sleep 60\n") soon.Token |> ignore)
                            "ended")
        ]
