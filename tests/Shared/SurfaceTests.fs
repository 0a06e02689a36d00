/// The public surface of the library that a test project is for: what users of its package can call, listed in surface.txt beside the tests.
module DeqDet.Tests.SurfaceTests

open System
open System.IO
open System.Reflection
open Expecto
open PublicApiGenerator

/// DeqDet.Coco.Tests -> DeqDet.Coco.
let private library =
    (Assembly.GetEntryAssembly().GetName().Name).Replace(".Tests", "")

let private listed =
    Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", "..", "tests", $"{library}.Tests", "surface.txt"))

/// Marks of the compilers, which say nothing to a caller.
let private ignored =
    [|
        "Microsoft.FSharp.Core.AbstractClassAttribute"
        "Microsoft.FSharp.Core.AutoOpenAttribute"
        "Microsoft.FSharp.Core.CompilationArgumentCountsAttribute"
        "Microsoft.FSharp.Core.CompilationMappingAttribute"
        "Microsoft.FSharp.Core.CompilationRepresentationAttribute"
        "Microsoft.FSharp.Core.CompilationSourceNameAttribute"
        "Microsoft.FSharp.Core.CustomEqualityAttribute"
        "Microsoft.FSharp.Core.DefaultAugmentationAttribute"
        "Microsoft.FSharp.Core.NoComparisonAttribute"
        "Microsoft.FSharp.Core.RequireQualifiedAccessAttribute"
        "Microsoft.FSharp.Core.SealedAttribute"
        "Microsoft.FSharp.Core.StructAttribute"
        "Microsoft.FSharp.Core.StructuralComparisonAttribute"
        "Microsoft.FSharp.Core.StructuralEqualityAttribute"
        "System.Diagnostics.CodeAnalysis.DynamicDependencyAttribute"
        "System.Diagnostics.DebuggerBrowsableAttribute"
        "System.Diagnostics.DebuggerDisplayAttribute"
        "System.Diagnostics.DebuggerTypeProxyAttribute"
        "System.Runtime.CompilerServices.CompilerGeneratedAttribute"
        "System.SerializableAttribute"
    |]

[<Tests>]
let tests =
    testList
        "Surface"
        [
            testCase "the public surface is the one that surface.txt lists"
            <| fun () ->
                let surface =
                    Assembly
                        .Load(library)
                        .GeneratePublicApi(
                            ApiGeneratorOptions(ExcludeAttributes = ignored, IncludeAssemblyAttributes = false)
                        )
                        .Replace("\r\n", "\n")
                    + "\n"

                if Environment.GetEnvironmentVariable "DEQDET_WRITE_DOCS" = "1" then
                    File.WriteAllText(listed, surface)

                let known = if File.Exists listed then File.ReadAllText listed else ""

                let lines (text: string) =
                    text.Split '\n' |> Seq.countBy id |> Map

                let missing (from: string) (other: string) =
                    let other = lines other

                    [
                        for KeyValue(line, count) in lines from do
                            if count > Option.defaultValue 0 (Map.tryFind line other) then
                                line.Trim()
                    ]

                if surface <> known then
                    let text (lines: string list) = String.Join("\n  ", lines)

                    failtest
                        $"the public surface of {library} has changed. If that is meant, DEQDET_WRITE_DOCS=1 dotnet run --project tests/{library}.Tests -- --filter-test-list Surface writes surface.txt anew, and CHANGELOG.md says so.\nnew:\n  {text (missing surface known)}\ngone:\n  {text (missing known surface)}"
        ]
