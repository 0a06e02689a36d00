/// A headless Chromium, driven through its DevTools protocol: pages are opened, clicked and typed into as a reader would.
module DeqDet.Tests.Browser

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Net.WebSockets
open System.Text
open System.Text.Json
open System.Threading

/// Chromium's program on this machine, if there is one.
let find () : string option =
    let folders =
        (Environment.GetEnvironmentVariable "PATH").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)

    seq {
        for name in [ "chromium"; "chromium-browser"; "chromium-headless-shell"; "google-chrome" ] do
            for folder in folders do
                Path.Combine(folder, name)
    }
    |> Seq.tryFind File.Exists

/// Not more than this for an answer, however busy the machine.
let private patience = TimeSpan.FromSeconds 60.0

let private arguments (profile: string) =
    [
        "--headless"
        "--no-sandbox"
        "--disable-gpu"
        "--disable-quic"
        "--disable-dev-shm-usage"
        "--no-first-run"
        "--disable-background-networking"
        "--disable-component-update"
        "--disable-sync"
        "--hide-scrollbars"
        // a camera that shows a moving pattern, and that every page may use
        "--use-fake-device-for-media-stream"
        "--use-fake-ui-for-media-stream"
        "--remote-debugging-port=0"
        $"--user-data-dir={profile}"
        "about:blank"
    ]

/// One page of a browser of its own. What the page complains about, and what it asks the network for, is collected.
type Browser(program: string) =

    let profile = Directory.CreateTempSubdirectory("deqdet-browser").FullName

    let started =
        Process.Start(
            ProcessStartInfo(program, arguments profile, RedirectStandardError = true, RedirectStandardOutput = true)
        )

    do
        // nobody reads them, and a full pipe would stop it
        started.BeginErrorReadLine()
        started.BeginOutputReadLine()

    let socket = new ClientWebSocket()
    let complaints, requests = List<string>(), List<string>()
    let seen = HashSet<string>()
    let mutable number = 0
    let mutable session = ""

    let until (clock: Stopwatch) =
        let left = patience - clock.Elapsed

        if left <= TimeSpan.Zero then
            raise (TimeoutException $"the browser did not answer within {patience.TotalSeconds} s")

        left

    let receive (clock: Stopwatch) : JsonElement =
        use cancellation = new CancellationTokenSource(until clock)
        use message = new MemoryStream()
        let buffer = Array.zeroCreate<byte> 65536
        let mutable ended = false

        while not ended do
            let part =
                socket.ReceiveAsync(ArraySegment buffer, cancellation.Token).GetAwaiter().GetResult()

            message.Write(buffer, 0, part.Count)
            ended <- part.EndOfMessage

        use document = JsonDocument.Parse(message.ToArray())
        document.RootElement.Clone()

    let text (element: JsonElement) (path: string list) =
        let rec follow (element: JsonElement) path =
            match path with
            | [] -> element.ToString()
            | name: string :: rest ->
                match element.TryGetProperty name with
                | true, inner -> follow inner rest
                | _ -> ""

        follow element path

    let note (event: JsonElement) =
        let name = text event [ "method" ]
        seen.Add name |> ignore

        match name with
        | "Runtime.exceptionThrown" ->
            complaints.Add(text event [ "params"; "exceptionDetails"; "exception"; "description" ])
        | "Log.entryAdded" when text event [ "params"; "entry"; "level" ] = "error" ->
            complaints.Add(text event [ "params"; "entry"; "text" ])
        | "Runtime.consoleAPICalled" when List.contains (text event [ "params"; "type" ]) [ "error"; "assert" ] ->
            complaints.Add(text event [ "params"; "args" ])
        | "Network.requestWillBeSent" -> requests.Add(text event [ "params"; "request"; "url" ])
        | _ -> ()

    let send (name: string) (parameters: obj) : JsonElement =
        number <- number + 1
        let id, clock = number, Stopwatch.StartNew()

        let message =
            if session = "" then
                JsonSerializer.SerializeToUtf8Bytes
                    {|
                        id = id
                        method = name
                        ``params`` = parameters
                    |}
            else
                JsonSerializer.SerializeToUtf8Bytes
                    {|
                        id = id
                        method = name
                        ``params`` = parameters
                        sessionId = session
                    |}

        socket
            .SendAsync(ArraySegment message, WebSocketMessageType.Text, true, CancellationToken.None)
            .GetAwaiter()
            .GetResult()

        let rec answer () =
            let message = receive clock

            match message.TryGetProperty "id" with
            | true, found when found.GetInt32() = id ->
                match message.TryGetProperty "error" with
                | true, error -> failwith $"{name}: {error}"
                | _ -> message.GetProperty "result"
            | true, _ -> answer ()
            | _ ->
                note message
                answer ()

        answer ()

    let waitFor (event: string) =
        let clock = Stopwatch.StartNew()

        while not (seen.Contains event) do
            note (receive clock)

    let port () =
        let file, clock = Path.Combine(profile, "DevToolsActivePort"), Stopwatch.StartNew()

        let rec lines () =
            until clock |> ignore

            if started.HasExited then
                failwith $"{program} ended with exit code {started.ExitCode}"

            match
                (try
                    File.ReadAllLines file
                 with :? IOException ->
                     [||])
            with
            | [| port; path |] -> $"ws://127.0.0.1:{port}{path}"
            | _ ->
                Thread.Sleep 50
                lines ()

        lines ()

    let nothing = {| |}

    do
        socket.ConnectAsync(Uri(port ()), CancellationToken.None).GetAwaiter().GetResult()

        let target =
            text (send "Target.createTarget" {| url = "about:blank" |}) [ "targetId" ]

        session <- text (send "Target.attachToTarget" {| targetId = target; flatten = true |}) [ "sessionId" ]

        for domain in [ "Page"; "Runtime"; "Log"; "Network" ] do
            send $"{domain}.enable" nothing |> ignore

    /// Errors of scripts, of the console and of refused resources since the last opening.
    member _.Complaints = List.ofSeq complaints

    /// What was loaded since the last opening, the page among it.
    member _.Requests = List.ofSeq requests

    /// Width and height of the window in px, and whether the reader's system is dark.
    member _.Show(width: int, height: int, dark: bool) =
        send
            "Emulation.setDeviceMetricsOverride"
            {|
                width = width
                height = height
                deviceScaleFactor = 1
                mobile = false
            |}
        |> ignore

        let scheme = if dark then "dark" else "light"

        send
            "Emulation.setEmulatedMedia"
            {|
                features =
                    [|
                        {|
                            name = "prefers-color-scheme"
                            value = scheme
                        |}
                    |]
            |}
        |> ignore

    /// Opens a file, or the page at an address, and waits until it is there.
    member _.Open(page: string) =
        complaints.Clear()
        requests.Clear()
        seen.Clear()

        let address =
            if page.StartsWith "http:" then
                page
            else
                Uri(Path.GetFullPath page).AbsoluteUri

        send "Page.navigate" {| url = address |} |> ignore
        waitFor "Page.loadEventFired"

    /// Waits until a JavaScript expression holds; fails with the value of another one when it does not in time.
    member this.Until(holds: string, otherwise: string) =
        let clock = Stopwatch.StartNew()

        while this.Read $"Boolean({holds})" <> "True" do
            if clock.Elapsed > patience then
                failwith $"{holds} never holds: {this.Read otherwise}"

            Thread.Sleep 30

    /// Chooses a file, given as its bytes, in the first file input of the page.
    member this.Choose(name: string, bytes: byte[]) =
        let name, bytes =
            JsonSerializer.Serialize name, JsonSerializer.Serialize(Convert.ToBase64String bytes)

        this.Read
            $"(() => {{ const input = document.querySelector('input[type=file]'), given = new DataTransfer(); given.items.add(new File([Uint8Array.from(atob({bytes}), (c) => c.charCodeAt(0))], {name})); input.files = given.files; input.dispatchEvent(new Event('change')); }})()"
        |> ignore

    /// Sets what an input holds, such as a slider, as a reader's hand does.
    member this.Set(selector: string, value: string) =
        let selector, value =
            JsonSerializer.Serialize selector, JsonSerializer.Serialize value

        this.Read
            $"(() => {{ const input = document.querySelector({selector}); input.value = {value}; input.dispatchEvent(new Event('input')); input.dispatchEvent(new Event('change')); }})()"
        |> ignore

    /// Waits for the page that the last click leads to.
    member _.WaitForLoad() = waitFor "Page.loadEventFired"

    /// The value of a JavaScript expression, as text.
    member _.Read(expression: string) : string =
        let result =
            send
                "Runtime.evaluate"
                {|
                    expression = expression
                    returnByValue = true
                    awaitPromise = true
                |}

        match result.TryGetProperty "exceptionDetails" with
        | true, details -> failwith $"{expression}: {details}"
        | _ -> text result [ "result"; "value" ]

    /// Clicks the middle of the first element that a CSS selector finds.
    member this.Click(selector: string) =
        let element = JsonSerializer.Serialize selector
        seen.Clear()

        let place =
            this.Read
                $"(() => {{ const e = document.querySelector({element}); e.scrollIntoView({{block:'center',behavior:'instant'}}); const r = e.getBoundingClientRect(); return `${{r.x + r.width / 2}} ${{r.y + r.height / 2}}`; }})()"

        let x, y =
            match place.Split ' ' |> Array.map float with
            | [| x; y |] -> x, y
            | _ -> failwith place

        for kind in [ "mouseMoved"; "mousePressed"; "mouseReleased" ] do
            send
                "Input.dispatchMouseEvent"
                {|
                    ``type`` = kind
                    x = x
                    y = y
                    button = (if kind = "mouseMoved" then "none" else "left")
                    clickCount = (if kind = "mouseMoved" then 0 else 1)
                |}
            |> ignore

    /// Presses and releases a key: Tab, Enter, Escape, an arrow, or a letter.
    member _.Press(key: string) =
        let code, text =
            match key with
            | "Tab" -> 9, ""
            | "Enter" -> 13, "\r"
            | "Escape" -> 27, ""
            | "ArrowLeft" -> 37, ""
            | "ArrowRight" -> 39, ""
            | letter -> int (Char.ToUpperInvariant letter[0]), letter

        for kind in [ (if text = "" then "rawKeyDown" else "keyDown"); "keyUp" ] do
            send
                "Input.dispatchKeyEvent"
                {|
                    ``type`` = kind
                    key = key
                    code =
                        (if key.Length = 1 then
                             "Key" + key.ToUpperInvariant()
                         else
                             key)
                    windowsVirtualKeyCode = code
                    text = (if kind = "keyDown" then text else "")
                |}
            |> ignore

    /// Types a text into what has the focus.
    member _.Type(text: string) =
        send "Input.insertText" {| text = text |} |> ignore

    interface IDisposable with
        member _.Dispose() =
            socket.Dispose()
            started.Kill(entireProcessTree = true)
            started.WaitForExit()
            started.Dispose()

            // helpers of it may still write for a moment
            try
                Directory.Delete(profile, true)
            with :? IOException ->
                ()
