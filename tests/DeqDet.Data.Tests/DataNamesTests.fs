/// File names as other systems, tools and languages have them.
module DeqDet.Tests.DataNamesTests

open System
open System.IO
open System.Text.Json
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Data
open DeqDet.Data.Check
open DeqDet.Images
open DeqDet.Tests.DataFiles

let private png =
    PngWriter.Encode(ReadOnlySpan(Array.zeroCreate<byte>(64 * 48 * 3)), 64, 48)

let private write (folder: string) (names: string list) =
    for name in names do
        let path = Path.Combine(folder, name)
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
        File.WriteAllBytes(path, png)

/// An annotation file that names these images, each with a box of its own size.
let private annotations (file: string) (names: string list) =
    let text (name: string) = JsonSerializer.Serialize name

    let images =
        names
        |> List.mapi (fun i name -> $"""{{"id": {i}, "file_name": {text name}, "width": 64, "height": 48}}""")

    let boxes =
        names
        |> List.mapi (fun i _ -> $"""{{"id": {i}, "image_id": {i}, "category_id": 1, "bbox": [1, 2, {10 + i}, 20]}}""")

    let list (entries: string list) = String.concat ", " entries

    File.WriteAllText(
        file,
        $"""{{"images": [{list images}], "annotations": [{list boxes}], "categories": [{{"id": 1, "name": "人 \"x\" <b>"}}]}}"""
    )

let private inSet (files: string list) (named: string list) (action: string -> DataPart -> unit) =
    inFolder (fun folder ->
        let images = Path.Combine(folder, "images")
        Directory.CreateDirectory images |> ignore
        write images files
        let file = Path.Combine(folder, "result.json")
        annotations file named
        action images (DataPart(file, images)))

let private places (kind: IssueKind) (part: DataPart) =
    [
        for issue in DataCheck.Run([| part |], true).Issues do
            if issue.Kind = kind then
                yield! issue.Places
    ]

// Written out: an editor or a version control system may change the form of a letter in a source file.
let private composed, decomposed = "\u00E4.png", "a\u0308.png"

[<Tests>]
let tests =
    testList
        "file names"
        [
            test "paths as Windows writes them lead to the files" {
                let folder = FieldFiles.folder "06-backslash-file-names"

                for file, count in [ "result.json", 2; "result-plain.json", 1 ] do
                    let part = DataPart(Path.Combine(folder, file), Path.Combine(folder, "images"))
                    let data = MissingImages.Refuse(part.Load())
                    Expect.hasLength data.Images count "images"

                    for image in data.Images do
                        ImageFile.Load(data.PathOf image) |> ignore

                    Expect.isEmpty (places IssueKind.MissingImage part) $"{file}: data check"

                let part =
                    DataPart(Path.Combine(folder, "result-media.json"), Path.Combine(folder, "images"))

                let message = inputError (fun () -> part.Load() |> ignore)
                Expect.stringContains message "leaves" "a way out of the folder"
                Expect.stringContains message "Windows" "as Windows writes it"
                Expect.exists (places IssueKind.BadName part) (fun place -> place.Contains "Windows") "data check"
            }

            test "names that begin with the image folder, and files whose names hold a backslash" {
                inSet
                    [ "a.png"; "sub/b.png"; "c\\d.png"; "images/e.png"; "sub/c/d.png" ]
                    [
                        "images/a.png"
                        "images\\sub\\b.png"
                        "c\\d.png"
                        "images/e.png"
                        "sub\\c/d.png"
                    ]
                    (fun images part ->
                        let data = MissingImages.Refuse(part.Load())

                        Expect.equal
                            [ for image in data.Images -> Path.GetRelativePath(images, data.PathOf image) ]
                            [ "a.png"; "sub/b.png"; "c\\d.png"; "images/e.png"; "sub/c/d.png" ]
                            "as written first"

                        Expect.isEmpty (places IssueKind.UnnamedFile part) "all of them are named")
            }

            test "no name leads out of the folder" {
                inFolder (fun folder ->
                    let images = Path.Combine(folder, "images")
                    write folder [ "secret.png"; "images/a.png" ]

                    for name in
                        [
                            "..\\secret.png"
                            "images\\..\\..\\secret.png"
                            "../secret.png"
                            "C:\\secret.png"
                            "c:secret.png"
                            "\\\\server\\share\\secret.png"
                            "\\secret.png"
                            Path.Combine(folder, "secret.png")
                        ] do
                        let file = Path.Combine(folder, "all.json")
                        annotations file [ name ]
                        let message = inputError (fun () -> DataPart(file, images).Load() |> ignore)
                        Expect.stringContains message "images[0]" name

                        if name.Contains '\\' || name.Contains ':' then
                            Expect.stringContains message "Windows" $"{name}: whose path it is")
            }

            testProperty "the path found is inside the folder, and the file itself where it is there as written"
            <| Prop.forAll
                (Arb.fromGen (
                    Gen.nonEmptyListOf (Gen.elements [ "a"; "b.png"; "images"; "ä"; "x y" ])
                    |> Gen.map (List.truncate 4)
                ))
                (fun parts ->
                    for separator in [ "/"; "\\" ] do
                        let name = String.concat separator parts
                        let path = Path.GetFullPath(ImageNames.PathOf("/nowhere/data/images", name))
                        Expect.stringStarts path "/nowhere/data/images/" name)

            test "what two names differ by" {
                for missing, present, by in
                    [
                        "a.png", "a.PNG", Some "upper and lower case"
                        "Sub/A.png", "sub/a.png", Some "upper and lower case"
                        composed, decomposed, Some "the Unicode form"
                        decomposed, composed, Some "the Unicode form"
                        "\u00C4.png", decomposed, Some "upper and lower case, and by the Unicode form"
                        "\u1EBF", "e\u0302\u0301", Some "the Unicode form"
                        "\u0439.png", "\u0438\u0306.png", Some "the Unicode form"
                        "\u304C", "\u304B\u3099", Some "the Unicode form"
                        "\uD55C", "\u1112\u1161\u11AB", Some "the Unicode form"
                        "\uAC00", "\u1100\u1161", Some "the Unicode form"
                        "\u0390", "\u03B9\u0308\u0301", Some "the Unicode form"
                        composed, "o\u0308.png", None
                        "mit%20Leerzeichen.png", "mit Leerzeichen.png", Some "percent signs"
                        "a.jpg", "a.jpeg", Some "its ending"
                        "a.png", "sub/a.png", Some "its folder"
                        "a\\b.png", "a/b.png", None
                        "a.png", "b.png", None
                        "100%25.png", "100%25.png", None
                    ] do
                    let found = ImageNames.Difference(missing, present) |> Option.ofObj

                    match by with
                    | None -> Expect.equal found None $"{missing} and {present}"
                    | Some words -> Expect.stringContains (defaultArg found "") words $"{missing} and {present}"
            }

            test "a missing file whose name nearly is there says so, on both sides" {
                inSet
                    [ "Photo.PNG"; decomposed; "good.png" ]
                    [ "photo.png"; composed; "good.png"; "really-gone.png"; "sub\\gone.png" ]
                    (fun _ part ->
                        let missing = places IssueKind.MissingImage part
                        Expect.hasLength missing 4 "missing"

                        Expect.stringContains
                            missing[0]
                            "there is Photo.PNG, which differs by upper and lower case"
                            "case"

                        Expect.stringContains missing[1] "differs by the Unicode form" "form"
                        Expect.equal missing[2] "really-gone.png" "nothing to say"
                        Expect.stringContains missing[3] "Windows" "a path of another system"
                        let unnamed = places IssueKind.UnnamedFile part
                        Expect.hasLength unnamed 2 "unnamed"

                        for text in unnamed do
                            Expect.stringContains text "differs by" text

                        let message = inputError (fun () -> MissingImages.Refuse(part.Load()) |> ignore)
                        Expect.stringContains message "4 of 5 images are missing" "training"
                        Expect.stringContains message "upper and lower case" "training says why")
            }

            test "a missing picture is missing, and not the same as another" {
                inFolder (fun folder ->
                    write folder [ "train/a.png" ]

                    let parts =
                        [ for name in [ "train"; "val" ] -> Path.Combine(folder, name + ".json") ]

                    annotations parts[0] [ "a.png"; "gone.png"; "also-gone.png" ]
                    annotations parts[1] [ "gone.png"; "also-gone.png" ]
                    let images = Path.Combine(folder, "train")
                    let report = DataCheck.Run([| for file in parts -> DataPart(file, images) |], false)

                    let found kind =
                        [
                            for issue in report.Issues do
                                if issue.Kind = kind then
                                    yield! issue.Places
                        ]

                    Expect.hasLength (found IssueKind.MissingImage) 4 "missing in both parts"
                    Expect.isEmpty (found IssueKind.SharedFile) "no file is in two parts"
                    Expect.isEmpty (found IssueKind.DoubledFile) "none is there twice"
                    annotations parts[1] [ "a.png" ]
                    let report = DataCheck.Run([| for file in parts -> DataPart(file, images) |], false)
                    Expect.exists report.Issues (fun issue -> issue.Kind = IssueKind.SharedFile) "one that is there is")
            }

            test "spaces, signs and letters of all scripts are read as they are" {
                let folder = FieldFiles.folder "20-file-and-class-names"

                let part =
                    DataPart(Path.Combine(folder, "train.json"), Path.Combine(folder, "Bilder für Test"))

                let data = MissingImages.Refuse(part.Load())

                Expect.equal
                    [ for category in data.Categories -> category.Name ]
                    [ "traffic light, red"; "Straßenschild"; "人"; "\"quoted\" <b>&amp;" ]
                    "classes"

                for image in data.Images do
                    ImageFile.Load(data.PathOf image, stated image.Width image.Height) |> ignore

                let report = DataCheck.Run([| part |], true)
                Expect.equal report.Parts[0].Images 5 "images"
                Expect.isFalse report.Spoiled "nothing is wrong"
                Expect.isEmpty (places IssueKind.UnnamedFile part) "all are named"
                let alone = Seq.exactlyOne (DataFolder.Parts folder)
                Expect.equal alone.ImageFolder part.ImageFolder "the only folder with images"
                // The command that is suggested names the files in quotes.
                inFolder (fun copy ->
                    let folder = Path.Combine(copy, "two files")
                    FieldFiles.copy (FieldFiles.folder "20-file-and-class-names") folder
                    File.Copy(Path.Combine(folder, "train.json"), Path.Combine(folder, "other.json"))
                    let message = inputError (fun () -> DataFolder.Parts folder |> ignore)
                    let images = Path.Combine(folder, "Bilder für Test")
                    Expect.stringContains message $"--images '{images}'" "can be pasted")
            }

            test "links in the image folder are followed, and lead to no file twice" {
                inSet [ "a.png"; "sub/b.png" ] [ "a.png"; "sub/b.png" ] (fun images part ->
                    Directory.CreateSymbolicLink(Path.Combine(images, "loop"), images) |> ignore
                    File.CreateSymbolicLink(Path.Combine(images, "again.png"), "a.png") |> ignore
                    Expect.isEmpty (places IssueKind.UnnamedFile part) "both are named"
                    annotations part.AnnotationFile [ "loop/sub/b.png"; "again.png" ]
                    Expect.isEmpty (places IssueKind.UnnamedFile part) "through links as well"
                    Expect.isEmpty (places IssueKind.MissingImage part) "all are there")
            }
        ]
