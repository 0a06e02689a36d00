/// Small image files for tests, as bytes.
module DeqDet.Tests.DataFiles

open System
open System.IO
open Expecto
open DeqDet

/// 16-bit RGB, 2 x 1.
let rgb16Png =
    Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAIAAAAr0DSeAAAAFUlEQVR42mP4/7+hgYFByMSB4cABACUmBQUQJD0VAAAAAElFTkSuQmCC"
    )

/// Palette, 2 x 1.
let palettePng =
    Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAMAAADD/I+4AAAABlBMVEUKFB7IZDJ3oLOcAAAAC0lEQVR42mNgZAAAAAUAAkLCRJ8AAAAASUVORK"
        + "5CYII="
    )

/// Grey with alpha, 2 x 1; the first pixel is transparent.
let greyAlphaPng =
    Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAQAAABeK7cBAAAADUlEQVR42mPwZTjRAAADSQGW7RDafQAAAABJRU5ErkJggg=="
    )

/// A PNG of 90 bytes that claims 40000 x 40000 pixels.
let bombPng =
    Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAnEAAAJxACAIAAADebplSAAAADElEQVR42mNgoD0AAABkAAG4me+ZAAAAAElFTkSuQmCC"
    )

/// CMYK JPEG as image editors write it (inverted), 8 x 8: C 0, M 127, Y 191, K 0.
let cmykJpeg =
    Convert.FromBase64String(
        "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAIAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ"
        + "EBAQEB/8AAFAgACAAIBAERAAIRAAMRAAQRAP/EABwAAAAACQAAAAAAAAAAAAAAAAABAgMEBQYHCP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAO"
        + "BAEAAgADAAQAAD8Af+A78/8Af//Z"
    )

/// Grey-scale JPEG, 8 x 8, level 90.
let greyJpeg =
    Convert.FromBase64String(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDA"
        + "sKDAkKCgr/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AM7//2Q=="
    )

/// The picture of `quarteredJpeg`, lossless WebP.
let quarteredWebp =
    Convert.FromBase64String(
        "UklGRkQAAABXRUJQVlA4TDcAAAAvH8ADAB8gECBOZIkUoVMgkESyP8VsAgFCiRj/CWLmP+iJYwJBts0kJ3nJAVwgov+xbQA/1apbAA=="
    )

/// JPEG, 32 x 16: quarters (220,30,30) (30,30,220) / (30,200,30) (220,220,60).
let quarteredJpeg =
    Convert.FromBase64String(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDA"
        + "sKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/wAARCAAQ"
        + "ACADASIAAhEBAxEB/8QAFwABAQEBAAAAAAAAAAAAAAAAAAgJCv/EABQQAQAAAAAAAAAAAAAAAAAAAAD/xAAVAQEBAAAAAAAAAAAAAAAAAAAGCP"
        + "/EABwRAAEDBQAAAAAAAAAAAAAAAAAWGWNmoqTi5P/aAAwDAQACEQMRAD8AlsVYJPVkN2owctpXO4zMcdLAs5z2ks/iBaMnt2P/2Q=="
    )

/// A JPEG with an EXIF block that states the orientation (1 to 8), put in after its first marker.
let withOrientation (orientation: int) (jpeg: byte[]) : byte[] =
    let tiff =
        [|
            yield! "MM"B
            yield! [| 0uy; 42uy; 0uy; 0uy; 0uy; 8uy; 0uy; 1uy |]
            yield! [| 1uy; 0x12uy; 0uy; 3uy; 0uy; 0uy; 0uy; 1uy; 0uy; byte orientation; 0uy; 0uy |]
            yield! [| 0uy; 0uy; 0uy; 0uy |]
        |]

    let body = Array.append "Exif\000\000"B tiff
    let length = body.Length + 2

    let segment =
        Array.append [| 0xFFuy; 0xE1uy; byte (length >>> 8); byte length |] body

    Array.concat [ jpeg[..1]; segment; jpeg[2..] ]

/// The size that annotations state.
let stated (width: int) (height: int) : Nullable<struct (int * int)> =
    Nullable<struct (int * int)>(struct (width, height))

/// Runs a test in a new folder that is removed afterwards.
let inFolder (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory("deqdet-data-").FullName

    try
        test folder
    finally
        Directory.Delete(folder, recursive = true)

/// The message of the InputError that an action ends with; fails the test when it ends otherwise.
let inputError (action: unit -> unit) : string =
    let outcome =
        try
            action ()
            Error "nothing was raised"
        with
        | :? InputError as error -> Ok error.Message
        | error -> Error $"{error.GetType().Name} was raised: {error.Message}"

    match outcome with
    | Ok message ->
        Expect.isFalse (message.Contains '\n') "the message is one line"
        message
    | Error other -> failtestf "an InputError was expected, but %s" other
