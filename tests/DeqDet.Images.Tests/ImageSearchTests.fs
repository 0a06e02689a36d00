module DeqDet.Tests.ImageSearchTests

open System
open System.Diagnostics
open System.IO
open Expecto
open DeqDet.Images
open DeqDet.Tests.DataFiles

let private png =
    PngWriter.Encode(ReadOnlySpan(Array.create (4 * 4 * 3) 90uy), 4, 4)

/// JPEG 2000 by its first bytes; nothing here reads it.
let private jpeg2000 = [| 0uy; 0uy; 0uy; 12uy; yield! "jP  \r\n"B; 0x87uy; 0x0Auy |]

let private write (folder: string) (files: (string * byte[]) list) =
    for name, bytes in files do
        let path = Path.Combine(folder, name)
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
        File.WriteAllBytes(path, bytes)

let private find (places: string list) = ImageSearch.Find(Array.ofList places)

/// The files found, relative to a folder.
let private found (folder: string) (places: string list) =
    [
        for file in (find places).Files -> Path.GetRelativePath(folder, file).Replace('\\', '/')
    ]

[<Tests>]
let tests =
    testList
        "images that a user names"
        [
            test "folders are searched to the bottom, in natural order; files stay in theirs" {
                inFolder (fun folder ->
                    write
                        folder
                        [
                            for name in [ "b.png"; "B.PNG"; "a/z.jpg"; "a10.png"; "a9.png"; "note.txt" ] -> name, png
                        ]

                    Expect.equal
                        (found folder [ folder ])
                        [ "B.PNG"; "a/z.jpg"; "a9.png"; "a10.png"; "b.png" ]
                        "the folder's"

                    let place name = Path.Combine(folder, name)

                    Expect.equal
                        (found folder [ place "b.png"; place "a9.png"; folder; place "a" ])
                        [ "b.png"; "a9.png"; "B.PNG"; "a/z.jpg"; "a10.png" ]
                        "none twice, however it is named"

                    Expect.equal
                        (found folder [ place "b.png"; Path.Combine(folder, "a", "..", "b.png") ])
                        [ "b.png" ]
                        "another spelling of one file")
            }

            test "links are followed, and no picture comes twice" {
                inFolder (fun folder ->
                    let photos, other = Path.Combine(folder, "photos"), Path.Combine(folder, "other")
                    write photos [ "one.png", png; "sub/two.png", png ]
                    write other [ "three.png", png; "deep/four.png", png ]

                    let link (name: string) (target: string) =
                        Directory.CreateSymbolicLink(Path.Combine(photos, name), target) |> ignore

                    link "loop" photos
                    link "sub/up" ".."
                    link "a-link-to-sub" "sub"
                    link "out" other
                    link "out-again" (Path.Combine(other, "deep"))
                    Directory.CreateSymbolicLink(Path.Combine(other, "back"), photos) |> ignore
                    File.CreateSymbolicLink(Path.Combine(photos, "0.png"), "one.png") |> ignore

                    File.CreateSymbolicLink(Path.Combine(photos, "far.png"), Path.Combine(other, "three.png"))
                    |> ignore

                    File.CreateSymbolicLink(Path.Combine(photos, "gone.png"), "nothing.png")
                    |> ignore

                    File.CreateSymbolicLink(Path.Combine(photos, "self.png"), "self.png") |> ignore

                    let clock = Stopwatch.StartNew()
                    let result = find [ photos ]
                    Expect.isLessThan clock.Elapsed (TimeSpan.FromSeconds 10.0) "quickly"

                    let names = [ for file in result.Files -> Path.GetFileName file ]

                    Expect.equal
                        (List.sort names)
                        [ "far.png"; "four.png"; "one.png"; "two.png" ]
                        "each real file once, by its own name where that is in the folder"

                    Expect.contains result.Files (Path.Combine(photos, "sub", "two.png")) "not by the link"
                    Expect.hasLength result.Notices 2 "links to nothing"

                    for name in [ "gone.png"; "self.png" ] do
                        Expect.exists result.Notices (fun notice -> notice.Contains $"{name}: a link to nothing") name

                    Expect.equal (find [ Path.Combine(photos, "loop") ]).Files.Count 4 "a link named by the user")
            }

            test "a link to a folder above is not followed" {
                inFolder (fun folder ->
                    write folder [ "secret.png", png; "photos/one.png", png ]
                    let photos = Path.Combine(folder, "photos")
                    Directory.CreateSymbolicLink(Path.Combine(photos, "up"), folder) |> ignore
                    let result = find [ photos ]
                    Expect.equal (List.ofSeq result.Files) [ Path.Combine(photos, "one.png") ] "what is below"
                    Expect.exists result.Notices (fun notice -> notice.Contains "not followed") "said")
            }

            test "real paths are those that a brute-force walk over links gives" {
                inFolder (fun folder ->
                    let folder = RealPath.Of folder
                    let place name = Path.Combine(folder, name)
                    write folder [ "a/b/x.png", png ]
                    Directory.CreateSymbolicLink(place "l1", "a") |> ignore
                    Directory.CreateSymbolicLink(place "l2", "l1/b") |> ignore
                    Directory.CreateSymbolicLink(place "a/l3", "../l2") |> ignore
                    let real = RealPaths()

                    for name, expected in
                        [
                            "l1/b/x.png", "a/b/x.png"
                            "l2/x.png", "a/b/x.png"
                            "a/l3/x.png", "a/b/x.png"
                            "l1/l3/x.png", "a/b/x.png"
                            "a/b/y.png", "a/b/y.png"
                            "nowhere/x.png", "nowhere/x.png"
                        ] do
                        Expect.equal (RealPath.Of(place name)) (place expected) name
                        Expect.equal (real.Of(place name)) (place expected) $"{name}, folders looked up once")
            }

            test "images of formats that are not read are named, not passed over in silence" {
                inFolder (fun folder ->
                    write
                        folder
                        [
                            "good.png", png
                            "photo.jp2", jpeg2000
                            "photo.HEIC", [| 0uy; 0uy; 0uy; 24uy; yield! "ftypheic"B; yield! Array.zeroCreate 12 |]
                            "raw.NEF", "not much of a raw file"B
                            "really-a-png.jfif", png
                            "notes.txt", "hello"B
                        ]

                    let result = find [ folder ]

                    Expect.equal
                        [ for file in result.Files -> Path.GetFileName file ]
                        [ "good.png"; "really-a-png.jfif" ]
                        "what can be read, whatever its ending"

                    Expect.hasLength result.Notices 3 "the rest"

                    for name in [ "photo.jp2"; "photo.HEIC"; "raw.NEF" ] do
                        Expect.exists result.Notices (fun notice -> notice.Contains(Path.Combine(folder, name))) name

                    let many = Path.Combine(folder, "many")
                    write many [ for i in 1..14 -> $"{i}.jp2", jpeg2000 ]
                    let message = inputError (fun () -> find [ many ] |> ignore)
                    Expect.stringContains message "14 files are passed over" "none is left"
                    Expect.stringContains message "1.jp2" "the first"
                    write many [ "x.png", png ]
                    let notices = (find [ many ]).Notices
                    Expect.hasLength notices 11 "ten and a line"
                    Expect.stringContains notices[10] "4 more" "how many more")
            }

            test "places that are not there, and folders without images, are refused" {
                inFolder (fun folder ->
                    let missing = Path.Combine(folder, "nowhere")
                    Expect.stringContains (inputError (fun () -> find [ missing ] |> ignore)) missing "no such place"
                    Expect.stringContains (inputError (fun () -> find [ folder ] |> ignore)) ".jpg" "no images")
            }

            test "names with spaces, signs and letters of all scripts are found as they are" {
                inFolder (fun folder ->
                    let names =
                        [
                            "100%25 done#1.png"
                            "Bilder für Test/ä ö.png"
                            "emoji 😀.png"
                            "it's \"x\".png"
                            "中文 图片.png"
                        ]

                    write folder [ for name in names -> name, png ]

                    Expect.equal
                        (found folder [ folder ])
                        (List.sortWith (fun a b -> String.CompareOrdinal(a, b)) names)
                        "all")
            }
        ]
