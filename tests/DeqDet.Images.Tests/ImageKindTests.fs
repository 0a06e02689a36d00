module DeqDet.Tests.ImageKindTests

open System
open System.IO
open System.Text
open Expecto
open DeqDet.Images
open DeqDet.Tests.DataFiles

let private decode (bytes: byte[]) =
    ImageFile.Decode(bytes, "picture", Nullable())

let private field name =
    File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "field", "11-odd-images", name))

/// A little-endian TIFF file without compression: fields as tag and value (16 bits, or an array of them), then pixels in one strip.
let private tiff width height (fields: (int * int list) list) (pixels: byte[]) : byte[] =
    let fields =
        Map.ofList
            [
                256, [ width ]
                257, [ height ]
                259, [ 1 ]
                278, [ height ]
                279, [ pixels.Length ]
            ]
        |> Map.fold (fun all tag value -> Map.add tag value all) (Map.ofList fields)

    let fields = Map.add 273 [ 0 ] fields |> Map.toList
    let far = 8 + 2 + 12 * fields.Length + 4

    let long =
        fields
        |> List.collect (fun (_, values) -> if values.Length > 2 then values else [])

    let start = far + 2 * long.Length
    use stream = new MemoryStream()
    use writer = new BinaryWriter(stream)
    writer.Write "II*\000"B
    writer.Write 8
    writer.Write(int16 fields.Length)
    let mutable place = far

    for tag, values in fields do
        writer.Write(uint16 tag)
        writer.Write 3s
        writer.Write values.Length

        match values with
        | [ _ ] when tag = 273 -> writer.Write start
        | [ one ] -> writer.Write one
        | [ one; two ] -> writer.Write(one ||| (two <<< 16))
        | many ->
            writer.Write place
            place <- place + 2 * many.Length

    writer.Write 0

    for value in long do
        writer.Write(int16 value)

    writer.Write pixels
    stream.ToArray()

let private rgb = [ 258, [ 8; 8; 8 ]; 262, [ 2 ]; 277, [ 3 ] ]

let private sixteen (values: int list) : byte[] =
    values |> List.map uint16 |> List.map BitConverter.GetBytes |> Array.concat

let private bytesOf (start: byte[]) =
    Array.append start (Array.zeroCreate 200)

let private boxed (brand: string) =
    bytesOf (Array.append [| 0uy; 0uy; 0uy; 24uy |] (Encoding.ASCII.GetBytes("ftyp" + brand)))

[<Tests>]
let tests =
    testList
        "kinds of image files"
        [
            test "TIFF is read, whatever the file is called" {
                let image = decode (field "photo.tif")
                Expect.equal (image.Width, image.Height) (61, 47) "size"
                Expect.equal (decode (field "tiff-named.jpg")).Pixels image.Pixels "under another name"

                inFolder (fun folder ->
                    let path = Path.Combine(folder, "größe 😀[1].png")
                    File.WriteAllBytes(path, field "photo.tif")
                    Expect.equal (ImageFile.Load(path, Nullable())).Pixels image.Pixels "under any name"
                    Expect.equal (ImageHeader.Read path) (ImageHeader(image.Width, image.Height, 1, "TIFF")) "header"
                    File.WriteAllBytes(path, withOrientation 6 quarteredJpeg)
                    Expect.equal (ImageHeader.Read path) (ImageHeader(32, 16, 6, "JPEG")) "JPEG under such a name")
            }

            test "TIFF: colours, depths and orientation" {
                let pixels = [| 1uy .. 6uy |]
                Expect.equal (decode (tiff 2 1 rgb pixels)).Pixels pixels "RGB"
                let grey = [ 258, [ 8 ]; 262, [ 1 ]; 277, [ 1 ] ]
                Expect.equal (decode (tiff 2 1 grey [| 7uy; 9uy |])).Pixels [| 7uy; 7uy; 7uy; 9uy; 9uy; 9uy |] "grey"
                let grey16 = [ 258, [ 16 ]; 262, [ 1 ]; 277, [ 1 ] ]

                Expect.equal
                    (decode (tiff 2 1 grey16 (sixteen [ 0x12FF; 0xFE01 ]))).Pixels
                    [| 0x12uy; 0x12uy; 0x12uy; 0xFEuy; 0xFEuy; 0xFEuy |]
                    "16 bits"

                let rgb16 = [ 258, [ 16; 16; 16 ]; 262, [ 2 ]; 277, [ 3 ] ]

                Expect.equal
                    (decode (tiff 1 1 rgb16 (sixteen [ 0x0180; 0x8000; 0xFFFF ]))).Pixels
                    [| 1uy; 128uy; 255uy |]
                    "RGB of 16 bits"

                let cmyk = [ 258, [ 8; 8; 8; 8 ]; 262, [ 5 ]; 277, [ 4 ] ]

                Expect.equal
                    (decode (tiff 2 1 cmyk [| 0uy; 127uy; 191uy; 0uy; 0uy; 0uy; 0uy; 255uy |])).Pixels
                    [| 255uy; 128uy; 64uy; 0uy; 0uy; 0uy |]
                    "CMYK"

                let alpha = [ 258, [ 8; 8; 8; 8 ]; 262, [ 2 ]; 277, [ 4 ]; 338, [ 2 ] ]

                Expect.equal
                    (decode (tiff 1 1 alpha [| 1uy; 2uy; 3uy; 0uy |])).Pixels
                    [| 1uy; 2uy; 3uy |]
                    "alpha is dropped"

                let turned = decode (tiff 2 1 ((274, [ 6 ]) :: rgb) pixels)
                Expect.equal (turned.Width, turned.Height) (1, 2) "turned"
            }

            test "TIFF: truncated, huge and foreign pixels and the previews of raw files are refused" {
                let refused word (bytes: byte[]) =
                    let message = inputError (fun () -> decode bytes |> ignore)
                    Expect.stringStarts message "picture: " "names the file"
                    Expect.stringContains message word "says why"

                let whole = tiff 20 20 rgb (Array.create 1200 9uy)
                refused "truncated or damaged" whole[.. whole.Length - 100]
                refused "60000 x 60000" (tiff 60000 60000 rgb [| 0uy |])
                refused "Float" (tiff 1 1 [ 258, [ 32 ]; 262, [ 1 ]; 277, [ 1 ]; 339, [ 3 ] ] (Array.zeroCreate 4))
                refused "raw file" (tiff 2 1 ((254, [ 1 ]) :: rgb) [| 1uy .. 6uy |])
                refused "raw file" (tiff 2 1 ((50706, [ 1; 4; 0; 0 ]) :: rgb) [| 1uy .. 6uy |])
            }

            test "files of kinds that are not read are named by their content" {
                for kind, bytes in
                    [
                        "a JPEG 2000 image", field "photo.jp2"
                        "a JPEG 2000 image", bytesOf [| 0xFFuy; 0x4Fuy; 0xFFuy; 0x51uy |]
                        "a JPEG XL image", bytesOf [| 0xFFuy; 0x0Auy |]
                        "a HEIC image", boxed "heic"
                        "an AVIF image", boxed "avif"
                        "a video", boxed "isom"
                        "a camera's raw file", boxed "crx "
                        "a camera's raw file", bytesOf "II*\000\016\000\000\000CR\002\000"B
                        "a Photoshop file", bytesOf "8BPS"B
                        "a PDF document", bytesOf "%PDF-1.7\n"B
                        "an SVG drawing", "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>"B
                        "a web page", "<!DOCTYPE html><html></html>"B
                        "Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"B
                        "text", "BM? hello, no image"B
                        "no known kind", [| 1uy; 2uy; 3uy |]
                    ] do
                    let message = inputError (fun () -> decode bytes |> ignore)
                    Expect.stringStarts message "picture: not a readable image" kind
                    Expect.stringContains message kind "named"

                    inFolder (fun folder ->
                        let path = Path.Combine(folder, "picture.png")
                        File.WriteAllBytes(path, bytes)
                        let header = inputError (fun () -> ImageHeader.Read path |> ignore)
                        Expect.stringContains header kind "named by the header too")
            }

            test "libvips reads nothing but JPEG and TIFF" {
                decode quarteredJpeg |> ignore

                for bytes in
                    [
                        palettePng
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>"B
                    ] do
                    Expect.throwsT<NetVips.VipsException>
                        (fun () -> NetVips.Image.NewFromBuffer(bytes, "") |> ignore)
                        "blocked"
            }
        ]
