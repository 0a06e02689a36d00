/// The files of a folder over HTTP: what browsers ask of a page that computes.
module DeqDet.Tests.FolderServerTests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Threading.Tasks
open Expecto
open DeqDet
open DeqDet.Serving
open DeqDet.Tests.Fakes

let private withFolder (test: FolderServer -> HttpClient -> Task<unit>) =
    task {
        let root = Directory.CreateTempSubdirectory("deqdet-files-").FullName

        try
            let page = Directory.CreateDirectory(Path.Combine(root, "page")).FullName
            File.WriteAllText(Path.Combine(root, "secret.txt"), "outside")

            for name in [ "index.html"; "a.js"; "b.mjs"; "c.wasm"; "d.onnx"; "e.exe"; ".hidden.txt" ] do
                File.WriteAllText(Path.Combine(page, name), name)

            use! server = FolderServer.Start(page, IPAddress.Loopback, 0)
            use client = new HttpClient(BaseAddress = server.Address)
            do! test server client
        finally
            Directory.Delete(root, true)
    }

[<Tests>]
let tests =
    testList
        "The files of a page"
        [
            testCaseTask "have the types and headers that scripts, WebAssembly and threads need"
            <| fun () ->
                withFolder (fun _ client ->
                    task {
                        for path, mediaType, text in
                            [
                                "", "text/html", "index.html"
                                "a.js", "text/javascript", "a.js"
                                "b.mjs", "text/javascript", "b.mjs"
                                "c.wasm", "application/wasm", "c.wasm"
                                "d.onnx", "application/octet-stream", "d.onnx"
                            ] do
                            use! response = client.GetAsync path
                            let! body = response.Content.ReadAsStringAsync()
                            Expect.equal body text path
                            Expect.equal response.Content.Headers.ContentType.MediaType mediaType path

                            let header (name: string) =
                                String.Join(",", response.Headers.GetValues name)

                            Expect.equal (header "Cross-Origin-Opener-Policy") "same-origin" path
                            Expect.equal (header "Cross-Origin-Embedder-Policy") "require-corp" path
                    })

            testCaseTask "are those of the folder alone, and of types that a page has"
            <| fun () ->
                withFolder (fun _ client ->
                    task {
                        for path in [ "e.exe"; "none.js"; ".hidden.txt"; "..%2fsecret.txt"; "%2e%2e/secret.txt" ] do
                            use! response = client.GetAsync path
                            Expect.equal response.StatusCode HttpStatusCode.NotFound path

                        use! response = client.PostAsync("a.js", new StringContent "x")
                        Expect.equal response.StatusCode HttpStatusCode.NotFound "nothing can be sent"
                    })

            testCaseTask "a port that is in use is refused"
            <| fun () ->
                withFolder (fun server _ ->
                    task {
                        Expect.throwsT<InputError>
                            (fun () ->
                                FolderServer
                                    .Start(".", IPAddress.Loopback, server.Address.Port)
                                    .GetAwaiter()
                                    .GetResult()
                                |> ignore)
                            "in use"
                    })
        ]
