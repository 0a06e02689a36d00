// What data sets of things drawn onto pictures have in common: who may lie over whom, light, and COCO's layout on the disk.
#I "../../src/DeqDet.Host/bin/Debug/net10.0"
#r "SkiaSharp.dll"
#r "DeqDet.Base.dll"
#r "DeqDet.Images.dll"
#r "DeqDet.Settings.dll"
#r "DeqDet.Data.dll"

open System.IO
open System.Text.Json
open SkiaSharp
open DeqDet.Data

/// A thing in a picture: its class, a place in the list of names, and its box, px.
type Thing = { Class: int; Box: SKRect }

type DrawnPicture =
    {
        Name: string
        Width: int
        Height: int
        Things: Thing list
    }

let private area (box: SKRect) = box.Width * box.Height

/// Whether a box has room: four fifths of the thing lie within the picture, and it shares at most 15 % of the smaller one with any other.
let hasRoom (whole: SKRect) (box: SKRect) (others: Thing seq) =
    let covers (other: Thing) =
        area (SKRect.Intersect(box, other.Box)) > 0.15f * min (area box) (area other.Box)

    area box > 0.8f * area whole && not (Seq.exists covers others)

/// Uneven light over a picture; `dark`: the most that is taken, of 255.
let shade (canvas: SKCanvas) (random: SplitMix64) (width: int) (height: int) (dark: int) =
    use light =
        SKShader.CreateLinearGradient(
            SKPoint(float32 (random.Unit()) * float32 width, 0f),
            SKPoint(float32 (random.Unit()) * float32 width, float32 height),
            [|
                SKColor(0uy, 0uy, 0uy, byte (random.Between(0, dark)))
                SKColor(255uy, 240uy, 210uy, byte (random.Between(0, 60)))
            |],
            SKShaderTileMode.Clamp
        )

    use veil = new SKPaint(Shader = light)
    canvas.DrawRect(0f, 0f, float32 width, float32 height, veil)

/// Writes annotations/instances_PART.json for the pictures in the folder PART.
let writeAnnotations (out: string) (part: string) (classes: string seq) (pictures: DrawnPicture[]) =
    Directory.CreateDirectory(Path.Combine(out, "annotations")) |> ignore

    let things =
        [|
            for image, picture in Array.indexed pictures do
                for thing in picture.Things do
                    image + 1, thing
        |]

    let text =
        JsonSerializer.Serialize
            {|
                images =
                    [|
                        for i, picture in Array.indexed pictures ->
                            {|
                                id = i + 1
                                file_name = picture.Name
                                width = picture.Width
                                height = picture.Height
                            |}
                    |]
                annotations =
                    [|
                        for i, (image, thing) in Array.indexed things ->
                            {|
                                id = i + 1
                                image_id = image
                                category_id = thing.Class + 1
                                bbox = [| thing.Box.Left; thing.Box.Top; thing.Box.Width; thing.Box.Height |]
                                area = area thing.Box
                                iscrowd = 0
                            |}
                    |]
                categories = [| for i, name in Seq.indexed classes -> {| id = i + 1; name = name |} |]
            |}

    File.WriteAllText(Path.Combine(out, "annotations", $"instances_{part}.json"), text)
    printfn $"{part}: {pictures.Length} pictures, {things.Length} boxes"
