module DeqDet.Tests.JpegTests

open System
open System.Diagnostics
open System.IO
open System.Threading.Tasks
open Expecto
open FsCheck
open FsCheck.FSharp
open SkiaSharp
open DeqDet
open DeqDet.Images
open DeqDet.Tests.DataFiles
open DeqDet.Tests.Seeded

let private decode (bytes: byte[]) =
    ImageFile.Decode(bytes, "picture", Nullable())

/// SkiaSharp's own decoding, RGB bytes.
let private bySkia (file: byte[]) : byte[] =
    use data = SKData.CreateCopy file
    use codec = SKCodec.Create data
    let width, height = codec.Info.Width, codec.Info.Height

    let info =
        SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque, null)

    use bitmap = new SKBitmap(info)
    Expect.equal (codec.GetPixels(info, bitmap.GetPixels())) SKCodecResult.Success "SkiaSharp decodes it"
    let rgba = bitmap.Bytes
    Array.init (width * height * 3) (fun i -> rgba[i / 3 * 4 + i % 3])

/// A picture between smooth and noise, encoded.
let private encoded width height quality (sampling: SKJpegEncoderDownsample) seed =
    let random = randomOf (int64 seed)
    let noise = random.Below 256

    use bitmap =
        new SKBitmap(SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque))

    for y in 0 .. height - 1 do
        for x in 0 .. width - 1 do
            let level k =
                byte (Math.Clamp((x * (k + 2) + y * (5 - k)) % 256 + random.Between(-noise, noise), 0, 255))

            bitmap.SetPixel(x, y, SKColor(level 0, level 1, level 2))

    use pixels = bitmap.PeekPixels()

    use data =
        pixels.Encode(SKJpegEncoderOptions(quality, sampling, SKJpegEncoderAlphaOption.Ignore))

    data.ToArray()

let private files =
    gen {
        let! width = Gen.choose (1, 80)
        let! height = Gen.choose (1, 80)
        let! quality = Gen.choose (5, 100)

        let! sampling =
            Gen.elements
                [
                    SKJpegEncoderDownsample.Downsample420
                    SKJpegEncoderDownsample.Downsample422
                    SKJpegEncoderDownsample.Downsample444
                ]

        let! seed = Gen.choose (0, 1_000_000)
        return width, height, quality, sampling, seed
    }

let private field name =
    File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "field", "11-odd-images", name))

let private noEnd = "no end marker"

[<Tests>]
let tests =
    testList
        "JPEG"
        [
            testProperty "pictures decode to SkiaSharp's bytes"
            <| Prop.forAll (Arb.fromGen files) (fun (width, height, quality, sampling, seed) ->
                let file = encoded width height quality sampling seed
                let image = decode file
                Expect.equal (image.Width, image.Height) (width, height) "size"
                Expect.equal image.Pixels (bySkia file) "pixels"
                Expect.isEmpty image.Notes "nothing to note")

            test "grey and CMYK pictures decode to SkiaSharp's bytes" {
                for file in [ greyJpeg; cmykJpeg; quarteredJpeg ] do
                    Expect.equal (decode file).Pixels (bySkia file) "pixels"
            }

            testProperty "a damaged file becomes a picture or an InputError"
            <| Prop.forAll
                (Arb.fromGen (
                    Gen.zip files (Gen.listOfLength 3 (Gen.zip (Gen.choose (0, 100_000)) (Gen.choose (0, 255))))
                ))
                (fun ((width, height, quality, sampling, seed), damage) ->
                    let file = encoded width height quality sampling seed

                    // In the scan as well as in the headers.
                    for place, value in damage do
                        file[2 + place % (file.Length - 2)] <- byte value

                    try
                        decode file |> ignore
                    with :? InputError as error ->
                        Expect.stringStarts error.Message "picture: " "names the file")

            test "damage that the decoder gets over is noted" {
                let file = encoded 64 64 90 SKJpegEncoderDownsample.Downsample444 7
                // A marker in the middle of the scan ends it.
                let middle = file.Length / 2
                file[middle] <- 0xFFuy
                file[middle + 1] <- 0xD9uy
                let image = decode file
                Expect.equal image.Notes.Count 1 "one note"
                Expect.stringContains image.Notes[0] "damaged" "says so"
            }

            testProperty "of a truncated file every pixel is there and it is noted, or it is refused"
            <| Prop.forAll (Arb.fromGen (Gen.zip files (Gen.choose (1, 12)))) (fun (shape, cut) ->
                let file = shape |> fun (w, h, q, s, seed) -> encoded w h q s seed

                match
                    try
                        Some(decode file[.. file.Length - 1 - cut])
                    with :? InputError as error ->
                        // of the smallest pictures the cut takes the header's end, too
                        let reasons = [ "truncated"; "whose header is damaged" ]
                        Expect.exists reasons error.Message.Contains $"says why: {error.Message}"
                        None
                with
                | Some image ->
                    Expect.equal image.Pixels (decode file).Pixels "every pixel"
                    Expect.stringContains image.Notes[0] noEnd "noted"
                    Expect.isLessThan cut 4 "no more than the marker and bits that fill up the last byte"
                | None -> Expect.isGreaterThan cut 2 "without its marker a file is read")

            test
                "a file whose only fault is the missing end marker is read and noted; one without its last row is refused" {
                let unended = field "no-eoi.jpg"
                let image = decode unended
                let whole = decode (Array.append unended [| 0xFFuy; 0xD9uy |])
                Expect.equal image.Pixels whole.Pixels "pixels"
                Expect.isEmpty whole.Notes "nothing to note with its end"
                Expect.stringContains image.Notes[0] noEnd "noted"
                let turned = decode (withOrientation 6 unended)
                Expect.stringContains turned.Notes[0] noEnd "noted when turned"

                for cut in [ 4; 10; 100; 1000 ] do
                    Expect.stringContains
                        (inputError (fun () -> decode unended[.. unended.Length - cut] |> ignore))
                        "truncated"
                        $"{cut} bytes less"
            }

            test "many threads decode at once, and notes stay with their pictures" {
                let unended = field "no-eoi.jpg"
                let whole = Array.append unended [| 0xFFuy; 0xD9uy |]
                let pixels = (decode whole).Pixels

                Parallel.For(
                    0,
                    200,
                    fun i ->
                        let image = decode (if i % 3 = 0 then unended else whole)

                        if image.Notes.Count <> (if i % 3 = 0 then 1 else 0) || image.Pixels <> pixels then
                            failwith $"picture {i}"
                )
                |> ignore
            }

            test "2,000 pictures, some of them refused, leave no memory behind" {
                let kinds =
                    [|
                        field "plain-420.jpg"
                        field "no-eoi.jpg"
                        field "photo.tif"
                        (field "plain-420.jpg")[..2000]
                        cmykJpeg
                    |]

                let run count =
                    for i in 0 .. count - 1 do
                        try
                            decode kinds[i % kinds.Length] |> ignore
                        with :? InputError ->
                            ()

                    GC.Collect()
                    GC.WaitForPendingFinalizers()
                    use self = Process.GetCurrentProcess()
                    self.WorkingSet64

                let before = run 500
                Expect.isLessThan (run 2000 - before) 20_000_000L "bytes more after 2,000"
            }

            test "memory of pictures is used again by pictures of their size" {
                let buffers = PixelBuffers 1000L
                let first, second = buffers.Rent 600, buffers.Rent 600
                buffers.Return first
                buffers.Return second
                Expect.equal buffers.Kept 600L "up to the limit"
                Expect.isTrue (obj.ReferenceEquals(buffers.Rent 600, first)) "again"
                Expect.equal (buffers.Rent 300).Length 300 "another size"
                Expect.equal buffers.Kept 0L "nothing left"
            }
        ]
