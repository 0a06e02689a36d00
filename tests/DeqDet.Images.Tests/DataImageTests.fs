module DeqDet.Tests.DataImageTests

open System
open System.IO
open Expecto
open DeqDet.Data
open DeqDet.Images
open DeqDet.Tests.DataFiles
open DeqDet.Tests.Seeded

let private decode (bytes: byte[]) =
    ImageFile.Decode(bytes, "picture", Nullable())

let private decodeStated width height (bytes: byte[]) =
    ImageFile.Decode(bytes, "picture", stated width height)

let private pixel (image: RgbImage) x y =
    image.Row(y).Slice(x * 3, 3).ToArray() |> Array.map int |> List.ofArray

let private near (expected: int list) (actual: int list) message =
    for e, a in List.zip expected actual do
        Expect.isLessThanOrEqual (abs (e - a)) 3 $"{message}: {actual} for {expected}"

let private red, blue, green, yellow =
    [ 220; 30; 30 ], [ 30; 30; 220 ], [ 30; 200; 30 ], [ 220; 220; 60 ]

/// Colours of the quarters: upper left, upper right, lower left, lower right.
let private quarters (image: RgbImage) =
    let right, low = image.Width - 3, image.Height - 3

    [
        pixel image 2 2
        pixel image right 2
        pixel image 2 low
        pixel image right low
    ]

/// For each EXIF orientation, the upright quarters.
let private orientations =
    [
        1, [ red; blue; green; yellow ]
        2, [ blue; red; yellow; green ]
        3, [ yellow; green; blue; red ]
        4, [ green; yellow; red; blue ]
        5, [ red; green; blue; yellow ]
        6, [ green; red; yellow; blue ]
        7, [ yellow; blue; green; red ]
        8, [ blue; yellow; red; green ]
    ]

[<Tests>]
let tests =
    testList
        "image files"
        [
            test "a PNG we write reads back byte for byte" {
                let random = randomOf 3L

                for width, height in [ 1, 1; 5, 3; 64, 40 ] do
                    let bytes = Array.init (width * height * 3) (fun _ -> byte (random.Below 256))
                    let image = decode (PngWriter.Encode(ReadOnlySpan bytes, width, height))
                    Expect.equal (image.Width, image.Height) (width, height) "size"
                    Expect.equal image.Pixels bytes "pixels"
            }

            test "palette, grey with alpha and 16 bits become 8-bit RGB" {
                Expect.equal (decode palettePng).Pixels [| 200uy; 100uy; 50uy; 10uy; 20uy; 30uy |] "palette"

                Expect.equal
                    (decode greyAlphaPng).Pixels
                    [| 77uy; 77uy; 77uy; 200uy; 200uy; 200uy |]
                    "transparency is dropped, not blended"

                Expect.equal (decode rgb16Png).Pixels [| 255uy; 128uy; 0uy; 18uy; 64uy; 192uy |] "16 bits"
            }

            test "grey-scale and CMYK JPEG and WebP become RGB" {
                let grey = decode greyJpeg
                Expect.equal (grey.Width, grey.Height) (8, 8) "size"
                near [ 90; 90; 90 ] (pixel grey 4 4) "grey"
                near [ 255; 128; 64 ] (pixel (decode cmykJpeg) 4 4) "CMYK"

                for actual, expected in List.zip (quarters (decode quarteredWebp)) (snd orientations.Head) do
                    Expect.equal actual expected "WebP"
            }

            test "the EXIF orientation is applied" {
                for orientation, expected in orientations do
                    let image = decode (withOrientation orientation quarteredJpeg)
                    let size = if orientation >= 5 then 16, 32 else 32, 16
                    Expect.equal (image.Width, image.Height) size $"size with orientation {orientation}"

                    for e, a in List.zip expected (quarters image) do
                        near e a $"orientation {orientation}"
            }

            test "a size stated by the annotations decides what was annotated" {
                let turned = withOrientation 6 quarteredJpeg
                Expect.equal (decodeStated 16 32 turned).Width 16 "annotated upright"
                let stored = decodeStated 32 16 turned
                Expect.equal stored.Width 32 "annotated as stored"
                near red (pixel stored 2 2) "not turned"

                let message = inputError (fun () -> decodeStated 33 16 turned |> ignore)
                Expect.stringContains message "32 x 16" "the file's size"
                Expect.stringContains message "33 x 16" "the stated size"
            }

            test "missing, empty, truncated, damaged and foreign files are named" {
                let cut = quarteredJpeg[.. quarteredJpeg.Length - 20]

                for bytes, word in
                    [
                        [||], "empty"
                        cut, "truncated"
                        quarteredJpeg[..30], "picture"
                        palettePng[.. palettePng.Length - 26], "picture"
                        "hello, no image"B, "not a readable image"
                    ] do
                    let message = inputError (fun () -> decode bytes |> ignore)
                    Expect.stringStarts message "picture: " "names the file"
                    Expect.stringContains message word "says what is wrong"

                inFolder (fun folder ->
                    let missing = Path.Combine(folder, "nowhere.jpg")
                    let message = inputError (fun () -> ImageFile.Load(missing, Nullable()) |> ignore)
                    Expect.stringStarts message missing "names the missing file"
                    let message = inputError (fun () -> ImageFile.Load(folder, Nullable()) |> ignore)
                    Expect.stringStarts message folder "names the folder")
            }

            test "a small file that claims a huge size is refused before it is decoded" {
                let before = GC.GetAllocatedBytesForCurrentThread()
                let message = inputError (fun () -> decode bombPng |> ignore)
                Expect.stringContains message "40000 x 40000" "the size"
                Expect.isLessThan (GC.GetAllocatedBytesForCurrentThread() - before) 1_000_000L "nothing large was made"
            }

            test "a picture of one pixel and one of 20,000 pixels' width are prepared like any other" {
                for width, height, toWidth, toHeight in [ 1, 1, 800, 800; 20_000, 2, 1333, 1 ] do
                    let bytes = Array.init (width * height * 3) (fun i -> byte (i % 251))
                    let image = decode (PngWriter.Encode(ReadOnlySpan bytes, width, height))
                    Expect.equal image.Pixels bytes "decoded"
                    let view = Example(image, [||], [||]).Resized(ResizeLimit(800, 1333)).View
                    Expect.equal (view.Width, view.Height) (toWidth, toHeight) "size"
                    Expect.equal (view.Render()).Pixels.Length (toWidth * toHeight * 3) "resized"
            }

            test "a header is read without the pixels, and refused like the whole" {
                inFolder (fun folder ->
                    let header (bytes: byte[]) =
                        let path = Path.Combine(folder, "picture")
                        File.WriteAllBytes(path, bytes)
                        ImageHeader.Read path

                    Expect.equal (header (withOrientation 6 quarteredJpeg)) (ImageHeader(32, 16, 6, "JPEG")) "JPEG"
                    Expect.equal (header rgb16Png) (ImageHeader(2, 1, 1, "PNG")) "PNG"
                    Expect.equal (header quarteredWebp) (ImageHeader(32, 16, 1, "WEBP")) "WebP"

                    for bytes, word in [ [||], "empty"; bombPng, "40000 x 40000"; "hello"B, "not a readable image" ] do
                        Expect.stringContains (inputError (fun () -> header bytes |> ignore)) word "refused"

                    let missing = Path.Combine(folder, "missing")

                    Expect.stringContains
                        (inputError (fun () -> ImageHeader.Read missing |> ignore))
                        "no such"
                        "missing")
            }

            test "every truncation of a JPEG and a PNG ends in an image or an InputError" {
                for file in [ quarteredJpeg; cmykJpeg; rgb16Png; palettePng ] do
                    for length in 0 .. file.Length - 1 do
                        try
                            decode file[.. length - 1] |> ignore
                        with :? DeqDet.InputError ->
                            ()
            }
        ]
