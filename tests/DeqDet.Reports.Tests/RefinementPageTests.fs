/// The page and the moving picture of a refinement: what they hold, and that no name becomes markup.
module DeqDet.Tests.RefinementPageTests

open System
open System.IO
open System.Text
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open SkiaSharp
open DeqDet
open DeqDet.Coco
open DeqDet.Detection
open DeqDet.Images
open DeqDet.Reports
open DeqDet.Reports.Pages

let private image =
    RgbImage(Array.init (80 * 60 * 3) (fun i -> byte (90 + i % 7)), 80, 60)

let private states = 5

/// A query whose box moves to the right, with two points on each of two levels of four.
let private query number isKept hasEquilibrium : FollowedQuery =
    let looked = if hasEquilibrium then states else states - 1

    {
        Query = number
        IsKept = isKept
        Report =
            if hasEquilibrium then
                Some(FoundPageTests.report 0.00123456 4)
            else
                None
        Moments =
            [|
                for at in 0 .. states - 1 ->
                    let x = float32 (4 * at + 10 * number)

                    {
                        Box = Box(x, 10.06f, x + 30.0f, 40.0f)
                        Label = (if at = 0 then 2 else 0)
                        Score = 0.2f * float32 at + 0.12345f
                        Residual = if at = 0 then nan else 1.23456 / pown 10.0 at
                    }
            |]
        Points = [| for _ in 1..looked -> [| 20f; 15f; 40f; 30f; -4000f; 5f; nanf; 60f |] |]
        LevelWeights =
            [|
                for _ in 1..looked -> Array.concat [ for _ in 1..4 -> [| 0.5f; 0.25f; 0.25f; 0.0f |] ]
            |]
    }

/// Two queries that were kept and one that was not, whose box is nowhere and of which no points are there.
let followed (hasEquilibrium: bool) : FollowedImage =
    let lost = query 2 false hasEquilibrium

    {
        HasEquilibrium = hasEquilibrium
        Strides = [| 4.0; 8.0; 16.0; 32.0 |]
        Queries =
            [|
                query 0 true hasEquilibrium
                query 1 true hasEquilibrium
                { lost with
                    Moments =
                        [|
                            for at, moment in Array.indexed lost.Moments ->
                                if at = 1 then
                                    { moment with
                                        Box = Box(nanf, 0f, infinityf, 1f)
                                        Score = nanf
                                    }
                                else
                                    moment
                        |]
                    Points = [||]
                    LevelWeights = [||]
                }
            |]
    }

let page (file: string) (followed: FollowedImage) (animation: string) =
    RefinementPage(
        file,
        "model",
        "of at least 0.3",
        80,
        60,
        Nullable 0.01,
        FoundPageTests.classes,
        followed,
        Thumbnail.Webp(image, 80),
        "gallery.html",
        animation
    )

let private write file followed =
    use stream = new MemoryStream()
    (page file followed "a b.webp").Write stream
    let html = Encoding.UTF8.GetString(stream.ToArray())

    let data =
        Regex.Match(html, "<script type=\"application/json\" id=\"data\">(.*?)</script>", RegexOptions.Singleline)

    use json = JsonDocument.Parse data.Groups[1].Value
    html, json.RootElement.Clone()

let private decode (file: byte[]) =
    use codec = SKCodec.Create(new MemoryStream(file))
    codec.Info.Width, codec.Info.Height, [ for frame in codec.FrameInfo -> frame.Duration ]

[<Tests>]
let tests =
    testList
        "Refinement page"
        [
            testCase "states of each query in few digits, and what is not finite as null"
            <| fun () ->
                let _, page = write "x/ü 中.png" (followed true)
                Expect.equal (page.GetProperty("file").GetString()) "x/ü 中.png" "file"
                Expect.equal (page.GetProperty("states").GetInt32()) 5 "states"
                let queries = page.GetProperty "queries"

                let raw (query: int) (key: string) =
                    queries[query].GetProperty(key).GetRawText()

                Expect.equal
                    (raw 1 "boxes")
                    "[10,10.1,40,40,14,10.1,44,40,18,10.1,48,40,22,10.1,52,40,26,10.1,56,40]"
                    "boxes"

                Expect.equal (raw 0 "labels") "[1,0,0,0,0]" "places among the classes that occur"
                Expect.equal (page.GetProperty("classes").GetArrayLength()) 2 "those"
                Expect.equal (raw 0 "scores") "[0.123,0.323,0.523,0.723,0.923]" "scores"
                Expect.equal (raw 0 "residuals") "[null,0.123,0.0123,0.00123,0.000123]" "residuals"
                Expect.stringStarts (raw 2 "boxes") "[20,10.1,50,40,null,0,null,1," "no box"
                Expect.equal (queries[2].TryGetProperty("points") |> fst) false "no points"
                Expect.isTrue (queries[0].GetProperty("settled").GetBoolean()) "settled"

            testCase "points come back as places in parts of the picture, and levels as shares of 255"
            <| fun () ->
                let _, page = write "a.png" (followed true)
                let query = page.GetProperty("queries")[0]

                let bytes (key: string) =
                    Convert.FromBase64String(query.GetProperty(key).GetString())

                let places = bytes "points"

                Expect.equal
                    [ for i in 0..7 -> int (BitConverter.ToInt16(places, 2 * i)) ]
                    [ 2048; 2048; 4096; 4096; -32768; 683; -32768; 8192 ]
                    "x, y; what is far outside lies outside"

                Expect.equal places.Length (5 * 8 * 2) "every state's"
                Expect.equal (bytes "levels" |> Array.truncate 4) [| 128uy; 64uy; 64uy; 0uy |] "levels"

            testCase "a page of many queries with many points stays small: those of the surest are kept"
            <| fun () ->
                let many (points: int) =
                    let one = query 0 true true

                    { one with
                        Points = [| for _ in 1..22 -> Array.create (2 * points) 20f |]
                        LevelWeights = [| for _ in 1..22 -> Array.create (4 * points) 0.25f |]
                    }

                let html, page =
                    write
                        "a.png"
                        { followed true with
                            Queries = Array.create 300 (many 128)
                        }

                Expect.isLessThan html.Length 900_000 "characters"
                let queries = [ for query in page.GetProperty("queries").EnumerateArray() -> query ]
                Expect.hasLength queries 120 "at most"

                let withPoints =
                    queries |> List.map (fun query -> query.TryGetProperty("points") |> fst)

                Expect.equal withPoints (List.sortDescending withPoints) "the first ones"
                Expect.isGreaterThan (List.filter id withPoints).Length 15 "some"

            testCase "no name becomes markup, nothing is fetched, and equal input gives equal bytes"
            <| fun () ->
                let name = "</script><script>alert(1)</script><!--data-->'\"><b>.png"
                let html, page = write name (followed true)
                Expect.equal (page.GetProperty("file").GetString()) name "the name"
                let count (part: string) = Regex.Matches(html, part).Count
                Expect.equal (count "<script", count "</script>") (2, 2) "the page's own scripts alone"

                for part in [ "<b>"; "innerHTML"; "insertAdjacentHTML"; "https?://(?!www.w3.org/2000/svg)" ] do
                    Expect.equal (count part) 0 part

                Expect.stringContains html "default-src 'none'" "nothing is fetched"
                Expect.equal (write name (followed true) |> fst) html "equal bytes"

            testCase "the moving picture has every state, more frames where boxes move, and none where nothing was kept"
            <| fun () ->
                for hasEquilibrium in [ true; false ] do
                    let all = followed hasEquilibrium

                    // one that goes nowhere must not spoil the others
                    let all =
                        { all with
                            Queries = [| for query in all.Queries -> { query with IsKept = true } |]
                        }

                    let width, height, times =
                        decode (RefinementAnimation.Of(image, all, FoundPageTests.classes))

                    Expect.equal (width, height) (480, 394) "enlarged, with a strip below"
                    Expect.isGreaterThan times.Length (2 * states) "frames between the states"
                    Expect.isGreaterThan (List.head times) 500 "the first is seen"
                    Expect.isGreaterThan (List.last times) 2000 "and the last"

                let nothing =
                    { followed true with
                        Queries = [| query 0 false true |]
                    }

                Expect.isNull (RefinementAnimation.Of(image, nothing, FoundPageTests.classes)) "nothing would move"

                let large = RgbImage(Array.zeroCreate (2000 * 1000 * 3), 2000, 1000)

                let one =
                    { followed true with
                        Queries =
                            [|
                                { query 0 true true with
                                    Moments = (query 0 true true).Moments[..0]
                                }
                            |]
                    }

                let width, height, _ =
                    decode (RefinementAnimation.Of(large, one, FoundPageTests.classes))

                Expect.equal (width, height) (640, 354) "shrunk; a single state is a picture"

            testCase "residuals have colours from red to green by their logarithm"
            <| fun () ->
                let hue residual =
                    let mutable h, s, l = 0f, 0f, 0f
                    (ResidualColour.Of residual).ToHsl(&h, &s, &l)
                    h

                let hues = [ for residual in [ 5.0; 1.0; 0.1; 0.01; 0.001; 0.0 ] -> hue residual ]
                Expect.equal hues (List.sort hues) "in order"
                Expect.isLessThan (abs (hues[0] - 0f)) 2f "red"
                Expect.isLessThan (abs (List.last hues - 140f)) 2f "green"
                Expect.equal (ResidualColour.Of nan) ResidualColour.Unmeasured "not measured"
        ]
