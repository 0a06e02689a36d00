/// The pages in a browser: at the width of a phone and of a desk, on light and dark ground, clicked, and worked by keys.
module DeqDet.Tests.PagesInBrowserTests

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet
open DeqDet.Coco
open DeqDet.Coco.Analysis
open DeqDet.Coco.Evaluation
open DeqDet.Images
open DeqDet.Reports.Pages
open DeqDet.Reports.Tracing
open DeqDet.Reports.Training
open DeqDet.Tests.Browser
open DeqDet.Tests.BrowserChecks

let private expectWhole = expectWhole local
let private visit = visit local

/// Pages, written by `make` into a folder, and what a reader does with them.
let private inBrowser name (make: string -> unit) (act: Browser -> string -> unit) =
    testCase name
    <| fun () ->
        withBrowser (fun browser ->
            let folder = Directory.CreateTempSubdirectory("deqdet-pages").FullName

            try
                make folder
                act browser folder
            finally
                Directory.Delete(folder, true))

let private training (folder: string) =
    let run name lr =
        TrainingPageTests.record
            name
            [ for i in 1..300 -> TrainingPageTests.step i ]
            [ TrainingPageTests.validation 30 1; TrainingPageTests.validation 30 2 ]
            (TrainingPageTests.settings lr)

    let write name (page: string) =
        File.WriteAllText(Path.Combine(folder, name), page)

    write "training.html" (TrainingPage.Write [| run "one" "0.001" |])
    write "compared.html" (TrainingPage.Write [| run "one" "0.001"; run "two" "0.002" |])

let private trace (folder: string) =
    let all = TraceReportTests.results TraceReportTests.accuracy
    File.WriteAllText(Path.Combine(folder, "trace.html"), TracePage.Write(all, TraceFigures.Of all))

/// Three images, of which two have an object of the class "a" and one has one of "b".
let private browsed (folder: string) =
    let png = PngWriter.Encode(ReadOnlySpan(Array.init (64 * 48 * 3) byte), 64, 48)

    let file = Path.Combine(folder, "a.png")
    File.WriteAllBytes(file, png)
    let picture = Thumbnail.Webp(ImageFile.Load file, 64)

    let image i label =
        BrowsedImage(
            0,
            ExportImage(
                CocoId(int64 i),
                $"image {i}.png",
                64,
                48,
                [| ExportBox(CocoId(int64 i), label, 5, 5, 30, 30) |]
            ),
            [||],
            picture
        )

    BrowsePage(
        "A data set",
        [| BrowsedPart("train", 3, 3, 0) |],
        [| BrowsedClass("a", 2, 2); BrowsedClass("b", 1, 1) |],
        [||],
        1,
        [| image 1 0; image 2 0; image 3 1 |],
        [| "a remark" |]
    )
        .Save(Path.Combine(folder, "browse.html"))

/// Two images with three detections of two classes, and one with nothing.
let private found (folder: string) =
    let finding label score =
        FoundPageTests.finding label score (Box(10f, 5f, 40f, 35f)) (Some(FoundPageTests.report 0.02 7))

    FoundPage(
        "model",
        "of at least 0.3",
        Nullable 0.05,
        FoundPageTests.classes,
        3,
        [|
            FoundPageTests.image "x/one.png" [ finding 0 0.9f; finding 1 0.6f ]
            FoundPageTests.image "x/two.png" [ finding 0 0.4f ]
            FoundPageTests.image "x/three.png" []
        |]
    )
        .Save(Path.Combine(folder, "gallery.html"))

/// A refinement to an equilibrium, one by stages, and one of which nothing was kept.
let private refinement (folder: string) =
    let save name followed animation =
        (RefinementPageTests.page name followed animation).Save(Path.Combine(folder, name + ".refinement.html"))

    save "one" (RefinementPageTests.followed true) "one.refinement.webp"
    save "stages" (RefinementPageTests.followed false) "one.refinement.webp"

    let whole = RefinementPageTests.followed true

    save
        "nothing"
        { whole with
            Queries = [| for query in whole.Queries -> { query with IsKept = false } |]
        }
        null

let private evaluation (folder: string) =
    let case = Path.Combine(GoldenFolder.path "cocoeval", "synth-base")
    let truth = GroundTruthReader.Load(Path.Combine(case, "gt.json"))
    let detections = DetectionsReader.Load(Path.Combine(case, "dt.json"))
    let result = Evaluator.Evaluate(truth, detections, EvaluationParameters.Coco)

    let analysis =
        EvaluationAnalysis.Of(truth, detections, result, AnalysisParameters.Default)

    let gallery =
        Gallery.Of(analysis, truth, detections, ImageCatalogue.Of(truth, null), Gallery.DefaultImages)

    EvaluationPage("gt.json", "dt.json", truth, detections, result, analysis, gallery)
        .Save(Path.Combine(folder, "report.html"))

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Pages in a browser"
        [
            inBrowser "a training, and two side by side" training (fun browser folder ->
                visit browser (Path.Combine(folder, "compared.html"))
                visit browser (Path.Combine(folder, "training.html"))
                browser.Click "summary"
                Expect.equal (count browser "details[open]") 1 "settings are shown by a click"
                let target = browser.Read "document.querySelector('nav a:last-of-type').hash"
                browser.Click "nav a:last-of-type"
                Expect.equal (browser.Read "location.hash") target "a part of the page"
                expectWhole browser "after clicks")

            inBrowser "a trace" trace (fun browser folder ->
                visit browser (Path.Combine(folder, "trace.html"))
                focus browser "summary"
                browser.Press "Enter"
                Expect.equal (count browser "details[open]") 1 "numbers are shown by a key"
                expectWhole browser "with a table")

            inBrowser "a data set" browsed (fun browser folder ->
                visit browser (Path.Combine(folder, "browse.html"))
                let shown () = count browser "#images .frame"
                Expect.equal (shown ()) 3 "all"
                browser.Click "#filters .chips button"
                Expect.equal (shown ()) 2 "of the first class"
                browser.Click "#filters .chips button"
                Expect.equal (shown ()) 3 "all again"
                focus browser "#filters input[type=search]"
                browser.Type "3"
                Expect.equal (shown ()) 1 "by name"

                browser.Read "document.querySelector('#filters input[type=search]').value = ''"
                |> ignore

                browser.Type " "
                Expect.equal (shown ()) 3 "all have a space in their names"

                focus browser "#images .frame"
                browser.Press "ArrowRight"
                browser.Press "Enter"

                let heading () =
                    browser.Read "document.querySelector('dialog b').textContent"

                Expect.stringContains (heading ()) "image 2.png" "enlarged by keys"
                let boxes = count browser "dialog .box"
                browser.Press "b"
                Expect.equal (boxes, count browser "dialog .box") (1, 0) "B hides boxes"
                browser.Press "ArrowRight"
                Expect.stringContains (heading ()) "image 3.png" "the next one"
                browser.Press "ArrowRight"
                browser.Press "ArrowLeft"
                Expect.stringContains (heading ()) "image 2.png" "back from the last one"
                browser.Press "ArrowRight"
                expectWhole browser "enlarged"
                browser.Press "Escape"
                Expect.equal (count browser "dialog[open]") 0 "closed"

                // the page hears of it a moment later
                let place =
                    browser.Read
                        "(async () => { const at = () => [...document.querySelectorAll('.frame')].indexOf(document.activeElement); for (let i = 0; i < 500 && at() !== 2; i++) await new Promise((done) => setTimeout(done, 20)); return at(); })()"

                Expect.equal place "2" "the focus is where it was")

            inBrowser "what was found" found (fun browser folder ->
                visit browser (Path.Combine(folder, "gallery.html"))
                let shown () = count browser "#images .frame"
                Expect.equal (shown ()) 3 "all"
                browser.Click "#filters .chips button:nth-child(2)"
                Expect.equal (shown ()) 1 "of the second class"
                browser.Click "#filters .chips button:nth-child(2)"
                let boxes () = count browser "#images .box"
                Expect.equal (boxes ()) 3 "every detection"

                browser.Read
                    "(() => { const s = document.querySelector('#score'); s.value = 0.8; s.dispatchEvent(new Event('input')); })()"
                |> ignore

                Expect.equal (boxes ()) 1 "the sure ones"
                focus browser "#images .frame"
                browser.Press "Enter"

                Expect.stringContains
                    (browser.Read "document.querySelector('dialog b').textContent")
                    "one.png"
                    "enlarged"

                Expect.equal
                    (browser.Read
                        "[...document.querySelectorAll('dialog a')].map((a) => a.getAttribute('href')).join()")
                    "a%20b.png,a%20b.refinement.html"
                    "the way to how it was found"

                browser.Press "Escape"
                Expect.equal (count browser "dialog[open]") 0 "closed"
                expectWhole browser "after all")

            inBrowser "a refinement" refinement (fun browser folder ->
                visit browser (Path.Combine(folder, "one.refinement.html"))
                let read = browser.Read

                let output () =
                    read "document.querySelector('#player output').textContent"

                let shown () =
                    int (
                        read
                            "[...document.querySelectorAll('#player rect.box')].filter(e => e.style.display !== 'none').length"
                    )

                let left () =
                    float (read "document.querySelectorAll('#player rect.box')[2].getAttribute('x')")

                Expect.equal (output ()) "step 4 of 4" "what was read out is seen first"
                Expect.equal (shown ()) 2 "the boxes of what was kept"
                let last = left ()

                // the slider
                browser.Set("#state", "0")
                Expect.equal (output ()) "init head" "the first state"
                Expect.notEqual (left ()) last "the box was elsewhere"
                Expect.equal (count browser "#player .way line") 0 "no way yet"
                focus browser "#state"
                browser.Press "ArrowRight"
                Expect.equal (output ()) "step 1 of 4" "by a key"
                Expect.equal (count browser "#player .way line") 2 "a stretch of each"

                // play, from here to the end
                browser.Click "#play"
                Expect.stringContains (read "document.querySelector('#play').textContent") "pause" "it runs"

                browser.Until(
                    "document.querySelector('#play').textContent.includes('play')",
                    "document.body.textContent"
                )

                Expect.equal (output ()) "step 4 of 4" "to the last state"
                Expect.equal (left ()) last "where the box was"

                // a query, by its button and by its box
                Expect.equal (count browser "#player circle") 0 "no points"
                focus browser "#queries tbody button"
                browser.Press "Enter"
                Expect.equal (count browser "#player circle") 4 "the points of the chosen query"
                Expect.equal (count browser "#queries tr.chosen") 1 "marked"
                Expect.equal (count browser "#queries .shares .bar") 4 "a share for each level"
                browser.Click "#queries .chips button:nth-child(2)"
                Expect.equal (count browser "#queries .chips [aria-pressed=true]") 1 "one level"
                Expect.equal (count browser "#player circle") 4 "what it counts at each point"
                browser.Press "Escape"
                Expect.equal (count browser "#player circle") 0 "let go"
                browser.Click "#player rect.box[stroke]:last-of-type"
                Expect.equal (count browser "#player circle") 4 "by its box"
                browser.Press "Escape"

                // the others
                browser.Click "#others"
                Expect.equal (shown ()) 3 "one more, which was not kept"
                browser.Click "#queries tr:nth-child(3)"
                Expect.equal (count browser "#player circle") 0 "of which no points are there"
                browser.Press "Escape"
                browser.Click "#paths svg"
                Expect.equal (output ()) "step 2 of 4" "a click into a chart goes there"

                for page, first in
                    [
                        "stages.refinement.html", "stage 5 of 5"
                        "nothing.refinement.html", "step 4 of 4"
                    ] do
                    visit browser (Path.Combine(folder, page))
                    Expect.equal (output ()) first page

                Expect.isGreaterThan (shown ()) 0 "where nothing was kept, what came nearest")

            inBrowser "an evaluation" evaluation (fun browser folder ->
                visit browser (Path.Combine(folder, "report.html"))
                let boxes () = count browser "#gallery svg rect"
                let all = boxes ()
                browser.Click "#gallery .controls label:nth-child(3) input"
                Expect.isLessThan (boxes ()) all "mistakes only"
                browser.Click "#gallery .controls label:nth-child(3) input"
                Expect.equal (boxes ()) all "all"
                browser.Click "#gallery .chips button:enabled"
                Expect.equal (count browser "#gallery .chips [aria-pressed=true]") 1 "one kind of mistake"
                browser.Click "#gallery .chips [aria-pressed=true]"

                browser.Click "#classes th:nth-child(2) button"
                Expect.equal (count browser "#classes [aria-sort=descending]") 1 "sorted"
                focus browser "#classes tbody tr:nth-child(2)"
                browser.Press "Enter"
                Expect.equal (count browser "#classes tbody tr:nth-child(2).chosen") 1 "the curves of a class"

                focus browser "#gallery figure:not([hidden]) .frame"
                browser.Press "Enter"
                Expect.equal (count browser "dialog[open]") 1 "enlarged"
                browser.Press "Escape"
                Expect.equal (count browser "dialog[open]") 0 "closed"
                expectWhole browser "after all")

            inBrowser
                "the site of the documentation"
                (fun folder -> Site.write (SiteTests.root) folder |> ignore)
                (fun browser folder ->
                    let path page = Path.Combine(folder, page)
                    visit browser (path "readme.html")
                    Expect.isGreaterThan (count browser "img") 0 "pictures"

                    Expect.equal
                        (browser.Read "[...document.images].filter(image => image.naturalWidth === 0).length")
                        "0"
                        "pictures are shown"

                    // wide tables, long lines of code, many headings
                    for page in [ "settings.html"; "equilibrium.html"; "architecture.html"; "mathematics.html" ] do
                        browser.Open(path page)
                        expectWhole browser page

                    visit browser (path "index.html")
                    browser.Press "Tab"

                    Expect.equal
                        (browser.Read "document.activeElement.className")
                        "skip"
                        "the first key goes past the navigation"

                    browser.Press "Enter"
                    Expect.equal (browser.Read "location.hash") "#text" "to the text"
                    browser.Click ".pages summary"
                    browser.Click ".pages a[href='troubleshooting.html']"
                    browser.WaitForLoad()

                    Expect.equal
                        (browser.Read "document.querySelector('h1').textContent")
                        "Troubleshooting"
                        "another page"

                    Expect.equal
                        (browser.Read "document.querySelector('.pages [aria-current]').textContent")
                        "Troubleshooting"
                        "marked"

                    browser.Click "main p a[href^='#']"
                    Expect.isGreaterThan (float (browser.Read "scrollY")) 0.0 "a place of the page")
        ]
