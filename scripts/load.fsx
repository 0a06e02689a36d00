// Many clients at once against a running service:
//   deqdet serve work/shapes
//   dotnet fsi scripts/load.fsx http://127.0.0.1:8000 data/shapes/val --clients 200 --seconds 60
// Each picture is first asked for alone; then all clients ask at once, come back when they are told to, and compare each answer with that of their
// picture alone. Exit code 1 when an answer is missing or not that of its picture.

open System
open System.Diagnostics
open System.IO
open System.Net.Http
open System.Text.Json
open System.Threading
open System.Threading.Tasks

let arguments = List.ofArray (Array.tail fsi.CommandLineArgs)

let rec option name fallback =
    function
    | found :: value :: _ when found = name -> float (value: string)
    | _ :: rest -> option name fallback rest
    | [] -> fallback

let address, folder =
    match arguments with
    | address :: folder :: _ -> Uri address, folder
    | _ -> failwith "load.fsx URL PICTURES [--clients N] [--seconds S] [--pictures N]"

let clients = int (option "--clients" 200.0 arguments)
let seconds = option "--seconds" 60.0 arguments
let most = int (option "--pictures" 50.0 arguments)

/// Scores of the same picture alone and in a batch are this near, boxes so many px.
let scoreTolerance, boxTolerance = 1e-3, 0.1

let files =
    Directory.GetFiles folder
    |> Array.filter (fun file -> List.contains (Path.GetExtension(file).ToLowerInvariant()) [ ".png"; ".jpg"; ".jpeg" ])
    |> Array.sort
    |> Array.truncate most
    |> Array.map File.ReadAllBytes

let client =
    new HttpClient(BaseAddress = address, Timeout = TimeSpan.FromMinutes 2.0)

type Answer =
    | Found of Map<int * int, float * float list>
    | ComeBack of seconds: float
    | Refused of string

/// By query and label: score and box.
let found (text: string) =
    Map
        [
            for each in JsonDocument.Parse(text).RootElement.GetProperty("detections").EnumerateArray() do
                let number (name: string) = each.GetProperty(name).GetInt32()

                (number "query", number "label"),
                (each.GetProperty("score").GetDouble(),
                 [ for edge in each.GetProperty("box").EnumerateArray() -> edge.GetDouble() ])
        ]

let ask (picture: byte[]) : Task<Answer> =
    task {
        use content = new ByteArrayContent(picture)
        use! response = client.PostAsync("detect?threshold=0.02", content)
        let! text = response.Content.ReadAsStringAsync()

        if response.IsSuccessStatusCode then
            return Found(found text)
        else
            match Option.ofObj response.Headers.RetryAfter with
            | Some retry when retry.Delta.HasValue -> return ComeBack retry.Delta.Value.TotalSeconds
            | _ -> return Refused $"{int response.StatusCode} {text}"
    }

/// Whether one answer is the other, up to rounding; at the threshold a detection may be in one of them alone.
let same one other =
    let within a b =
        a
        |> Map.forall (fun key (score, box) ->
            match Map.tryFind key b with
            | Some(score', box') ->
                abs (score - score') <= scoreTolerance
                && List.forall2 (fun p q -> abs (p - q) <= boxTolerance) box box'
            | None -> score <= 0.02 + scoreTolerance)

    within one other && within other one

/// One after the other, at least so many seconds: pictures a second.
let oneByOne (time: float) =
    let clock = Stopwatch.StartNew()
    let mutable count = 0

    while clock.Elapsed.TotalSeconds < time do
        ask(files[count % files.Length]).Wait()
        count <- count + 1

    float count / clock.Elapsed.TotalSeconds

let processBytes () =
    let text = client.GetStringAsync("metrics?format=json").Result
    JsonDocument.Parse(text).RootElement.GetProperty("memory").GetProperty("process").GetInt64()

let alone =
    [|
        for file in files ->
            match ask(file).Result with
            | Found answer -> answer
            | other -> failwith $"a picture alone is not answered: %A{other}"
    |]

// pictures whose answers are alike would prove nothing
let alike =
    Seq.allPairs (Seq.indexed alone) (Seq.indexed alone)
    |> Seq.filter (fun ((i, a), (j, b)) -> i < j && same a b)
    |> Seq.length

printfn $"{files.Length} pictures, {alike} pairs of them with equal answers"
let before = oneByOne (seconds / 10.0)

let times = Collections.Concurrent.ConcurrentBag<float>()
let mutable comebacks = 0
let mutable wrong = 0
let mutable lost = 0
let clock = Stopwatch.StartNew()

let one (number: int) =
    task {
        let random = Random number

        while clock.Elapsed.TotalSeconds < seconds do
            let place = random.Next files.Length
            let start = clock.Elapsed
            let mutable waits = true

            while waits do
                match! ask files[place] with
                | Found answer ->
                    waits <- false
                    times.Add (clock.Elapsed - start).TotalMilliseconds

                    if not (same answer alone[place]) then
                        Interlocked.Increment &wrong |> ignore
                | ComeBack seconds ->
                    Interlocked.Increment &comebacks |> ignore
                    // not all at once
                    do! Task.Delay(TimeSpan.FromSeconds(seconds * (0.5 + random.NextDouble())))
                | Refused text ->
                    waits <- false
                    Interlocked.Increment &lost |> ignore
                    eprintfn $"{text}"
    }

let running = [| for number in 1..clients -> Task.Run<unit>(fun () -> one number) |]

let memory =
    [
        for quarter in 1..4 do
            Thread.Sleep(max 0 (int (1000.0 * (seconds * float quarter / 4.0 - clock.Elapsed.TotalSeconds))))
            processBytes () / 1048576L
    ]

Task.WaitAll(running |> Array.map (fun each -> each :> Task))
let together = float times.Count / clock.Elapsed.TotalSeconds
let after = oneByOne (seconds / 10.0)
let single = (before + after) / 2.0
let sorted = times.ToArray() |> Array.sort

let share p =
    sorted[min (sorted.Length - 1) (int (p * float sorted.Length))]

printfn $"one client:    {single:F1} pictures a second ({before:F1} before, {after:F1} after)"
printfn $"{clients} clients: {together:F1} pictures a second, {together / single:F2} times as many"
printfn $"               {times.Count} answers, {wrong} wrong, {lost} lost; told to come back {comebacks} times"

printfn
    $"               ms from the first try to the answer: half {share 0.5:F0}, 90 percent {share 0.9:F0}, 99 percent {share 0.99:F0}, longest {share 1.0:F0}"

printfn "               the service's memory after each quarter of the time, MB: %s" (String.Join(", ", memory))
exit (if wrong + lost > 0 || times.Count < clients then 1 else 0)
