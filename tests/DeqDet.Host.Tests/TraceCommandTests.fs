/// The command trace: what it measures on an untrained, tiny model, what it leaves, and what it refuses.
module DeqDet.Tests.TraceCommandTests

open System.IO
open System.Text.Json
open Expecto
open Spectre.Console
open DeqDet.CommandLine
open DeqDet.Host.Commands
open DeqDet.Tests.SettingsFiles

let private request checkpoint : TraceRequest =
    {
        Checkpoint = checkpoint
        Images = [||]
        Data = None
        Out = Path.Combine(checkpoint, "trace")
        Steps = 7
        ImageCount = 2
        Evaluated = 2
        Device = Cpu
        Tf32 = false
        Threads = None
    }

let private run (request: TraceRequest) =
    let console =
        AnsiConsole.Create(AnsiConsoleSettings(Out = AnsiConsoleOutput TextWriter.Null))

    use output = new StringWriter()
    TraceCommand.Run(request, console, output)

    let json =
        JsonDocument.Parse(File.ReadAllText(Path.Combine(request.Out, "trace.json"))).RootElement

    output.ToString(), json

let private count (element: JsonElement) (name: string) =
    element.GetProperty(name).GetArrayLength()

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Trace command"
        [
            testCase "the validation set: residuals, schemes, spectra, AP; page, figures and tables"
            <| fun () ->
                SolvingTests.withModel [] (fun work _ ->
                    let said, json = run (request work)
                    Expect.stringContains said "2 images, 7 applications" "what was done"
                    Expect.stringContains said "trace.html" "where the page is"
                    Expect.equal (json.GetProperty("training_depth").GetInt32()) 5 "four steps and one"
                    Expect.equal (count json "images", count json "schemes") (2, 3) "images and schemes"
                    let accuracy = json.GetProperty "accuracy"
                    Expect.equal (accuracy.GetProperty("images").GetInt32()) 2 "judged"

                    Expect.equal
                        [
                            for depth in accuracy.GetProperty("depths").EnumerateArray() ->
                                depth.GetProperty("applications").GetInt32()
                        ]
                        [ 1; 2; 3; 5; 7 ]
                        "depths"

                    // five tolerances, each with two limits
                    Expect.equal (count accuracy "tolerances") 10 "tolerances"

                    for point in accuracy.GetProperty("tolerances").EnumerateArray() do
                        let updates = point.GetProperty("updates").GetDouble()
                        let most = point.GetProperty("at_most").GetDouble()
                        Expect.isTrue (1.0 <= updates && updates <= most) $"{updates} of {most}"

                    let files =
                        [
                            for file in Directory.GetFiles(Path.Combine(work, "trace")) -> Path.GetFileName file
                        ]

                    for name in
                        [
                            "trace.html"
                            "trace.csv"
                            "residual.png"
                            "parts.png"
                            "queries.png"
                            "scores.png"
                            "solvers.png"
                            "spectrum.png"
                            "ap-depth.png"
                            "ap-updates.png"
                        ] do
                        Expect.contains files name "file"

                    let rows = File.ReadAllLines(Path.Combine(work, "trace", "trace.csv"))

                    let picard =
                        rows
                        |> Array.filter (fun row -> row.StartsWith "residual,picard,")
                        |> Array.length

                    Expect.equal picard (2 * 7 * 6) "images x applications x queries")

            testCase "named images need no data set"
            <| fun () ->
                SolvingTests.withModel [] (fun work images ->
                    let _, json =
                        run
                            { request work with
                                Images = [| Directory.GetFiles images |> Array.sort |> Array.head |]
                            }

                    Expect.equal (count json "images") 1 "images"
                    Expect.isFalse (fst (json.TryGetProperty "accuracy")) "no AP")

            testCase "the depth of training is always reached"
            <| fun () ->
                SolvingTests.withModel [] (fun work images ->
                    let _, json =
                        run
                            { request work with
                                Images = [| images |]
                                Steps = 1
                            }

                    Expect.equal (json.GetProperty("applications").GetInt32()) 5 "applications")

            testCase "wrong input is named with a remedy, and nothing is written"
            <| fun () ->
                SolvingTests.withModel [] (fun work _ ->
                    let refused change parts =
                        let asked = change (request work)
                        expectParts (complaint (fun () -> run asked)) parts
                        Expect.isFalse (Directory.Exists(Path.Combine(work, "trace"))) "nothing written"

                    let empty = Directory.CreateDirectory(Path.Combine(work, "empty")).FullName
                    refused (fun r -> { r with Checkpoint = empty }) [ "empty"; "no checkpoint" ]
                    refused (fun r -> { r with Images = [| empty |] }) [ "empty"; "no images" ]
                    refused (fun r -> { r with Images = [| "no-such.png" |] }) [ "no-such.png" ]
                    // in an empty folder the shapes would be made, in one that is in use they are not
                    let used = Directory.CreateDirectory(Path.Combine(work, "used")).FullName
                    let file = Path.Combine(used, "notes.txt")
                    File.WriteAllText(file, "")
                    refused (fun r -> { r with Data = Some used }) [ "used" ]
                    refused (fun r -> { r with Out = Path.Combine(file, "x") }) [ "--out"; "another folder" ])

            for kind, name in [ "adamixer", "AdaMixer"; "ffndet", "FFNDet" ] do
                testCase $"{name} has no equilibrium to trace"
                <| fun () ->
                    SolvingTests.withModel [ $"kind={kind}"; "head.stages=2" ] (fun work _ ->
                        expectParts (complaint (fun () -> run (request work))) [ name; "no equilibrium"; "DEQDet" ])
        ]
