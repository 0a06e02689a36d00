// The pictures that `detect` looks at where nothing is named: scenes like those that its detector was trained on, drawn four times as large, of a seed
// that no training uses. With FIRST and COUNT other scenes, to choose from.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/pictures.fsx [FOLDER [FIRST COUNT]]      # samples/pictures
#I "../src/DeqDet.Host/bin/Debug/net10.0"
#r "SkiaSharp.dll"
#r "DeqDet.Base.dll"
#r "DeqDet.Images.dll"
#r "DeqDet.Data.dll"

open System
open System.IO
open DeqDet.Data.Shapes
open DeqDet.Images
open SkiaSharp

let seed, set, scale = 20_26L, 2, 4
let chosen = [ 18; 23; 25 ]

let folder, numbers =
    match List.ofArray fsi.CommandLineArgs |> List.skip 1 with
    | [] -> Path.Combine(__SOURCE_DIRECTORY__, "..", "samples", "pictures"), chosen
    | [ folder ] -> folder, chosen
    | [ folder; first; count ] -> folder, [ int first .. int first + int count - 1 ]
    | _ -> failwith "dotnet fsi scripts/pictures.fsx [FOLDER [FIRST COUNT]]"

Directory.CreateDirectory folder |> ignore

for number in numbers do
    let picture = Scene.Draw(seed, set, number, scale)

    let info =
        SKImageInfo(picture.Width, picture.Height, SKColorType.Rgba8888, SKAlphaType.Opaque)

    use image = SKImage.FromPixelCopy(info, Drawing.WithAlpha picture.Rgb)
    use pixels = image.PeekPixels()
    use jpeg = pixels.Encode(SKJpegEncoderOptions 88)
    let name = $"shapes-{number}.jpg"
    File.WriteAllBytes(Path.Combine(folder, name), jpeg.ToArray())

    let kinds =
        [ for region in picture.Regions -> Outline.Names[region.Label] ]
        |> String.concat ", "

    printfn "%s: %d x %d px: %s" name picture.Width picture.Height kinds
