module DeqDet.Tests.DataCocoTests

open System.IO
open System.IO.Compression
open System.Text
open Expecto
open DeqDet
open DeqDet.Settings
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Tests.DataFiles

let private image =
    """{"id": 1, "file_name": "a.png", "width": 100, "height": 50}"""

let private categories =
    """[{"id": 7, "name": "late"}, {"id": 3, "name": "early"}]"""

let private box (id: string) (rest: string) =
    $"""{{"id": {id}, "image_id": 1, "category_id": 3, {rest}}}"""

let private document (images: string list) (boxes: string list) =
    let list (entries: string list) = String.concat ", " entries
    $"""{{"images": [{list images}], "annotations": [{list boxes}], "categories": {categories}}}"""

let private load (json: string) : CocoDataset =
    let mutable loaded = Unchecked.defaultof<CocoDataset>

    inFolder (fun folder ->
        let file = Path.Combine(folder, "instances.json")
        File.WriteAllText(file, json)
        loaded <- CocoDataset.Load(file, folder))

    loaded

[<Tests>]
let tests =
    testList
        "COCO data sets"
        [
            test "sparse category ids become labels in ascending order, long ids stay" {
                let data =
                    load (
                        document
                            [
                                """{"id": 900100000257, "file_name": "b/c.jpg", "width": 30, "height": 40}"""
                                image
                            ]
                            [
                                """{"id": 900100000258, "image_id": 900100000257, "category_id": 7, "bbox": [1.5, 2, 3, 4],
                               "area": 7.5, "iscrowd": 1}"""
                                box "6" "\"bbox\": [0, 0, 100, 50]"
                            ]
                    )

                Expect.equal
                    [ for c in data.Categories -> c.Id, c.Name ]
                    [ CocoId 3L, "early"; CocoId 7L, "late" ]
                    "classes"

                Expect.equal
                    [ for i in data.Images -> i.Id, i.FileName ]
                    [ CocoId 900100000257L, "b/c.jpg"; CocoId 1L, "a.png" ]
                    "images in the order of the file"

                let crowd = data.Images[0].Boxes[0]

                Expect.equal
                    (crowd.Id, crowd.Label, crowd.Area, crowd.IsCrowd)
                    (CocoId 900100000258L, 1, 7.5, true)
                    "crowd"

                Expect.equal crowd.Box (Box(1.5f, 2.0f, 4.5f, 6.0f)) "corners"
                Expect.isEmpty data.Images[0].Targets "a crowd is no target"
                Expect.equal data.Images[1].Boxes[0].Area 5000.0 "without an area: width x height"
                Expect.isEmpty data.Notices "nothing to say"
            }

            test "boxes are clipped or dropped by rule, and counted" {
                let boxes =
                    [
                        "[90, 40, 20, 20]"
                        "[-5, 1, 10, 10]"
                        "[100, 0, 5, 5]"
                        "[-9, 0, 5, 5]"
                        "[3, 3, 0, 9]"
                        "[3, 3, 9, 0.5]"
                        "[1, 1, 5, 5]"
                    ]
                    |> List.mapi (fun i b -> box (string i) $"\"bbox\": {b}")

                let data = load (document [ image ] boxes)

                Expect.equal
                    [ for b in data.Images[0].Boxes -> b.Id, b.Box ]
                    [
                        CocoId 0L, Box(90.0f, 40.0f, 100.0f, 50.0f)
                        CocoId 1L, Box(0.0f, 1.0f, 5.0f, 11.0f)
                        CocoId 6L, Box(1.0f, 1.0f, 6.0f, 6.0f)
                    ]
                    "what is left"

                for start in
                    [
                        "2 boxes reach beyond"
                        "2 boxes lie wholly outside"
                        "2 boxes of less than 1 px"
                    ] do
                    Expect.exists data.Notices (fun notice -> notice.Contains start) start
            }

            test "the training filter drops small and empty images and says so" {
                let images =
                    [
                        image
                        """{"id": 2, "file_name": "small.png", "width": 200, "height": 31}"""
                        """{"id": 3, "file_name": "empty.png", "width": 200, "height": 200}"""
                        """{"id": 4, "file_name": "crowd.png", "width": 200, "height": 200}"""
                    ]

                let boxes =
                    [
                        box "1" "\"bbox\": [1, 1, 5, 5]"
                        """{"id": 2, "image_id": 2, "category_id": 3, "bbox": [1, 1, 5, 5]}"""
                        """{"id": 3, "image_id": 4, "category_id": 3, "bbox": [1, 1, 5, 5], "iscrowd": 1}"""
                    ]

                let data = load (document images boxes)
                let filtered = data.ForTraining { MinSide = 32; DropEmpty = true }
                Expect.equal [ for i in filtered.Images -> i.Id ] [ CocoId 1L ] "kept"
                Expect.hasLength filtered.Notices 2 "two notices"
                let all = data.ForTraining { MinSide = 0; DropEmpty = false }
                Expect.hasLength all.Images 4 "nothing dropped"

                let message =
                    inputError (fun () -> data.ForTraining { MinSide = 60; DropEmpty = true } |> ignore)

                Expect.stringContains message "none of the 4" "says that nothing is left"
            }

            test "a part of a data set is found, also compressed, and what is missing is named" {
                inFolder (fun folder ->
                    let split =
                        {
                            Images = "pictures"
                            Annotations = "annotations/train.json"
                        }

                    let find (root: string) = DataPart.Find(root, split)
                    let missing = Path.Combine(folder, "nowhere")
                    Expect.stringContains (inputError (fun () -> find missing |> ignore)) missing "data folder"
                    Directory.CreateDirectory(Path.Combine(folder, "annotations")) |> ignore
                    File.WriteAllText(Path.Combine(folder, "annotations", "other.json"), "{}")
                    let message = inputError (fun () -> find folder |> ignore)
                    Expect.stringContains message "train.json" "annotation file"
                    Expect.stringContains message "other.json" "what is there instead"
                    let file = Path.Combine(folder, "annotations", "train.json.gz")

                    (use stream = new GZipStream(File.Create file, CompressionLevel.Fastest)
                     stream.Write(Encoding.UTF8.GetBytes(document [ image ] [])))

                    let message = inputError (fun () -> find folder |> ignore)
                    Expect.stringContains message "pictures" "image folder"
                    Directory.CreateDirectory(Path.Combine(folder, "pictures")) |> ignore
                    Expect.hasLength ((find folder).Load().Images) 1 "read from the compressed file")
            }
        ]
