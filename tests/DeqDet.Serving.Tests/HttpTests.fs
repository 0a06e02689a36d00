/// What goes over the wire, on a real socket of loopback.
module DeqDet.Tests.HttpTests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Text
open System.Text.Json
open System.Threading
open System.Threading.Tasks
open Expecto
open DeqDet
open DeqDet.Serving
open DeqDet.Tests.DataFiles
open DeqDet.Tests.Fakes

let private usual = ServingOptions()
let private good number = png (picture 8 6 number)
let private octets = body "application/octet-stream"

/// Statuses that the OpenAPI document has for POST /detect.
let private documented (client: HttpClient) =
    task {
        let! text = client.GetStringAsync "openapi.json"
        let paths = JsonDocument.Parse(text).RootElement.GetProperty "paths"

        let responses =
            paths.GetProperty("/detect").GetProperty("post").GetProperty "responses"

        return set [ for response in responses.EnumerateObject() -> int response.Name ]
    }

/// Expects a refusal: its status, which the document has, and a problem with this code and these words.
let private refused (client: HttpClient) (status: int) (code: string) (words: string) (response: HttpResponseMessage) =
    task {
        let! problem = json "application/problem+json" response
        let text = string problem
        Expect.equal (int response.StatusCode) status text
        let! statuses = documented client
        Expect.contains statuses status "documented"
        Expect.equal (problem.GetProperty("status").GetInt32()) status text
        Expect.equal (problem.GetProperty("code").GetString()) code text
        Expect.stringContains (problem.GetProperty("detail").GetString()) words text
    }

let private form (parts: (string * string * byte[]) list) : HttpContent =
    let content = new MultipartFormDataContent()

    for name, file, bytes in parts do
        if file = "" then
            content.Add(new StringContent(Encoding.UTF8.GetString bytes), name)
        else
            content.Add(new ByteArrayContent(bytes), name, file)

    content

/// Sends bytes as they are and reads what comes back, to the end of a chunked answer or until the other side closes, for at most a minute.
let private raw (server: DetectionServer) (parts: byte[] list) =
    task {
        use client = new TcpClient()
        do! client.ConnectAsync(IPAddress.Loopback, server.Address.Port)
        let stream = client.GetStream()

        for part in parts do
            do! stream.WriteAsync(ReadOnlyMemory part)

        use limit = new CancellationTokenSource(TimeSpan.FromMinutes 1.0)
        let back = StringBuilder()
        let buffer = Array.zeroCreate<byte> 4096
        let mutable ended = false

        while not ended do
            try
                let! read = stream.ReadAsync(Memory buffer, limit.Token)
                back.Append(Encoding.UTF8.GetString(buffer, 0, read)) |> ignore
                ended <- read = 0 || back.ToString().EndsWith("\r\n0\r\n\r\n", StringComparison.Ordinal)
            with :? IOException ->
                // reset, with what came before it
                ended <- true

        return back.ToString()
    }

let private request (headers: string) =
    Encoding.ASCII.GetBytes $"POST /detect HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n"

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Http"
        [
            testCaseTask "a picture as the body, without a type, or as a file of a form gives the same answer"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) usual (fun _ client ->
                            task {
                                for content in
                                    [
                                        octets (good 321)
                                        body "image/png" (good 321)
                                        new ByteArrayContent(good 321)
                                        form [ "note", "", "by night"B; "file", "a.png", good 321 ]
                                    ] do
                                    let! response = post client "detect" content
                                    let! answer = json "application/json" response
                                    Expect.equal response.StatusCode HttpStatusCode.OK (string answer)
                                    Expect.equal (foundNumber answer) 321 "its own number"
                                    Expect.equal (answer.GetProperty("width").GetInt32()) 8 "width"
                                    let found = answer.GetProperty("detections").Item(0)
                                    Expect.equal (found.GetProperty("class").GetString()) "ball" "class"
                                    Expect.equal (found.GetProperty("category_id").GetInt32()) 7 "id"
                            })
                }

            testCaseTask "a large picture arrives whole, announced, in chunks or in a form"
            <| fun () ->
                task {
                    let noisy = picture 230 200 4242
                    let random = Random 1
                    // incompressible but for the pixel that holds the number: more than a first buffer has room for
                    random.NextBytes(noisy.Pixels.AsSpan 3)
                    let file = png noisy
                    Expect.isGreaterThan file.Length 130_000 "its size"

                    do!
                        withServer (Fake()) usual (fun _ client ->
                            task {
                                for chunked, content in
                                    [ false, octets file; true, octets file; false, form [ "file", "a.png", file ] ] do
                                    use request = new HttpRequestMessage(HttpMethod.Post, "detect", Content = content)
                                    request.Headers.TransferEncodingChunked <- Nullable chunked
                                    let! response = client.SendAsync request
                                    let! answer = json "application/json" response
                                    Expect.equal response.StatusCode HttpStatusCode.OK (string answer)
                                    Expect.equal (foundNumber answer) 4242 "its own number"
                            })
                }

            testCaseTask "the threshold decides, of the request, else of the service, else of the class"
            <| fun () ->
                task {
                    let count (client: HttpClient) path =
                        task {
                            let! response = post client path (octets (good 1))
                            let! answer = json "application/json" response
                            return answer.GetProperty("detections").GetArrayLength()
                        }

                    for ofService, query, expected in
                        [
                            None, "", 1
                            None, "?threshold=0.51", 0
                            Some 0.6, "", 0
                            Some 0.6, "?threshold=0.5", 1
                        ] do
                        let options = ServingOptions(Threshold = Option.toNullable ofService)

                        do!
                            withServer (Fake()) options (fun _ client ->
                                task {
                                    let! found = count client $"detect{query}"
                                    Expect.equal found expected $"{ofService} {query}"
                                })
                }

            testCaseTask "as a picture the answer is a PNG file"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) usual (fun _ client ->
                            task {
                                let! response = post client "detect?format=png" (octets (good 1))
                                let! bytes = response.Content.ReadAsByteArrayAsync()
                                Expect.equal response.Content.Headers.ContentType.MediaType "image/png" "type"
                                let drawn = Images.ImageFile.Decode(bytes, "answer")

                                Expect.equal
                                    (drawn.Width, drawn.Height)
                                    (480, 360)
                                    "enlarged, so that captions can be read"
                            })
                }

            testCaseTask "what is wrong with a request is said with its status, and the next one is answered"
            <| fun () ->
                task {
                    do!
                        withServer
                            (Fake())
                            (ServingOptions(MaxBodyBytes = 100_000L, MaxPixels = 10_000L))
                            (fun server client ->
                                task {
                                    let jpeg = quarteredJpeg
                                    let large = png (picture 101 100 1)

                                    for status, code, words, content in
                                        [
                                            400, "empty_body", "empty", octets [||]
                                            400, "bad_form", "no file", form [ "note", "", "x"B ]
                                            400,
                                            "bad_form",
                                            "several files",
                                            form [ "a", "a.png", good 1; "b", "b.png", good 2 ]
                                            400,
                                            "bad_form",
                                            "",
                                            body "multipart/form-data; boundary=abc" "--abc\r\nContent-"B
                                            400, "bad_form", "boundary", body "multipart/form-data" (good 1)
                                            400, "empty_body", "empty", form [ "a", "a.png", [||] ]
                                            413, "body_too_large", "larger than", octets (Array.zeroCreate 100_001)
                                            413, "too_many_pixels", "101 x 100", octets large
                                            413, "too_many_pixels", "40000 x 40000", octets bombPng
                                            415, "wrong_content_type", "text/plain", body "text/plain" (good 1)
                                            415,
                                            "wrong_content_type",
                                            "form-urlencoded",
                                            body "application/x-www-form-urlencoded" (good 1)
                                            422, "no_picture", "text", octets "garbage"B
                                            422,
                                            "no_picture",
                                            "no known kind",
                                            octets (Array.init 5000 (fun i -> byte (i * i + 7)))
                                            422, "no_picture", "truncated", octets jpeg[.. jpeg.Length - 30]
                                            422, "no_picture", "header", octets jpeg[..30]
                                        ] do
                                        let! response = post client "detect" content
                                        do! refused client status code words response

                                    let! response = post client "detect" (octets (good 5))
                                    let! answer = json "application/json" response
                                    Expect.equal (foundNumber answer) 5 "the next one"
                                    do! memoryGivenBack server
                                })
                }

            testCaseTask "damaged pictures are answered or refused, whatever the damage"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) usual (fun server client ->
                            task {
                                let random = Random 3

                                for _ in 1..60 do
                                    let bytes = Array.copy (if random.Next 2 = 0 then quarteredJpeg else good 9)

                                    for _ in 0 .. random.Next 4 do
                                        bytes[random.Next bytes.Length] <- byte (random.Next 256)

                                    let! response = post client "detect" (octets bytes[.. random.Next bytes.Length])
                                    Expect.contains [ 200; 413; 422 ] (int response.StatusCode) "status"

                                Expect.isTrue server.Service.IsReady "still ready"
                                do! memoryGivenBack server
                            })
                }

            testCaseTask "parameters are what the document says: names, ranges, words"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) usual (fun _ client ->
                            task {
                                let! text = client.GetStringAsync "openapi.json"
                                let paths = JsonDocument.Parse(text).RootElement.GetProperty "paths"

                                let parameters =
                                    paths.GetProperty("/detect").GetProperty("post").GetProperty "parameters"

                                let ask (query: string) =
                                    task {
                                        let! response = post client $"detect?{query}" (octets (good 1))
                                        return int response.StatusCode
                                    }

                                for parameter in parameters.EnumerateArray() do
                                    let name = parameter.GetProperty("name").GetString()
                                    let schema = parameter.GetProperty "schema"

                                    let cases =
                                        match schema.GetProperty("type").GetString() with
                                        | "number" ->
                                            let most = schema.GetProperty("maximum").GetDouble()

                                            let least, atLeast =
                                                match schema.TryGetProperty "minimum" with
                                                | true, least -> least.GetDouble(), 200
                                                | _ -> schema.GetProperty("exclusiveMinimum").GetDouble(), 400

                                            [
                                                string least, atLeast
                                                string most, 200
                                                string ((least + most) / 2.0), 200
                                                string (least - 0.001), 400
                                                string (most + 0.001), 400
                                                "NaN", 400
                                                "much", 400
                                                "", 400
                                            ]
                                        | _ ->
                                            [
                                                for word in schema.GetProperty("enum").EnumerateArray() do
                                                    word.GetString(), 200
                                                "xml", 400
                                            ]

                                    for value, expected in cases do
                                        let! status = ask $"{name}={value}"
                                        Expect.equal status expected $"{name}={value}"

                                    let! twice = ask $"{name}={fst cases[1]}&{name}={fst cases[1]}"
                                    Expect.equal twice 400 $"{name} twice"

                                let! response = post client "detect?treshold=0.5" (octets (good 1))
                                do! refused client 400 "unknown_parameter" "did you mean threshold" response
                            })
                }

            testCaseTask "a tolerance says nothing to a model without equilibrium"
            <| fun () ->
                task {
                    do!
                        withServer (Fake false) usual (fun _ client ->
                            task {
                                let! response = post client "detect?tolerance=0.1" (octets (good 1))
                                do! refused client 400 "bad_parameter" "DEQDet" response
                            })
                }

            testCaseTask "the document has every endpoint and no other, and they answer as it says"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) usual (fun server client ->
                            task {
                                let! text = client.GetStringAsync "openapi.json"
                                let document = JsonDocument.Parse(text).RootElement

                                let written =
                                    [
                                        for path in document.GetProperty("paths").EnumerateObject() do
                                            for operation in path.Value.EnumerateObject() do
                                                struct (operation.Name.ToUpperInvariant(), path.Name)
                                    ]

                                Expect.equal (List.sort written) (List.sort (List.ofSeq server.Endpoints)) "endpoints"

                                for path in document.GetProperty("paths").EnumerateObject() do
                                    match path.Value.TryGetProperty "get" with
                                    | true, operation ->
                                        let! response = client.GetAsync path.Name
                                        Expect.equal response.StatusCode HttpStatusCode.OK path.Name

                                        let content =
                                            operation.GetProperty("responses").GetProperty("200").GetProperty "content"

                                        let types = [ for each in content.EnumerateObject() -> each.Name ]
                                        Expect.contains types response.Content.Headers.ContentType.MediaType path.Name
                                    | _ -> ()

                                // every schema that is referred to is there
                                let schemas = document.GetProperty("components").GetProperty "schemas"

                                for reference in RegularExpressions.Regex.Matches(text, "#/components/schemas/(\\w+)") do
                                    let known, _ = schemas.TryGetProperty reference.Groups[1].Value
                                    Expect.isTrue known reference.Value
                            })
                }

            testCaseTask "other paths and methods are refused as problems"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) usual (fun _ client ->
                            task {
                                let! response = client.GetAsync "nothing"
                                let! problem = json "application/problem+json" response
                                Expect.equal response.StatusCode HttpStatusCode.NotFound (string problem)
                                let! response = client.GetAsync "detect"
                                let! problem = json "application/problem+json" response
                                Expect.equal response.StatusCode HttpStatusCode.MethodNotAllowed (string problem)
                                Expect.contains response.Content.Headers.Allow "POST" "what it answers"
                            })
                }

            testCaseTask "the page needs nobody but the service, and names what is in the model"
            <| fun () ->
                task {
                    let options = ServingOptions(Name = "work/<b>'s")

                    do!
                        withServer (Fake()) options (fun _ client ->
                            task {
                                let! page = client.GetStringAsync "/"
                                Expect.isFalse (page.Contains "<b>'s") "no text becomes markup"
                                Expect.stringContains page "\"name\":\"ball\"" "classes"
                                Expect.stringContains page "default-src 'none'" "policy"

                                let addresses =
                                    RegularExpressions.Regex.Matches(page, "(?:https?:)?//[a-z][\\w.-]+")

                                let foreign =
                                    [
                                        for address in addresses do
                                            if not (address.Value.Contains "www.w3.org") then
                                                address.Value
                                    ]

                                Expect.equal foreign [] "no other address"
                            })
                }

            testCaseTask "a busy service asks to come back, and leaves the body unread"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withServer
                            fake
                            (ServingOptions(QueueLength = 1, BatchWindow = TimeSpan.Zero))
                            (fun server client ->
                                task {
                                    fake.Hold()
                                    let first = post client "detect" (octets (good 1))
                                    do! eventually "the first is computed" (fun () -> fake.Calls = 2)
                                    let second = post client "detect" (octets (good 2))
                                    do! eventually "the second waits" (fun () -> server.Service.Waiting = 1)
                                    let! third = post client "detect" (octets (good 3))
                                    do! refused client 429 "busy" "1 picture waits" third
                                    Expect.isTrue (third.Headers.RetryAfter.Delta.Value.TotalSeconds >= 1.0) "when"
                                    // what it says it would send does not come, and is not waited for
                                    let! answer = raw server [ request "Content-Length: 5000\r\nConnection: close" ]
                                    Expect.stringStarts answer "HTTP/1.1 429" "at once"
                                    fake.Release()

                                    for task, number in [ first, 1; second, 2 ] do
                                        let! response = task
                                        let! answer = json "application/json" response
                                        Expect.equal (foundNumber answer) number "those who waited"

                                    do! metricsSay client "2 answered, 0 refused (4xx), 2 asked to come back"

                                    let! text = client.GetStringAsync "metrics?format=json"
                                    let requests = JsonDocument.Parse(text).RootElement.GetProperty "requests"
                                    Expect.equal (requests.GetProperty("busy").GetInt32()) 2 "counted"
                                })
                }

            testCaseTask "a request of a gigabyte is refused before it comes, stated or not"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) (ServingOptions(MaxBodyBytes = 200_000L)) (fun server client ->
                            task {
                                let! answer = raw server [ request "Content-Length: 1073741824" ]
                                Expect.stringStarts answer "HTTP/1.1 413" "stated"
                                Expect.stringContains answer "body_too_large" "the problem"
                                let chunk = Array.concat [ "10000\r\n"B; Array.zeroCreate 0x10000; "\r\n"B ]

                                let! answer =
                                    raw server (request "Transfer-Encoding: chunked" :: List.replicate 4 chunk)

                                Expect.stringStarts answer "HTTP/1.1 413" "chunk by chunk"
                                let! response = post client "detect" (octets (good 4))
                                Expect.equal response.StatusCode HttpStatusCode.OK "the next one"
                                do! memoryGivenBack server
                            })
                }

            testCaseTask "memory for all requests together is bounded"
            <| fun () ->
                task {
                    let fake = Fake()
                    // two of these pictures fit, not three
                    let options =
                        ServingOptions(
                            MaxBodyBytes = 40_000L,
                            MaxPixels = 20_000L,
                            MemoryBytes = 140_000L,
                            BatchWindow = TimeSpan.Zero
                        )

                    do!
                        withServer fake options (fun server client ->
                            task {
                                let large number = octets (png (picture 150 120 number))
                                fake.Hold()
                                let waiting = [ for number in 1..2 -> post client "detect" (large number) ]
                                do! eventually "two are held" (fun () -> server.Service.Memory.Held = 2L * 54_000L)
                                let! third = post client "detect" (large 3)
                                do! refused client 429 "busy" "memory" third
                                fake.Release()
                                let! _ = Task.WhenAll waiting
                                let! third = post client "detect" (large 3)
                                Expect.equal third.StatusCode HttpStatusCode.OK "later there is room"
                            })
                }

            testCaseTask "bodies that are announced and do not come take no memory from others"
            <| fun () ->
                task {
                    let options =
                        ServingOptions(MaxBodyBytes = 10_000_000L, MaxPixels = 10_000L, MemoryBytes = 11_000_000L)

                    do!
                        withServer (Fake()) options (fun server client ->
                            task {
                                let announced =
                                    [
                                        for _ in 1..20 ->
                                            let connection = new TcpClient()
                                            connection.Connect(IPAddress.Loopback, server.Address.Port)
                                            connection.GetStream().Write(request "Content-Length: 9999999")
                                            connection.GetStream().Write("abc"B)
                                            connection
                                    ]

                                do! eventually "they are read" (fun () -> server.Service.Memory.Held > 19L * 60_000L)
                                let! response = post client "detect" (octets (good 8))
                                Expect.equal response.StatusCode HttpStatusCode.OK "another one"

                                for connection in announced do
                                    connection.Dispose()

                                do! memoryGivenBack server
                            })
                }

            testCaseTask "who sends too slowly loses the connection, others are answered meanwhile"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) (ServingOptions(Timeout = TimeSpan.FromSeconds 2.0)) (fun server client ->
                            task {
                                let half = raw server [ "POST /detect HTTP/1.1\r\nHos"B ]

                                let noBody =
                                    raw server [ request "Content-Length: 50000\r\nConnection: close"; "abc"B ]

                                let! response = post client "detect" (octets (good 6))
                                Expect.equal response.StatusCode HttpStatusCode.OK "meanwhile"
                                let! headers = half
                                Expect.stringStarts headers "HTTP/1.1 408" "headers that do not end"
                                let! late = noBody
                                Expect.stringStarts late "HTTP/1.1 408" "a body that does not come"
                                Expect.stringContains late "too_slow" "the problem"
                            })
                }

            testCaseTask "what takes too long is told so, and leaves the queue"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withServer fake (ServingOptions(Timeout = TimeSpan.FromSeconds 0.3)) (fun server client ->
                            task {
                                fake.Hold()
                                let! response = post client "detect" (octets (good 1))
                                do! refused client 503 "timeout" "0.3 s" response
                                Expect.isTrue (response.Headers.RetryAfter.Delta.HasValue) "when to come back"
                                Expect.equal server.Service.Waiting 0 "it left"
                                do! memoryGivenBack server
                            })
                }

            testCaseTask "a client that goes away leaves the queue"
            <| fun () ->
                task {
                    let fake = Fake()

                    do!
                        withServer fake (ServingOptions(BatchWindow = TimeSpan.Zero)) (fun server client ->
                            task {
                                fake.Hold()
                                let first = post client "detect" (octets (good 1))
                                do! eventually "the first is computed" (fun () -> fake.Calls = 2)
                                use away = new CancellationTokenSource()
                                let gone = client.PostAsync("detect", octets (good 2), away.Token)
                                do! eventually "the second waits" (fun () -> server.Service.Waiting = 1)
                                away.Cancel()
                                do! eventually "it has left" (fun () -> server.Service.Waiting = 0)
                                do! eventually "gone" (fun () -> gone.IsCanceled)
                                fake.Release()
                                let! _ = first
                                Expect.equal fake.Batches [ [ 1 ] ] "nothing was computed for it"
                                do! metricsSay client "1 gone before"
                            })
                }

            testCaseTask "a failure of the network is a 500, and the service goes on"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) usual (fun server client ->
                            task {
                                let! response = post client "detect" (octets (good poison))
                                do! refused client 500 "failed" "log" response
                                let! response = client.GetAsync "health/ready"
                                Expect.equal response.StatusCode HttpStatusCode.OK "ready"
                                do! memoryGivenBack server
                            })
                }

            testCaseTask "asked to stop, the server answers what is on its way"
            <| fun () ->
                task {
                    let fake = Fake()

                    let! server =
                        DetectionServer.Start(fake, ServingOptions(BatchWindow = TimeSpan.Zero), IPAddress.Loopback, 0)

                    use client = new HttpClient(BaseAddress = server.Address)
                    fake.Hold()
                    let requests = [ for number in 1..6 -> post client "detect" (octets (good number)) ]
                    do! eventually "they are there" (fun () -> server.Service.Waiting + server.Service.Computing = 6)
                    let stopped = server.Stop()
                    do! eventually "it is not ready" (fun () -> not server.Service.IsReady)
                    Expect.isFalse stopped.IsCompleted "it waits for them"
                    fake.Release()

                    for request, number in List.zip requests [ 1..6 ] do
                        let! response = request
                        let! answer = json "application/json" response
                        Expect.equal (foundNumber answer) number "its own answer"

                    do! stopped
                    do! server.DisposeAsync()
                    use late = new TcpClient()

                    Expect.throwsT<SocketException>
                        (fun () -> late.Connect(IPAddress.Loopback, server.Address.Port))
                        "nobody listens any more"
                }

            testCaseTask "a port in use and a foreign address are refused with the remedy"
            <| fun () ->
                task {
                    do!
                        withServer (Fake()) usual (fun server _ ->
                            task {
                                let message (address: IPAddress) port =
                                    task {
                                        try
                                            let! other = DetectionServer.Start(Fake(), usual, address, port)
                                            do! other.DisposeAsync()
                                            return "it started"
                                        with :? InputError as error ->
                                            return error.Message
                                    }

                                let! inUse = message IPAddress.Loopback server.Address.Port

                                Expect.stringContains
                                    inUse
                                    $"127.0.0.1:{server.Address.Port}: the port is in use"
                                    "port"
                                // reserved for documentation: no machine has it
                                let! foreign = message (IPAddress.Parse "192.0.2.1") 0
                                Expect.stringContains foreign "no such address" "address"
                            })
                }
        ]
