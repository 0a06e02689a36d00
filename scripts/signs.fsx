// Pictures of signs: boards of any outline, colour and pattern over made backgrounds, told apart by a mark on them, for training a decoder from
// which others start (configs/signs_r18.json). All of it is drawn; no photograph is needed.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/signs.fsx OUT [TRAIN [VALIDATION [SEED]]]
//
// The class of a board is its mark: one of 24 letters and digits, a number of dots from one to six, or, where it has none, its outline. A mark is large
// in the middle, small in two corners, or both. One to six boards of 50 to 300 px a picture of 400 to 520 px, turned, tilted, partly covered and
// unevenly lit, among outlines that are no boards. Written in COCO's layout.
#load "lib/drawn.fsx"

open System
open System.IO
open System.Threading.Tasks
open SkiaSharp
open DeqDet.Data
open DeqDet.Images
open Drawn

let letters = [| for letter in "ABCDEFGHKLMNPQRSTXYZ2457" -> string letter |]
let outlines = [| "disc"; "triangle"; "diamond"; "star"; "cross"; "heart" |]

let classes: string[] =
    [|
        yield! letters
        for count in 1..6 -> $"dots {count}"
        yield! outlines
    |]

/// A closed outline around the origin, about 100 px wide and high.
let outline (name: string) =
    let path = new SKPath()

    let polygon (points: (float * float) list) =
        path.AddPoly([| for x, y in points -> SKPoint(float32 x, float32 y) |], true)

    match name with
    | "disc" -> path.AddCircle(0f, 0f, 50f)
    | "triangle" -> polygon [ 0.0, -50.0; 50.0, 45.0; -50.0, 45.0 ]
    | "diamond" -> polygon [ 0.0, -55.0; 42.0, 0.0; 0.0, 55.0; -42.0, 0.0 ]
    | "star" ->
        polygon
            [
                for i in 0..9 do
                    let radius = if i % 2 = 0 then 55.0 else 23.0
                    let angle = float i * Math.PI / 5.0
                    radius * sin angle, -radius * cos angle
            ]
    | "cross" ->
        path.AddRect(SKRect(-17f, -50f, 17f, 50f))
        path.AddRect(SKRect(-50f, -17f, 50f, 17f))
    | "heart" ->
        path.MoveTo(0f, 50f)
        path.CubicTo(-90f, -10f, -45f, -70f, 0f, -28f)
        path.CubicTo(45f, -70f, 90f, -10f, 0f, 50f)
        path.Close()
    | "hexagon" ->
        polygon
            [
                for i in 0..5 -> 52.0 * cos (float i * Math.PI / 3.0), 52.0 * sin (float i * Math.PI / 3.0)
            ]
    | "tall" -> path.AddRoundRect(SKRect(-36f, -50f, 36f, 50f), 6f, 6f)
    | "wide" -> path.AddRoundRect(SKRect(-60f, -34f, 60f, 34f), 6f, 6f)
    | "oval" -> path.AddOval(SKRect(-55f, -38f, 55f, 38f))
    | _ -> path.AddRoundRect(SKRect(-45f, -45f, 45f, 45f), 10f, 10f)

    path

let boards = [| "tall"; "tall"; "wide"; "square"; "disc"; "hexagon"; "oval" |]

let hue (random: SplitMix64) (saturation: float, brightness: float) =
    SKColor.FromHsv(float32 (random.Between(0.0, 360.0)), float32 saturation, float32 brightness)

/// A colour; boards and backgrounds may have any.
let anyColour (random: SplitMix64) =
    hue random (random.Between(0.0, 100.0), random.Between(10.0, 100.0))

let lightness (colour: SKColor) =
    0.3 * float colour.Red + 0.6 * float colour.Green + 0.1 * float colour.Blue

/// A colour that stands out from another.
let rec against (random: SplitMix64) (other: SKColor) =
    let colour = anyColour random

    if abs (lightness colour - lightness other) > 80.0 then
        colour
    else
        against random other

/// A pattern of two colours: plain, a gradient, clouds, or stripes.
let pattern (random: SplitMix64) (first: SKColor) (second: SKColor) (size: float) : SKShader =
    match random.Below 5 with
    | 0 -> SKShader.CreateColor first
    | 1 ->
        SKShader.CreateLinearGradient(
            SKPoint(float32 (random.Between(-size, size)), float32 -size),
            SKPoint(float32 (random.Between(-size, size)), float32 size),
            [| first; second |],
            SKShaderTileMode.Mirror
        )
    | 2 ->
        let period = float32 (random.Between(0.05, 0.25) * size)

        SKShader.CreateLinearGradient(
            SKPoint(0f, 0f),
            SKPoint(period * float32 (random.Between(-1.0, 1.0)), period),
            [| first; first; second; second |],
            [| 0f; 0.5f; 0.5f; 1f |],
            SKShaderTileMode.Repeat
        )
    | kind ->
        let rate = float32 (1.0 / random.Between(0.05 * size, size))
        let seed = float32 (random.Below 10000)

        let clouds =
            if kind = 3 then
                SKShader.CreatePerlinNoiseFractalNoise(rate, rate, 4, seed)
            else
                SKShader.CreatePerlinNoiseTurbulence(rate, rate, 3, seed)

        SKShader.CreateCompose(SKShader.CreateColor first, clouds, SKBlendMode.Overlay)

/// A mark on a board, its middle at the origin: what tells the class.
let drawMark (canvas: SKCanvas) (label: int) (ink: SKColor) (size: float32) =
    use paint = new SKPaint(Color = ink, IsAntialias = true)

    if label < letters.Length then
        let text = letters[label]
        TextFont.Draw(canvas, text, -0.5f * TextFont.Measure(text, size), -0.5f * size, size, ink)
    else
        let dots =
            match label - letters.Length + 1 with
            | 1 -> List.singleton (0, 0)
            | 2 -> [ -1, -1; 1, 1 ]
            | 3 -> [ -1, -1; 0, 0; 1, 1 ]
            | 4 -> [ -1, -1; 1, -1; -1, 1; 1, 1 ]
            | 5 -> [ -1, -1; 1, -1; -1, 1; 1, 1; 0, 0 ]
            | _ -> [ -1, -1; 1, -1; -1, 1; 1, 1; -1, 0; 1, 0 ]

        for x, y in dots do
            canvas.DrawCircle(0.38f * size * float32 x, 0.38f * size * float32 y, 0.14f * size, paint)

let drawBoard (canvas: SKCanvas) (random: SplitMix64) (label: int) (path: SKPath) (marked: bool) =
    let first = anyColour random
    let second = if random.Chance 0.5 then first else anyColour random
    use shader = pattern random first second 100.0
    use fill = new SKPaint(Shader = shader, IsAntialias = true)
    canvas.DrawPath(path, fill)

    if random.Chance 0.6 then
        use rim =
            new SKPaint(
                Color = against random first,
                IsAntialias = true,
                Style = SKPaintStyle.Stroke,
                StrokeWidth = float32 (random.Between(1.0, 5.0))
            )

        canvas.DrawPath(path, rim)

    if marked then
        let ink = against random first
        let form = random.Below 3

        if form <> 1 then
            drawMark canvas label ink (float32 (random.Between(24.0, 46.0)))

        if form <> 0 then
            let size = float32 (random.Between(12.0, 18.0))

            for half in [ 0f; 180f ] do
                canvas.Save() |> ignore
                canvas.RotateDegrees half
                canvas.Translate(0.5f * path.Bounds.Left + 2f, 0.55f * path.Bounds.Top)
                drawMark canvas label ink size
                canvas.Restore()

let make (random: SplitMix64) (folder: string) (name: string) : DrawnPicture =
    let width, height = random.Between(400, 520), random.Between(340, 420)
    use bitmap = new SKBitmap(width, height)
    use canvas = new SKCanvas(bitmap)
    let ground = anyColour random
    canvas.Clear ground

    for _ in 1 .. random.Between(1, 3) do
        use shader =
            pattern random (anyColour random) (anyColour random) (random.Between(60.0, 400.0))

        use paint = new SKPaint(Shader = shader)
        paint.Color <- paint.Color.WithAlpha(byte (random.Between(120, 255)))
        canvas.DrawRect(0f, 0f, float32 width, float32 height, paint)

    let place (size: float) =
        let turn =
            if random.Chance 0.3 then
                random.Between(0.0, 360.0)
            else
                random.Between(-35.0, 35.0)

        SKMatrix
            .CreateScale(float32 (size / 100.0 * random.Between(0.8, 1.2)), float32 (size / 100.0))
            .PostConcat(SKMatrix.CreateSkew(float32 (random.Between(-0.3, 0.3)), 0f))
            .PostConcat(SKMatrix.CreateRotationDegrees(float32 turn))
            .PostConcat(
                SKMatrix.CreateTranslation(
                    float32 (random.Between(0.0, 1.0)) * float32 width,
                    float32 (random.Between(0.0, 1.0)) * float32 height
                )
            )

    // what is no board: strokes, and spots of no clear outline
    for _ in 1 .. random.Between(0, 14) do
        use shader = pattern random (anyColour random) (anyColour random) 80.0
        use paint = new SKPaint(Shader = shader, IsAntialias = true)

        if random.Chance 0.5 then
            paint.Style <- SKPaintStyle.Stroke
            paint.StrokeWidth <- float32 (random.Between(1.0, 14.0))

        use path = new SKPath()

        let point () =
            SKPoint(float32 (random.Between(0.0, float width)), float32 (random.Between(0.0, float height)))

        path.MoveTo(point ())

        for _ in 1 .. random.Between(1, 4) do
            path.CubicTo(point (), point (), point ())

        canvas.DrawPath(path, paint)

    let found = ResizeArray<Thing>()

    for _ in 1 .. random.Between(1, 6) do
        let label = random.Below classes.Length
        let marked = label < letters.Length + 6

        use path =
            outline (
                if marked then
                    random.Pick boards
                else
                    outlines[label - letters.Length - 6]
            )

        let mutable tries = 0
        let mutable placed = false

        while not placed && tries < 30 do
            tries <- tries + 1
            let least = if marked then 70.0 else 40.0

            let matrix =
                place (min (random.Between(least, 300.0)) (random.Between(least, 300.0)))

            use whole = new SKPath()
            path.Transform(&matrix, whole)
            let bounds = whole.TightBounds

            let box = SKRect.Intersect(bounds, SKRect(0f, 0f, float32 width, float32 height))

            if box.Width > 20f && box.Height > 20f && hasRoom bounds box found then
                canvas.Save() |> ignore
                canvas.SetMatrix &matrix
                drawBoard canvas random label path marked
                canvas.Restore()
                found.Add { Class = label; Box = box }
                placed <- true

    shade canvas random width height 130
    use stream = File.Create(Path.Combine(folder, name))

    bitmap.Encode(stream, SKEncodedImageFormat.Jpeg, random.Between(60, 95))
    |> ignore


    {
        Name = name
        Width = width
        Height = height
        Things = List.ofSeq found
    }

let write (out: string) (part: string) (seed: int64) (set: int64) (count: int) =
    let folder = Path.Combine(out, part)
    Directory.CreateDirectory folder |> ignore
    let pictures = Array.zeroCreate count

    Parallel.For(
        0,
        count,
        fun i ->
            let name = $"%05d{i + 1}.jpg"
            let random = SplitMix64.For(seed, ReadOnlySpan [| set; int64 i |])
            pictures[i] <- make random folder name
    )
    |> ignore

    writeAnnotations out part classes pictures

match List.ofArray fsi.CommandLineArgs |> List.tail with
| out :: rest ->
    let number i (otherwise: int) =
        List.tryItem i rest |> Option.map int |> Option.defaultValue otherwise

    let seed = int64 (number 2 0)
    write out "train" seed 1L (number 0 8000)
    write out "val" seed 2L (number 1 150)
| _ ->
    eprintfn "usage: dotnet fsi scripts/signs.fsx OUT [TRAIN [VALIDATION [SEED]]]"
    exit 2
