/// Moving pictures: what is encoded can be decoded, frame by frame and with its times, by another library.
module DeqDet.Tests.AnimatedPictureTests

open System
open System.IO
open Expecto
open SkiaSharp
open DeqDet.Images

/// A square at a place on a smooth ground.
let private frame (at: int) =
    let width, height = 96, 64

    let pixels =
        [|
            for y in 0 .. height - 1 do
                for x in 0 .. width - 1 do
                    if x >= at && x < at + 16 && y >= 24 && y < 40 then
                        yield! [| 250uy; 40uy; 60uy |]
                    else
                        yield! [| byte (60 + x); byte (80 + y); 120uy |]
        |]

    RgbImage(pixels, width, height)

/// Times and pixels (RGB) of all frames.
let private decode (file: byte[]) =
    use codec = SKCodec.Create(new MemoryStream(file))

    let info =
        SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Premul)

    [
        for i in 0 .. codec.FrameCount - 1 do
            use bitmap = new SKBitmap(info)

            Expect.equal
                (codec.GetPixels(info, bitmap.GetPixels(), SKCodecOptions i))
                SKCodecResult.Success
                $"frame {i}"

            codec.FrameInfo[i].Duration, bitmap.Bytes
    ]

let private apart (image: RgbImage) (rgba: byte[]) =
    [
        for i in 0 .. image.Width * image.Height - 1 do
            for c in 0..2 -> abs (float image.Pixels[3 * i + c] - float rgba[4 * i + c])
    ]
    |> List.average

[<Tests>]
let tests =
    testList
        "Animated picture"
        [
            testCase "frames and times come back, nearly as they were"
            <| fun () ->
                let frames = [| for at in [ 0; 20; 40; 60 ] -> frame at |]
                let file = AnimatedPicture.Encode(frames, [| 1000; 60; 70; 2500 |])
                let found = decode file
                Expect.equal (List.map fst found) [ 1000; 60; 70; 2500 ] "times"

                for image, (_, pixels) in Seq.zip frames found do
                    Expect.isLessThan (apart image pixels) 3.0 "its own frame"

                Expect.isGreaterThan (apart frames[0] (snd found[3])) 5.0 "not another one"
                Expect.equal (AnimatedPicture.Encode(frames, [| 1000; 60; 70; 2500 |])) file "equal input, equal bytes"

            testCase "a single frame is a picture, too"
            <| fun () ->
                let file = AnimatedPicture.Encode([| frame 10 |], [| 100 |])
                let image = ImageFile.Decode(file, "it", Nullable())
                Expect.equal (image.Width, image.Height) (96, 64) "size"

            testCase "frames of different sizes, and times for others, are no moving picture"
            <| fun () ->
                let other = RgbImage(Array.zeroCreate (3 * 8 * 8), 8, 8)

                for frames, times in [ [| frame 0; other |], [| 1; 1 |]; [| frame 0 |], [| 1; 1 |]; [||], [||] ] do
                    Expect.throwsT<ArgumentException>
                        (fun () -> AnimatedPicture.Encode(frames, times) |> ignore)
                        "refused"
        ]
