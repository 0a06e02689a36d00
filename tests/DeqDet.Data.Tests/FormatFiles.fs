/// Data sets of small pictures in the formats of labelling tools.
module DeqDet.Tests.FormatFiles

open System
open System.IO
open System.IO.Compression
open System.Text
open DeqDet
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Data.Check
open DeqDet.Settings

/// A PNG of a size, all of one grey level.
let png (width: int) (height: int) : byte[] =
    let crc (bytes: byte[]) =
        let mutable value = 0xFFFFFFFFu

        for b in bytes do
            value <- value ^^^ uint32 b

            for _ in 1..8 do
                value <-
                    if value &&& 1u = 1u then
                        (value >>> 1) ^^^ 0xEDB88320u
                    else
                        value >>> 1

        ~~~value

    let number (value: uint32) =
        [| byte (value >>> 24); byte (value >>> 16); byte (value >>> 8); byte value |]

    let chunk (kind: string) (body: byte[]) =
        let named = Array.append (Encoding.ASCII.GetBytes kind) body
        Array.concat [ number (uint32 body.Length); named; number (crc named) ]

    let pixels = Array.create (height * (width + 1)) 0uy
    use packed = new MemoryStream()

    (use zip = new ZLibStream(packed, CompressionLevel.Fastest, true)
     zip.Write(pixels, 0, pixels.Length))

    Array.concat
        [
            [| 0x89uy; 0x50uy; 0x4Euy; 0x47uy; 0x0Duy; 0x0Auy; 0x1Auy; 0x0Auy |]
            chunk "IHDR" (Array.concat [ number (uint32 width); number (uint32 height); [| 8uy; 0uy; 0uy; 0uy; 0uy |] ])
            chunk "IDAT" (packed.ToArray())
            chunk "IEND" [||]
        ]

/// Writes a file below a folder, with the folders on the way.
let write (root: string) (name: string) (bytes: byte[]) : unit =
    let path = Path.Combine(root, name)
    Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
    File.WriteAllBytes(path, bytes)

/// The same of text.
let text (root: string) (name: string) (content: string) : unit =
    write root name (Encoding.UTF8.GetBytes content)

/// A folder with pictures (name, width, height) and texts (name, content).
let fill (root: string) (pictures: (string * int * int) list) (texts: (string * string) list) : unit =
    for name, width, height in pictures do
        write root name (png width height)

    for name, content in texts do
        text root name content

let private settings = Settings.defaults.Data

/// What training and validation read of a folder.
let parts (root: string) : DataPart * DataPart =
    DataPart.Find(root, settings.Train), DataPart.Find(root, settings.Val)

/// The first part that a data check looks at.
let first (root: string) : DataPart = (DataFolder.Parts root)[0]

/// Everything that a data check finds in a folder: codes with places.
let found (root: string) : (string * string list) list =
    [
        for issue in (DataCheck.Run(DataFolder.Parts root, false)).Issues -> issue.Kind.Code, List.ofSeq issue.Places
    ]

/// File, size, and boxes as (class, x, y, width, height), of annotations of any format.
let content (file: AnnotationFile) =
    [
        for number, image in Seq.indexed file.Images do
            image.FileName,
            (image.Width, image.Height),
            [
                for i in 0 .. file.Count - 1 do
                    if file.Image[i] = number then
                        file.Classes[file.Label[i]].Name, file.X[i], file.Y[i], file.Width[i], file.Height[i]
            ]
    ]

/// Names of classes by their order.
let classes (file: AnnotationFile) : string list = [ for c in file.Classes -> c.Name ]

/// An object of a Pascal VOC file: its class, the texts of its corners, and what else it says.
let boxOf (name: string) (corners: string list) (more: string) =
    let side name value = $"<{name}>{value}</{name}>"

    let sides =
        String.concat "" (Seq.map2 side [ "xmin"; "ymin"; "xmax"; "ymax" ] corners)

    $"<object><name>{name}</name>{more}<bndbox>{sides}</bndbox></object>"

/// The size of a picture as Pascal VOC writes it.
let sized = "<size><width>40</width><height>20</height><depth>3</depth></size>"

/// A Pascal VOC file.
let xml (head: string) (objects: string list) =
    let all = String.concat "" objects
    $"<annotation>{head}{all}</annotation>"

/// A box whose corners count from 1, and one that lies on the edge where they count from 0.
let fromOne = boxOf "b" [ "17"; "6"; "24"; "15" ] ""
let fromEdge = boxOf "a" [ "0"; "5"; "24"; "15" ] ""

/// What `fromOne` is as Pascal VOC has it.
let inPixels = "b", 16.0, 5.0, 8.0, 10.0

/// A LabelMe file with one shape.
let shape (label: string) (kind: string) (points: string) (image: string) =
    $"""{{"version": "5.0", "flags": {{}}, "shapes": [{{"label": "{label}", "points": {points}, "shape_type": "{kind}", "flags": {{}}}}],
        "imagePath": "{image}", "imageData": "aGVsbG8=", "imageHeight": 20, "imageWidth": 40}}"""

/// A LabelMe file with one rectangle.
let square = shape "b" "rectangle" "[[24, 5.0], [16, 15]]" "a.png"

/// A CVAT file of images.
let cvat (body: string) =
    $"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations><version>1.1</version><meta><task><labels><label><name>b</name></label><label><name>a</name></label></labels></task></meta>{body}</annotations>"

/// The codes of what a data check finds.
let codes (root: string) = List.map fst (found root)
