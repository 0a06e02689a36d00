module DeqDet.Tests.DataJpegTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open SkiaSharp
open DeqDet.Images
open DeqDet.Images.Jpeg
open DeqDet.Tests.DataFiles
open DeqDet.Tests.Seeded

/// SkiaSharp's own decoding: whether it was content, and RGB bytes.
let private general (file: byte[]) : (SKCodecResult * int * int * byte[]) option =
    use data = SKData.CreateCopy file
    use codec = SKCodec.Create data

    if isNull codec || codec.Info.Width * codec.Info.Height > 100_000 then
        None
    else
        let width, height = codec.Info.Width, codec.Info.Height

        let info =
            SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque, null)

        use bitmap = new SKBitmap(info)
        let result = codec.GetPixels(info, bitmap.GetPixels())
        let rgba = bitmap.Bytes

        Some(result, width, height, Array.init (width * height * 3) (fun i -> rgba[i / 3 * 4 + i % 3]))

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

let private quick (file: byte[]) width height =
    Option.ofObj (JpegDecoder.Decode(ReadOnlySpan file, width, height))

let private isHere = Runtime.Intrinsics.X86.Avx2.IsSupported

[<Tests>]
let tests =
    testList
        "JPEG"
        [
            testProperty "pictures decode to libjpeg's bytes, without its help"
            <| Prop.forAll (Arb.fromGen files) (fun (width, height, quality, sampling, seed) ->
                let file = encoded width height quality sampling seed
                let _, _, _, expected = (general file).Value

                match quick file width height with
                | Some image -> Expect.equal image.Pixels expected "pixels"
                | None ->
                    let narrow = width <= 4 && sampling <> SKJpegEncoderDownsample.Downsample444
                    Expect.isTrue (narrow || not isHere) $"left to libjpeg: {width} x {height}")

            testProperty "damaged files are left to libjpeg, or decode to its bytes"
            <| Prop.forAll
                (Arb.fromGen (
                    Gen.zip files (Gen.listOfLength 3 (Gen.zip (Gen.choose (0, 100_000)) (Gen.choose (0, 255))))
                ))
                (fun ((width, height, quality, sampling, seed), damage) ->
                    let file = encoded width height quality sampling seed

                    // In the scan as well as in the headers.
                    for place, value in damage do
                        file[2 + place % (file.Length - 2)] <- byte value

                    match general file with
                    | None -> ()
                    | Some(result, width, height, expected) ->
                        match quick file width height with
                        | None -> ()
                        | Some image ->
                            Expect.equal result SKCodecResult.Success "libjpeg was content"
                            Expect.equal image.Pixels expected "pixels")

            test "grey pictures are decoded, other kinds and other sizes left to libjpeg" {
                if isHere then
                    let _, _, _, expected = (general greyJpeg).Value
                    Expect.equal (quick greyJpeg 8 8).Value.Pixels expected "grey"
                    Expect.isSome (quick (withOrientation 6 quarteredJpeg) 32 16) "EXIF is no hindrance"

                Expect.isNone (quick cmykJpeg 8 8) "CMYK"
                Expect.isNone (quick greyJpeg 16 8) "another size"
                Expect.isNone (quick palettePng 2 1) "no JPEG"
                Expect.isNone (quick [||] 1 1) "nothing"

                for length in 0 .. quarteredJpeg.Length - 1 do
                    Expect.isNone (quick quarteredJpeg[.. length - 1] 32 16) "truncated"
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
