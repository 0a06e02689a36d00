/// No command writes over a file that it reads, or that this program did not make.
module DeqDet.Tests.OutputsTests

open System
open System.IO
open Expecto
open DeqDet
open DeqDet.CommandLine
open DeqDet.Tests.RunProgram
open DeqDet.Tests.SolvingTests

let private copy (folder: string) (name: string) (source: string) : string =
    Directory.CreateDirectory folder |> ignore
    let path = Path.Combine(folder, name)
    File.Copy(source, path, true)
    path

/// Every file below a folder with its bytes.
let private contents (folder: string) =
    Map
        [
            for file in Directory.GetFiles(folder, "*", SearchOption.AllDirectories) ->
                Path.GetRelativePath(folder, file), File.ReadAllBytes file
        ]

let private unchanged (before: Map<string, byte[]>) (folder: string) =
    let after = contents folder

    for entry in before do
        Expect.equal (Map.tryFind entry.Key after) (Some entry.Value) $"{entry.Key} is as it was"

let private case name =
    Path.Combine(GoldenFolder.path "cocoeval", "synth-base", name)

/// A user's files of many kinds, none of which any command made.
let private users =
    [
        "notes.json", "{\"mine\": true}"
        "list.json", "[1, 2]"
        "page.html", "<html>mine</html>"
        "text.pth", "mine"
    ]

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Outputs"
        [
            testCase "detect into the folder of its photographs leaves them alone, and can be repeated"
            <| fun () ->
                withModel [] (fun work images ->
                    let photos = Path.Combine(work, "photos")

                    for name in [ "a.png"; "b.png" ] do
                        copy photos name (Path.Combine(images, "000001.png")) |> ignore

                    let before = contents photos

                    for round in 1..2 do
                        let code, said = run [ "detect"; work; photos; "--out"; photos; "--device"; "cpu" ]
                        Expect.equal code 0 said
                        unchanged before photos

                        // the second time the pictures of the first are inputs, too
                        Expect.equal
                            (Directory.GetFiles(photos, "*.png").Length)
                            (if round = 1 then 4 else 8)
                            "a picture for each image")

            testCase "detect writes its own earlier pictures again, and no others"
            <| fun () ->
                withModel [] (fun work images ->
                    let out = Path.Combine(work, "out")
                    let mine = copy out "000002.png" (Path.Combine(images, "000001.png"))
                    let before = contents out

                    for _ in 1..2 do
                        let code, said = run [ "detect"; work; images; "--out"; out ]
                        Expect.equal code 0 said

                    unchanged before out

                    Expect.equal
                        [
                            for file in Directory.GetFiles(out, "*.png") |> Array.sort -> Path.GetFileName file
                        ]
                        [ "000001.png"; "000002-2.png"; "000002.png"; "000003.png" ]
                        $"beside {mine}")

            testCase "images of several sizes and a damaged one come out in the order of their names"
            <| fun () ->
                withModel [] (fun work images ->
                    let photos, out = Path.Combine(work, "photos"), Path.Combine(work, "out")

                    for name, source in [ "a.png", 1; "c.png", 2; "e.png", 3 ] do
                        copy photos name (Path.Combine(images, $"00000{source}.png")) |> ignore

                    File.WriteAllBytes(Path.Combine(photos, "b.jpg"), DataFiles.quarteredJpeg)
                    File.WriteAllBytes(Path.Combine(photos, "d.jpg"), DataFiles.quarteredJpeg[..200])
                    let code, said = run [ "detect"; work; photos; "--out"; out ]
                    Expect.equal code 2 said

                    let named (text: string) =
                        text.Contains photos && not (text.Contains "error:")

                    let lines =
                        said.Split '\n'
                        |> Array.filter named
                        |> Array.map (fun line -> line.Replace("skipped: ", "").Split(':').[0] |> Path.GetFileName)

                    Expect.equal lines [| "a.png"; "b.jpg"; "c.png"; "d.jpg"; "e.png" |] said

                    use results =
                        System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(out, "results.json")))

                    Expect.equal
                        [
                            for image in results.RootElement.GetProperty("images").EnumerateArray() ->
                                Path.GetFileName(image.GetProperty("file_name").GetString())
                        ]
                        [ "a.png"; "b.jpg"; "c.png"; "e.png" ]
                        "results")

            testCase "detect refuses a folder whose results.json is somebody else's"
            <| fun () ->
                withModel [] (fun work images ->
                    let out = Path.Combine(work, "out")
                    Directory.CreateDirectory out |> ignore
                    File.WriteAllText(Path.Combine(out, "results.json"), "{\"mine\": 1}")
                    let before = contents out
                    let code, said = run [ "detect"; work; images; "--out"; out ]
                    Expect.equal code 2 said
                    Expect.stringContains said "results.json" "names the file"
                    unchanged before out
                    Expect.equal (contents out).Count 1 "nothing else was written")

            testCase "evaluate, verify, data check, test and convert refuse what they did not write"
            <| fun () ->
                withModel [] (fun work images ->
                    let folder = Path.Combine(work, "user")
                    Directory.CreateDirectory folder |> ignore

                    for name, text in users do
                        File.WriteAllText(Path.Combine(folder, name), text)

                    let gt, dt =
                        copy folder "gt.json" (case "gt.json"), copy folder "dt.json" (case "dt.json")

                    let before = contents folder
                    let user name = Path.Combine(folder, name)
                    let data = Path.GetFullPath(Path.Combine(images, ".."))
                    let evaluate = [ "evaluate"; "--ground-truth"; gt; "--detections"; dt ]

                    for arguments in
                        [
                            for name in [ "notes.json"; "list.json"; "page.html"; "gt.json"; "dt.json" ] do
                                evaluate @ [ "--json"; user name ]
                                evaluate @ [ "--report"; user name ]
                                // a results list is what --out writes, whoever wrote this one
                                if name <> "dt.json" then
                                    [ "test"; work; "--out"; user name ]

                                [ "test"; work; "--report"; user name ]
                                [ "data"; "check"; data; "--json"; user name ]

                                [
                                    "verify"
                                    GoldenFolder.path "solver"
                                    "--only"
                                    "period2_affine"
                                    "--json"
                                    user name
                                ]

                            [ "convert"; work; user "text.pth" ]
                            evaluate @ [ "--json"; Path.Combine(folder, "missing", "a.json") ]
                            evaluate @ [ "--json"; folder ]
                        ] do
                        let code, said = run arguments
                        let line = String.concat " " arguments
                        Expect.equal code 2 $"{line}: {said}"
                        unchanged before folder
                        Expect.equal (contents folder).Count before.Count $"{line}: nothing was written")

            testCase "what a command wrote it may write again"
            <| fun () ->
                withModel [] (fun work images ->
                    let out name = Path.Combine(work, name)
                    let data = Path.GetFullPath(Path.Combine(images, ".."))

                    let evaluate =
                        [ "evaluate"; "--ground-truth"; case "gt.json"; "--detections"; case "dt.json" ]

                    for arguments in
                        [
                            evaluate @ [ "--json"; out "e.json"; "--report"; out "e.html" ]
                            [ "test"; work; "--out"; out "t.json"; "--report"; out "t.html" ]
                            [ "data"; "check"; data; "--json"; out "c.json" ]
                            [
                                "verify"
                                GoldenFolder.path "solver"
                                "--only"
                                "period2_affine"
                                "--json"
                                out "v.json"
                            ]
                            [ "convert"; work; out "w.pth" ]
                            [ "convert"; work; out "w.safetensors" ]
                        ] do
                        for _ in 1..2 do
                            let code, said = run arguments
                            Expect.equal code 0 said)

            testCase "convert does not write over its input, not even by another name"
            <| fun () ->
                withModel [] (fun work _ ->
                    let input = Path.Combine(work, "latest.safetensors")
                    let link = Path.Combine(work, "link.safetensors")
                    File.CreateSymbolicLink(link, input) |> ignore
                    let before = File.ReadAllBytes input

                    for out in [ input; Path.Combine(work, ".", "latest.safetensors"); link ] do
                        let code, said = run [ "convert"; input; out ]
                        Expect.equal code 2 said
                        Expect.equal (File.ReadAllBytes input) before "as it was")
        ]
