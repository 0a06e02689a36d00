/// Files that are read some at a time.
module DeqDet.Tests.ImageReaderTests

open System
open System.IO
open Expecto
open DeqDet.Data
open DeqDet.Tests.DataFiles

[<Tests>]
let tests =
    testList
        "image reader"
        [
            testProperty
                "every file comes once and in order, in groups of as many as were asked for; the unreadable say why"
            <| fun (seed: int) ->
                inFolder (fun folder ->
                    let random = Random seed

                    let files =
                        [|
                            for i in 0 .. random.Next 12 ->
                                let path = Path.Combine(folder, $"{i}.jpg")
                                let isImage = random.Next 4 > 0
                                File.WriteAllBytes(path, (if isImage then quarteredJpeg else [| 1uy; 2uy |]))
                                path, isImage
                        |]

                    let most = random.Next(1, 6)
                    let groups = ImageReader.Groups(Array.map fst files, most) |> List.ofSeq
                    let read = Seq.concat groups |> Array.ofSeq
                    Expect.equal [| for one in read -> one.File |] (Array.map fst files) "files"

                    for (path, isImage), one in Array.zip files read do
                        if isImage then
                            Expect.equal (one.Image.Width, one.Image.Height) (32, 16) "the picture"
                            Expect.isTrue (isNull (box one.Refusal)) "no error"
                        else
                            Expect.isNull one.Image "no picture"
                            Expect.stringContains one.Refusal.Message path "names the file"

                    for group in groups |> List.take (groups.Length - 1) do
                        Expect.equal group.Count most "full groups but for the last")

            test "without files there are no groups" {
                Expect.isEmpty (ImageReader.Groups([||], 3)) "groups"

                Expect.throwsT<ArgumentOutOfRangeException>
                    (fun () -> ImageReader.Groups([||], 0) |> ignore)
                    "none at a time"
            }
        ]
