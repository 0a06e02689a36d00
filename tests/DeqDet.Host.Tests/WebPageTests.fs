/// A detector in the browser: the folder that `export --for web` writes, served and used.
module DeqDet.Tests.WebPageTests

open System
open System.IO
open System.Net
open System.Net.Sockets
open System.Text.Json
open System.Threading.Tasks
open Expecto
open TorchSharp
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Images
open DeqDet.Reports.Pages
open DeqDet.Serving
open DeqDet.Settings
open DeqDet.Tests.Browser
open DeqDet.Tests.BrowserChecks
open DeqDet.Tests.SettingsFiles
open DeqDet.Tests.SolvingTests

let private run = RunProgram.run

let private refused (words: string list) (arguments: string list) =
    let code, said = run arguments
    Expect.equal code 2 said

    for word in words do
        Expect.stringContains said word (String.concat " " arguments)

/// Serves a folder as this program does, with the headers that allow threads.
let private withServer (folder: string) (test: string -> unit) =
    let server =
        FolderServer.Start(folder, IPAddress.Loopback, 0).GetAwaiter().GetResult()

    try
        test (string server.Address)
    finally
        server.DisposeAsync().AsTask().Wait()

/// Serves a folder as the simplest of file servers does: types and nothing else.
let private withPlainServer (folder: string) (test: string -> unit) =
    let port =
        use probe = new TcpListener(IPAddress.Loopback, 0)
        probe.Start()
        (probe.LocalEndpoint :?> IPEndPoint).Port

    use listener = new HttpListener()
    let address = $"http://127.0.0.1:{port}/"
    listener.Prefixes.Add address
    listener.Start()

    let answer (context: HttpListenerContext) =
        let name =
            match context.Request.Url.AbsolutePath.TrimStart '/' with
            | "" -> "index.html"
            | name -> name

        let file = Path.Combine(folder, name)
        use response = context.Response

        if File.Exists file then
            response.ContentType <-
                match Path.GetExtension file with
                | ".html" -> "text/html"
                | ".css" -> "text/css"
                | ".js"
                | ".mjs" -> "text/javascript"
                | ".wasm" -> "application/wasm"
                | _ -> "application/octet-stream"

            let bytes = File.ReadAllBytes file
            response.ContentLength64 <- bytes.LongLength
            response.OutputStream.Write(bytes, 0, bytes.Length)
        else
            response.StatusCode <- 404

    task {
        while true do
            let! context = listener.GetContextAsync()

            Task.Run(fun () ->
                try
                    answer context
                with
                // a page that was left does not wait for its files
                | :? IOException
                | :? HttpListenerException -> ())
            |> ignore
    }
    |> ignore

    test address

/// Starts the worker of the open page beside the page's own, gives it a picture and the page's check, and tells what it says.
let private askWorker (browser: Browser) (provider: string) (picture: byte[]) : JsonElement =
    let script =
        """
        (async () => {
          const worker = new Worker("detector.js", { type: "module" });
          const ask = (message) => new Promise((answer, refuse) => {
            worker.onmessage = ({ data }) => { if (data.problem) refuse(new Error(data.problem)); else if (data.result) answer(data.result); };
            worker.postMessage({ ...message, id: 1 });
          });
          const model = await (await fetch("model.json")).json();
          const opened = await ask({ open: { model, provider: "PROVIDER" } });
          const found = await ask({ source: new Blob([Uint8Array.from(atob("PICTURE"), (c) => c.charCodeAt(0))]) });
          const check = await ask({ source: await (await fetch(model.check.file)).blob() });
          worker.terminate();
          return JSON.stringify({ opened, found, check, expected: model.check.detections });
        })()
        """

    script.Replace("PROVIDER", provider).Replace("PICTURE", Convert.ToBase64String picture)
    |> browser.Read
    |> JsonDocument.Parse
    |> _.RootElement

let private numbers (element: JsonElement) =
    [ for one in element.EnumerateArray() -> one.GetDouble() ]

/// Score and box of each pair of query and label.
let private pairs (found: JsonElement) =
    Map
        [
            for one in found.EnumerateArray() ->
                (one.GetProperty("query").GetInt32(), one.GetProperty("label").GetInt32()),
                (one.GetProperty("score").GetDouble(), numbers (one.GetProperty "box"))
        ]

/// 1e-4 of a score, and 0.05 px of a box or 1e-4 of its edge where it is far outside.
let private expectNear (about: string) (score: float, box: float list) (score': float, box': float list) =
    Expect.isLessThan (abs (score - score')) 1e-4 $"{about}: score {score} {score'}"

    for edge, edge' in List.zip box box' do
        Expect.isLessThan (abs (edge - edge')) (max 0.05 (1e-4 * abs edge)) $"{about}: %A{box} %A{box'}"

/// The line in which the page says what it does; scripts make it a moment after the page is there.
let private told = "(document.querySelector('#told')?.textContent ?? '')"

let private text (browser: Browser) (selector: string) =
    browser.Read $"document.querySelector({JsonSerializer.Serialize selector}).textContent"

/// Numbers of the worker on all threads against the program's own.
let private compareNumbers (browser: Browser) (address: string) (work: string) (picture: string) =
    browser.Show(1300, 900, false)
    browser.Open address
    browser.Until($"{told}.startsWith('Ready')", told)

    Expect.isTrue
        (Environment.ProcessorCount = 1
         || (text browser "#told").Contains "threads"
         || (text browser "#told").Contains "WebGPU")
        "several threads where the server allows them"

    // as asked for, or on the processor where there is no GPU
    let said = askWorker browser "webgpu" (File.ReadAllBytes picture)
    let opened = said.GetProperty "opened"

    if opened.GetProperty("provider").GetString() = "wasm" then
        Expect.stringContains (opened.GetProperty("note").GetString()) "WebGPU is not used" "says so"

    use session = DetectorSession.Open work
    let found = said.GetProperty("found")
    let inBrowser = pairs (found.GetProperty "found")
    let ours = session.Detect picture
    Expect.equal inBrowser.Count ours.Count "as many"

    for finding in ours do
        let box = finding.Box

        expectNear
            $"query {finding.Query}, class {finding.Label}"
            (float finding.Score, [ float box.X1; float box.Y1; float box.X2; float box.Y2 ])
            inBrowser[(finding.Query, finding.Label)]

    // the last state on the way is what is read out
    let path = [ for state in found.GetProperty("path").EnumerateArray() -> state ]
    Expect.equal path.Length 6 "the init head and five applications"

    for pair in pairs (List.last path) do
        expectNear "the last state" pair.Value inBrowser[pair.Key]

    let check = pairs (said.GetProperty("check").GetProperty "found") |> Map.toList

    for expected in said.GetProperty("expected").EnumerateArray() do
        let label = expected.GetProperty("label").GetInt32()
        let score = expected.GetProperty("score").GetDouble()

        let _, (_, box) =
            check
            |> List.filter (fun ((_, other), _) -> other = label)
            |> List.minBy (fun (_, (other, _)) -> abs (score - other))

        for edge, edge' in List.zip box (numbers (expected.GetProperty "box")) do
            Expect.isLessThan (abs (edge - edge')) (max 0.05 (1e-4 * abs edge)) "the picture of the check"

/// What a reader does with the page, from a server that allows no threads.
let private useThePage (browser: Browser) (address: string) (picture: string) (names: string list) =
    let own (asked: string) = asked.StartsWith address
    visit own browser address
    browser.Until($"{told}.startsWith('Ready')", told)
    Expect.stringContains (text browser "#told") "1 thread" "no threads"
    browser.Choose("one.png", File.ReadAllBytes picture)
    browser.Until($"{told}.includes('in the network')", told)
    browser.Set("#threshold", "0")
    let rows () = count browser "#list tbody tr"
    Expect.isGreaterThan (rows ()) 0 "detections"
    Expect.contains names (text browser "#list tbody td") "a class"
    Expect.equal (count browser "#frame img") 1 "the picture"
    Expect.isGreaterThan (count browser "#frame rect.box") 0 "boxes"
    browser.Set("#by", "residual")
    Expect.equal (count browser "#scale:not([hidden])") 1 "colours by residual"
    expectWhole own browser "with detections"

    Expect.equal (text browser "#steptold") "the end, after 5 applications" "at the end"
    focus browser "#step"
    browser.Press "ArrowLeft"
    Expect.equal (text browser "#steptold") "after application 4 of 5" "a key goes back"
    browser.Set("#step", "0")
    Expect.equal (text browser "#steptold") "after the init head" "the first state"
    Expect.equal (rows ()) 6 "a box of each query"
    browser.Click "#play"
    browser.Until("document.querySelector('#steptold').textContent.startsWith('the end')", told)
    Expect.equal (text browser "#play") "play" "it ends"

    browser.Choose("no.png", [| 1uy; 2uy |])
    browser.Until("document.querySelector('#told.wrong')", told)
    Expect.stringContains (text browser "#told") "cannot read it as a picture" "says why"

    browser.Click "#camera"
    browser.Until($"{told}.startsWith('Camera')", told)
    Expect.equal (count browser "#frame canvas") 1 "a frame"
    browser.Click "#camera"
    Expect.equal (text browser "#camera") "Use the camera" "it is off"
    expectWhole own browser "after all"

/// A picture in which every pixel differs from those beside it.
let private patterned (width: int) (height: int) : RgbImage =
    RgbImage(
        [|
            for y in 0 .. height - 1 do
                for x in 0 .. width - 1 do
                    for c in 0..2 do
                        byte (7 * x + 13 * y + 31 * c + x * y)
        |],
        width,
        height
    )

/// FNV over the bits of a batch's numbers.
let private hash (batch: Batch) : uint32 =
    let mutable hash = 2166136261u

    for value in batch.Pixels do
        hash <- (hash ^^^ BitConverter.SingleToUInt32Bits value) * 16777619u

    hash

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Web page"
        [
            testCase "pictures become the network's input bit for bit as in the program"
            <| fun () ->
                withBrowser (fun browser ->
                    let folder = Directory.CreateTempSubdirectory("deqdet-web-").FullName

                    try
                        let data = (SettingsFile.load (config "shapes") []).Data

                        WebPage(
                            "a",
                            "b",
                            "c",
                            [| struct ("d", 0.5) |],
                            WebInput(
                                data.Resize.ShortSide,
                                data.Resize.LongMax,
                                Normalisation.Divisor,
                                Array.ofList data.Normalise.Mean,
                                Array.ofList data.Normalise.Std
                            ),
                            Nullable(),
                            Nullable(),
                            0L,
                            WebCheck([||], [||])
                        )
                            .Write(folder)

                        Expect.isTrue (WebPage.IsIn folder) "a page"
                        let side = data.Resize.ShortSide

                        // as it is, half as large, larger, smaller, narrow
                        let sizes =
                            [ side, side; 2 * side, 2 * side; 97, 61; 301, 200; 1, 50; 640, 41; 33, 64 ]

                        let ours =
                            [
                                for width, height in sizes do
                                    use batch = ImageBatching.ofImages data [ patterned width height ]
                                    float (hash batch), float batch.Width, float batch.Height
                            ]

                        let script =
                            """
                            (async () => {
                              const { prepared } = await import(new URL("picture.js", location.href).href);
                              const { input } = await (await fetch("model.json")).json();
                              return JSON.stringify(SIZES.map(([width, height]) => {
                                const pixels = new Uint8ClampedArray(4 * width * height);
                                for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) for (let c = 0; c < 4; c++)
                                  pixels[4 * (y * width + x) + c] = (7 * x + 13 * y + 31 * c + x * y) & 255;
                                const { images, shape } = prepared({ pixels, width, height }, input);
                                let hash = 2166136261;
                                for (const bits of new Uint32Array(images.buffer)) hash = Math.imul(hash ^ bits, 16777619) >>> 0;
                                return [hash, shape[3], shape[2]];
                              }));
                            })()
                            """

                        withServer folder (fun address ->
                            browser.Open address

                            let list =
                                JsonSerializer.Serialize [ for width, height in sizes -> [ width; height ] ]

                            let answer =
                                JsonDocument.Parse(browser.Read(script.Replace("SIZES", list))).RootElement

                            let theirs =
                                [
                                    for one in answer.EnumerateArray() ->
                                        one[0].GetDouble(), one[1].GetDouble(), one[2].GetDouble()
                                ]

                            Expect.equal theirs ours "hash, width and height of each")
                    finally
                        Directory.Delete(folder, true))

            testCase "the browser finds what the program finds, and shows the way to it"
            <| fun () ->
                withModel [] (fun work images ->
                    let page = Path.Combine(work, "a page")

                    match run [ "export"; work; page; "--for"; "web" ] with
                    | 2, said when said.Contains "could not be fetched" ->
                        skiptest $"there is no onnxruntime-web on this machine, and it cannot be fetched: {said}"
                    | code, said ->
                        Expect.equal code 0 said
                        Expect.stringContains said "a page with DEQDet" "says what it wrote"

                    Expect.isTrue (WebPage.IsIn page) "a page"
                    refused [ "is not empty" ] [ "export"; work; page; "--for"; "web" ]
                    let model = Path.Combine(page, "detector.onnx")
                    let code, said = run [ "verify"; model; "--checkpoint"; work ]
                    Expect.equal code 0 said
                    refused [ "--port and --address alone" ] [ "serve"; page; "--threshold"; "0.5" ]

                    withBrowser (fun browser ->
                        let picture = Directory.GetFiles(images, "*.png") |> Array.sort |> Array.head
                        use session = DetectorSession.Open work
                        let names = [ for kind in session.Model.Classes -> kind.Name ]
                        browser.Open(Path.Combine(page, "index.html"))
                        Expect.stringContains (text browser "#still") "any file server" "opened as a file"
                        withServer page (fun address -> compareNumbers browser address work picture)
                        withPlainServer page (fun address -> useThePage browser address picture names)))

            testCase "a model without equilibrium has a page without steps"
            <| fun () ->
                withModel [ "kind=adamixer" ] (fun work _ ->
                    let page = Path.Combine(work, "page")

                    match run [ "export"; work; page; "--for"; "web" ] with
                    | 2, said when said.Contains "could not be fetched" ->
                        skiptest $"there is no onnxruntime-web on this machine: {said}"
                    | code, said -> Expect.equal code 0 said

                    use json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(page, "model.json")))

                    Expect.equal (json.RootElement.GetProperty("steps").ValueKind) JsonValueKind.Null "no steps"
                    refused [ "no equilibrium" ] [ "export"; work; page + "2"; "--for"; "web"; "--steps"; "2" ]
                    Expect.isFalse (Directory.Exists(page + "2")) "nothing half written")

            testCase "what cannot be written is refused with the remedy"
            <| fun () ->
                withModel [] (fun work _ ->
                    let path name = Path.Combine(work, name)
                    refused [ "--for web" ] [ "export"; work; path "page" ]
                    refused [ "--runtime" ] [ "export"; work; path "a.onnx"; "--for"; "web"; "--runtime"; "x.tgz" ]
                    refused [ "--runtime" ] [ "export"; work; path "a.onnx"; "--runtime"; "x.tgz" ]

                    refused
                        [ "none.tgz"; "no such file" ]
                        [ "export"; work; path "page"; "--for"; "web"; "--runtime"; path "none.tgz" ]

                    File.WriteAllText(path "file", "")
                    refused [ "is a file" ] [ "export"; work; path "file"; "--for"; "web" ]
                    Expect.isFalse (Directory.Exists(path "page")) "nothing half written")
        ]
