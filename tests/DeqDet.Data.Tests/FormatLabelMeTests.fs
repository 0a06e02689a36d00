/// LabelMe: how shapes are read, and what is wrong with files.
module DeqDet.Tests.FormatLabelMeTests

open Expecto
open DeqDet.Tests.DataFiles
open DeqDet.Tests.FormatFiles

[<Tests>]
let labelMe =
    testList
        "LabelMe"
        [
            test "shapes become the boxes around them" {
                for kind, points, expected in
                    [
                        "rectangle", "[[24, 5.0], [16, 15]]", Some inPixels
                        "rectangle", "[[16, 5], [24, 5], [24, 15], [16, 15]]", Some inPixels
                        "polygon", "[[16, 5], [24, 10], [20, 15]]", Some inPixels
                        "circle", "[[20, 10], [23, 14]]", Some("b", 15.0, 5.0, 10.0, 10.0)
                        "line", "[[16, 5], [24, 15]]", None
                        "point", "[[16, 5]]", None
                    ] do
                    inFolder (fun root ->
                        fill root [ "a.png", 40, 20 ] [ "a.json", shape "b" kind points "..\\\\pictures\\\\a.png" ]
                        let part = first root
                        Expect.equal part.Source.Format "LabelMe" kind
                        Expect.equal (content (part.Read())) [ "a.png", (40, 20), Option.toList expected ] kind
                        Expect.equal (List.contains "not-used" (codes root)) expected.IsNone "said")
            }

            test "parts, folders of labels, and what is wrong" {
                inFolder (fun root ->
                    fill
                        root
                        [ "train/one/a.png", 40, 20; "train/two/b.png", 40, 20 ]
                        [ "train/one/a.json", square; "train/two/b.json", square ]

                    Expect.equal
                        (content ((first root).Read()))
                        [ "one/a.png", (40, 20), [ inPixels ]; "two/b.png", (40, 20), [ inPixels ] ]
                        "several folders are one part")

                for labels, images in [ "labels", "images"; "jsons", "photos" ] do
                    inFolder (fun root ->
                        fill
                            root
                            [ $"{images}/train/a.png", 40, 20; $"{images}/val/b.png", 40, 20 ]
                            [ $"{labels}/train/a.json", square; $"{labels}/val/b.json", square ]

                        let train, validation = parts root
                        Expect.equal (content (train.Read())) [ "a.png", (40, 20), [ inPixels ] ] "parts below kinds"
                        Expect.equal (content (validation.Read())) [ "b.png", (40, 20), [ inPixels ] ] "validation")

                inFolder (fun root ->
                    fill
                        root
                        [ "train/a.png", 40, 20; "val/a.png", 40, 20 ]
                        [ "train/a.json", square; "val/a.json", square.Replace("\"b\"", "\"a\"") ]

                    let train, validation = parts root
                    Expect.equal (classes (train.Read())) (classes (validation.Read())) "the same classes"
                    Expect.equal (validation.Name) "val" "name")

                inFolder (fun root ->
                    fill
                        root
                        [ "images/a.png", 40, 20; "images/b.png", 40, 20 ]
                        [ "labels/a.json", square; "labels/b.json", square ]

                    Expect.equal
                        (content ((first root).Read()))
                        [ "a.png", (40, 20), [ inPixels ]; "b.png", (40, 20), [ inPixels ] ]
                        "labels apart"

                    text root "labels/b.json" (square.Replace("[[24, 5.0], [16, 15]]", "[[24, \"5\"], [16, 15]]"))

                    Expect.stringContains
                        (inputError (fun () -> (first root).Load() |> ignore))
                        "b.json, shapes[0]: \"points\" has to be"
                        "points"

                    text root "labels/b.json" (square.Replace("\"b\"", "\" \""))
                    Expect.stringContains (inputError (fun () -> (first root).Load() |> ignore)) "no \"label\"" "label"
                    text root "labels/b.json" "{\"shapes\": 1}"

                    Expect.stringContains
                        (inputError (fun () -> (first root).Load() |> ignore))
                        "no list \"shapes\""
                        "shapes")
            }
        ]
