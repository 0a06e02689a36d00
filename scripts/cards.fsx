// Photographs with playing cards on them: classes that differ in one small sign, for measuring how detail is learned from few pictures.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/cards.fsx BACKGROUNDS OUT [TRAIN [VALIDATION [SEED]]]
//
// BACKGROUNDS is a folder of photographs, of which each picture shows a part; every fifth of them serves the validation alone. Six classes (nine
// to ace), one to five cards of 80 to 300 px a picture of 500 x 375 px, turned, tilted, unevenly lit and partly covered by each other. A card has
// its rank in two corners, and on its face what the rank's cards have: a suit's sign as often as it counts, or a figure twice, in any colours. Written
// in COCO's layout.
#load "lib/drawn.fsx"

open System
open System.IO
open SkiaSharp
open DeqDet.Data
open DeqDet.Images
open Drawn

let width, height = 500, 375

let classes =
    [ "nine", "9"; "ten", "10"; "jack", "J"; "queen", "Q"; "king", "K"; "ace", "A" ]

/// What figures wear: of any rank the same.
let colours =
    [|
        SKColor(180uy, 25uy, 35uy)
        SKColor(35uy, 60uy, 150uy)
        SKColor(235uy, 190uy, 40uy)
        SKColor(25uy, 25uy, 30uy)
    |]

/// The outline of a suit's sign, 52 px high, its middle at the origin.
let signOf suit =
    let path = new SKPath()

    match suit with
    | 0 -> // diamond
        path.MoveTo(0f, -26f)
        path.LineTo(19f, 0f)
        path.LineTo(0f, 26f)
        path.LineTo(-19f, 0f)
    | 1 -> // spade
        path.MoveTo(0f, -27f)
        path.CubicTo(30f, -2f, 22f, 18f, 2f, 12f)
        path.LineTo(7f, 26f)
        path.LineTo(-7f, 26f)
        path.LineTo(-2f, 12f)
        path.CubicTo(-22f, 18f, -30f, -2f, 0f, -27f)
    | 2 -> // heart
        path.MoveTo(0f, 26f)
        path.CubicTo(-34f, -2f, -20f, -30f, 0f, -13f)
        path.CubicTo(20f, -30f, 34f, -2f, 0f, 26f)
    | _ -> // club
        path.AddCircle(0f, -14f, 11f)
        path.AddCircle(-12f, 4f, 11f)
        path.AddCircle(12f, 4f, 11f)
        path.AddRect(SKRect(-3f, -6f, 3f, 26f))

    path.Close()
    path

/// Where the signs of a rank stand on a face of 100 x 140, and how large they are.
let signsOf rank =
    let column x rows = [ for y in rows -> x, y ]

    match rank with
    | "9" ->
        column -17f [ -45f; -15f; 15f; 45f ]
        @ column 17f [ -45f; -15f; 15f; 45f ]
        @ List.singleton (0f, 0f),
        0.4f
    | "10" ->
        column -17f [ -45f; -15f; 15f; 45f ]
        @ column 17f [ -45f; -15f; 15f; 45f ]
        @ [ 0f, -30f; 0f, 30f ],
        0.4f
    | "A" -> List.singleton (0f, 0f), 1f
    | _ -> List.singleton (-24f, -40f), 0.35f // beside a figure

/// The upper half of a figure: shoulders, head, and what tells a jack's cap, a queen's hair and a king's crown and beard apart.
let drawFigure (canvas: SKCanvas) rank (cloth: SKColor) (trim: SKColor) =
    use clothes = new SKPaint(Color = cloth, IsAntialias = true)
    use trims = new SKPaint(Color = trim, IsAntialias = true)
    use skin = new SKPaint(Color = SKColor(235uy, 205uy, 170uy), IsAntialias = true)
    use hair = new SKPaint(Color = SKColor(90uy, 60uy, 30uy), IsAntialias = true)
    use shape = new SKPath()
    shape.MoveTo(-28f, 0f)
    shape.LineTo(-20f, -22f)
    shape.LineTo(20f, -22f)
    shape.LineTo(28f, 0f)
    shape.Close()
    canvas.DrawPath(shape, clothes)
    canvas.DrawRect(-4f, -22f, 8f, 22f, trims)

    if rank = "Q" then
        canvas.DrawOval(0f, -34f, 15f, 15f, hair)

    canvas.DrawOval(0f, -33f, 9f, 11f, skin)
    use hat = new SKPath()

    match rank with
    | "J" ->
        hat.AddRect(SKRect(-12f, -48f, 12f, -41f))
        hat.MoveTo(12f, -44f)
        hat.LineTo(24f, -56f)
        hat.LineTo(16f, -42f)
    | "Q" -> hat.AddCircle(0f, -50f, 5f)
    | _ ->
        hat.MoveTo(-12f, -42f)

        for x, y in [ -14f, -58f; -6f, -49f; 0f, -60f; 6f, -49f; 14f, -58f; 12f, -42f ] do
            hat.LineTo(x, y)

        canvas.DrawOval(0f, -25f, 6f, 6f, hair)

    hat.Close()
    canvas.DrawPath(hat, trims)

/// A card of 100 x 140, its middle at the origin.
let drawCard (canvas: SKCanvas) (sign: string) (suit: int) (paper: SKColor) (cloth: SKColor) (trim: SKColor) =
    use fill = new SKPaint(Color = paper, IsAntialias = true)

    use rim =
        new SKPaint(
            Color = SKColor(60uy, 60uy, 60uy),
            IsAntialias = true,
            Style = SKPaintStyle.Stroke,
            StrokeWidth = 1.2f
        )

    canvas.DrawRoundRect(-50f, -70f, 100f, 140f, 7f, 7f, fill)
    canvas.DrawRoundRect(-50f, -70f, 100f, 140f, 7f, 7f, rim)

    let ink =
        if suit % 2 = 0 then
            SKColor(190uy, 20uy, 30uy)
        else
            SKColor(15uy, 15uy, 20uy)

    use brush = new SKPaint(Color = ink, IsAntialias = true)
    use path = signOf suit
    let places, size = signsOf sign
    let figure = List.contains sign [ "J"; "Q"; "K" ]

    if figure then
        use frame =
            new SKPaint(Color = cloth, IsAntialias = true, Style = SKPaintStyle.Stroke, StrokeWidth = 1.5f)

        canvas.DrawRect(-32f, -62f, 64f, 124f, frame)

        for half in [ 0f; 180f ] do
            canvas.Save() |> ignore
            canvas.RotateDegrees half
            drawFigure canvas sign cloth trim
            canvas.Restore()

    for half in (if figure then [ 0f; 180f ] else [ 0f ]) do
        canvas.Save() |> ignore
        canvas.RotateDegrees half

        for x, y in places do
            canvas.Save() |> ignore
            canvas.Translate(x, y)
            canvas.Scale(size, (if y > 0f then -size else size))
            canvas.DrawPath(path, brush)
            canvas.Restore()

        canvas.Restore()

    for half in [ 0f; 180f ] do
        canvas.Save() |> ignore
        canvas.RotateDegrees half
        TextFont.Draw(canvas, sign, -45f, -63f, 17f, ink)
        canvas.Restore()

let make (backgrounds: string[]) (random: SplitMix64) (folder: string) (name: string) : DrawnPicture =
    use bitmap = new SKBitmap(width, height)
    use canvas = new SKCanvas(bitmap)
    use photo = SKBitmap.Decode(random.Pick backgrounds)
    // the photograph covers the picture, at a random place
    let scale =
        max (float32 width / float32 photo.Width) (float32 height / float32 photo.Height)
        * float32 (random.Between(1.0, 1.4))

    let left = float32 (random.Unit()) * (float32 width - scale * float32 photo.Width)

    let top = float32 (random.Unit()) * (float32 height - scale * float32 photo.Height)

    use image = SKImage.FromBitmap photo

    canvas.DrawImage(
        image,
        SKRect(left, top, left + scale * float32 photo.Width, top + scale * float32 photo.Height),
        SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear)
    )

    let cards = ResizeArray<Thing>()

    for _ in 1 .. random.Between(1, 5) do
        let mutable tries = 0
        let mutable placed = false

        while not placed && tries < 30 do
            tries <- tries + 1
            let side = float32 (random.Between(80.0, 230.0))
            let turn = float32 (random.Between(0.0, 360.0))
            let shear = float32 (random.Between(-0.25, 0.25))
            let squeeze = float32 (random.Between(0.75, 1.0))
            let x = float32 (random.Between(0.12, 0.88)) * float32 width
            let y = float32 (random.Between(0.12, 0.88)) * float32 height

            let matrix =
                SKMatrix
                    .CreateScale(side / 140f * squeeze, side / 140f)
                    .PostConcat(SKMatrix.CreateSkew(shear, 0f))
                    .PostConcat(SKMatrix.CreateRotationDegrees turn)
                    .PostConcat(SKMatrix.CreateTranslation(x, y))

            let whole = matrix.MapRect(SKRect(-50f, -70f, 50f, 70f))

            let box =
                SKRect(
                    max 0f whole.Left,
                    max 0f whole.Top,
                    min (float32 width) whole.Right,
                    min (float32 height) whole.Bottom
                )

            if hasRoom whole box cards then
                let label = random.Below classes.Length
                let light = random.Between(150, 255)
                let paper = SKColor(byte light, byte light, byte (light - random.Between(0, 30)))
                canvas.Save() |> ignore
                canvas.SetMatrix &matrix
                let cloth = random.Below colours.Length
                let trim = (cloth + 1 + random.Below(colours.Length - 1)) % colours.Length
                drawCard canvas (snd classes[label]) (random.Below 4) paper colours[cloth] colours[trim]
                canvas.Restore()
                cards.Add { Class = label; Box = box }
                placed <- true

    shade canvas random width height 110
    use stream = File.Create(Path.Combine(folder, name))
    bitmap.Encode(stream, SKEncodedImageFormat.Jpeg, 88) |> ignore

    {
        Name = name
        Width = width
        Height = height
        Things = List.ofSeq cards
    }

let write (out: string) (part: string) (seed: int64) (stream: int64) (count: int) (backgrounds: string[]) =
    let folder = Path.Combine(out, part)
    Directory.CreateDirectory folder |> ignore

    let pictures =
        [|
            for i in 1..count do
                let name = $"%04d{i}.jpg"
                let random = SplitMix64.For(seed, ReadOnlySpan [| stream; int64 i |])
                make backgrounds random folder name
        |]

    writeAnnotations out part (List.map fst classes) pictures

match List.ofArray fsi.CommandLineArgs |> List.tail with
| backgrounds :: out :: rest ->
    let number i (otherwise: int) =
        List.tryItem i rest |> Option.map int |> Option.defaultValue otherwise

    let photos =
        [| "*.jpg"; "*.png" |]
        |> Array.collect (fun pattern -> Directory.GetFiles(backgrounds, pattern))
        |> Array.sort

    let forValidation, forTraining =
        photos |> Array.indexed |> Array.partition (fun (i, _) -> i % 5 = 0)

    let seed = int64 (number 2 0)
    write out "train" seed 1L (number 0 300) (Array.map snd forTraining)
    write out "val" seed 2L (number 1 70) (Array.map snd forValidation)
| _ ->
    eprintfn "usage: dotnet fsi scripts/cards.fsx BACKGROUNDS OUT [TRAIN [VALIDATION [SEED]]]"
    exit 2
