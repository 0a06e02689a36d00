/// The page of what a detector found: what it says, and that no name becomes markup.
module DeqDet.Tests.FoundPageTests

open System
open System.IO
open System.Text
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open DeqDet
open DeqDet.Coco
open DeqDet.Detection
open DeqDet.Images
open DeqDet.Reports.Pages
open DeqDet.Solver

let classes =
    [|
        for i, name in List.indexed [ "cat"; "</script><script>alert(1)</script>"; "<!--data-->" ] ->
            { Id = CocoId(int64 i); Name = name }
    |]

let report (residual: float) (steps: int) : Report =
    {
        Outcome = Converged
        Steps = steps
        Evaluations = steps
        Residual = residual
        RelativeResidual = residual
        ContractionRate = nan
        EmpiricalError = nan
    }

let finding label score box report : Finding =
    {
        Class = classes[label]
        Label = label
        Score = score
        Box = box
        Query = 0
        Report = report
    }

let private picture =
    Thumbnail.Webp(RgbImage(Array.zeroCreate (8 * 6 * 3), 8, 6), 8)

let image file found =
    FoundImage(file, "a b.png", 80, 60, Array.ofList found, 7, 5, 6, picture, "a b.refinement.html")

let private write (images: FoundImage list) =
    use stream = new MemoryStream()
    FoundPage("model", "of at least 0.3", Nullable 0.01, classes, 9, Array.ofList images).Write stream
    let html = Encoding.UTF8.GetString(stream.ToArray())

    let data =
        Regex.Match(html, "<script type=\"application/json\" id=\"data\">(.*?)</script>", RegexOptions.Singleline)

    use json = JsonDocument.Parse data.Groups[1].Value
    html, json.RootElement.Clone()

[<Tests>]
let tests =
    testList
        "Found page"
        [
            testCase "boxes with class, score, residual and steps, inside their images"
            <| fun () ->
                let _, page =
                    write
                        [
                            image
                                "x/a.jpg"
                                [
                                    finding 0 0.75f (Box(10.5f, 5f, 30.5f, 25f)) (Some(report 0.001 7))
                                    finding 2 0.5f (Box(-10f, -1e30f, 10f, 1e30f)) (Some(report infinity 3))
                                    finding 0 0.25f (Box(1f, 2f, 3f, 4f)) None
                                ]
                            image "b.jpg" []
                        ]

                let images = page.GetProperty "images"

                Expect.equal
                    [
                        for box in images[0].GetProperty("boxes").EnumerateArray() -> box.GetRawText()
                    ]
                    [
                        "[10.5,5,20,20,0,0.75,0.001,7]"
                        "[0,0,10,60,2,0.5,null,3]"
                        "[1,2,2,2,0,0.25,null,null]"
                    ]
                    "boxes"

                Expect.equal (images[1].GetProperty("boxes").GetArrayLength()) 0 "nothing"
                Expect.equal (images[0].GetProperty("settled").GetInt32()) 5 "of its queries"
                Expect.equal (page.GetProperty("looked_at").GetInt32()) 9 "more than are shown"
                Expect.equal (page.GetProperty("tolerance").GetDouble()) 0.01 "the tolerance"

                let kept = Convert.FromBase64String(images[0].GetProperty("picture").GetString())

                Expect.equal (ImageFile.Decode(kept, "it", Nullable())).Width 8 "a picture"

            testCase "no name becomes markup, and nothing is fetched"
            <| fun () ->
                let names = [ "'\"><b>.png"; "<!--script-->"; "中 ü.jpg" ]
                let html, page = write [ for name in names -> image name [] ]

                Expect.equal
                    [
                        for image in page.GetProperty("images").EnumerateArray() ->
                            image.GetProperty("file").GetString()
                    ]
                    names
                    "files"

                Expect.equal
                    [
                        for kind in page.GetProperty("classes").EnumerateArray() -> kind.GetProperty("name").GetString()
                    ]
                    [ for kind in classes -> kind.Name ]
                    "classes"

                let count (part: string) = Regex.Matches(html, part).Count
                Expect.equal (count "<script", count "</script>") (2, 2) "the page's own scripts alone"

                for part in [ "<b>"; "innerHTML"; "insertAdjacentHTML"; "https?://(?!www.w3.org/2000/svg)" ] do
                    Expect.equal (count part) 0 part

                Expect.stringContains html "default-src 'none'" "nothing is fetched"
                Expect.equal (write [ for name in names -> image name [] ] |> fst) html "equal input gives equal bytes"
        ]
