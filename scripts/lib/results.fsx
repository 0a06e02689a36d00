// The rows of docs/results.md as values, and how one is trained.
open System
open System.Diagnostics
open System.IO

/// A row of a table: trained once for each seed.
type Row =
    {
        Table: string
        /// Unique within the table. Rows of one data set with one name are one training.
        Name: string
        /// What the table says.
        Label: string
        Config: string
        /// Folder of the data set below --data.
        Data: string
        Set: string list
        /// Data set and name of the training from whose work folder with the same seed it starts (`--from`).
        From: (string * string) option
    }

let private row table data config (name, label, set) : Row =
    {
        Row.Table = table
        Name = name
        Label = label
        Config = config
        Data = data
        Set = set
        From = None
    }

/// Nothing pretrained: all layers train, and batch norm takes the statistics of the batch.
let private random =
    [
        "backbone.weights=null"
        "backbone.frozen_stages=-1"
        "backbone.norm=batch"
        "optimiser.rules=[]"
    ]

/// The backbone's weights alone: neck, queries and decoder start at random.
let private fresh = "weights.load=null"

let private inject = "queries.inject=true"

let private shallow = [ "solver.steps=4"; "rag.supervised=[1,4]" ]
let private r18 = "configs/finetune_r18.json"
let private small = "configs/shapes.json"

let rows: Row list =
    [
        for data in [ "bccd"; "raccoon"; "coco-slice" ] do
            row "pretrained" data r18 ("signs", "backbone from ImageNet, decoder from signs", [])
            row "pretrained" data r18 ("imagenet", "backbone from ImageNet, decoder random", [ fresh ])
            row "pretrained" data r18 ("random", "all random", fresh :: random)

        for data in [ "cards"; "boards"; "kangaroo" ] do
            row "pretrained" data r18 ("signs", "backbone from ImageNet, decoder from signs", [])

        for data in [ "bccd"; "raccoon" ] do
            row "models" data r18 ("imagenet", "DEQDet", [ fresh ])
            row "models" data r18 ("inject", "DEQDet, initial contents injected", [ fresh; inject ])
            row "models" data r18 ("ffndet", "FFNDet", [ fresh; "kind=ffndet" ])
            row "models" data r18 ("adamixer", "AdaMixer", [ fresh; "kind=adamixer" ])

        row "start" "raccoon" r18 ("imagenet", "the backbone alone, from ImageNet", [ fresh ])
        row "start" "raccoon" r18 ("signs", "and the decoder, from signs", [])

        { row "start" "raccoon" r18 ("from-bccd", "the whole detector, from BCCD", []) with
            From = Some("bccd", "signs")
        }

        for data, config, name in [ "shapes", small, "paper"; "bccd", r18, "signs"; "raccoon", r18, "signs" ] do
            row "depth" data config ("4", "4 steps", shallow)
            row "depth" data config (name, "20 steps", [])
            row "depth" data config ("residual", "20 steps, penalty on the residual", [ "loss.residual=1" ])

        yield!
            [
                "paper", "as in the paper: k = 2, both perturbations, 6 supervised steps", []
                "k1", "RAG with k = 1", [ "rag.unroll=1" ]
                "k3", "RAG with k = 3", [ "rag.unroll=3" ]
                "rap-off", "no RAP", [ "rap.content_probability=0"; "rap.position_probability=0" ]
                "rap-content", "RAP of contents alone", [ "rap.position_probability=0" ]
                "rap-position", "RAP of positions alone", [ "rap.content_probability=0" ]
                "last", "the last step supervised alone", [ "rag.supervised=[20]" ]
                "first-last", "the first and the last step supervised", [ "rag.supervised=[1,20]" ]
                "jacobian", "penalty on the Jacobian", [ "loss.jacobian=1" ]
                "residual", "penalty on the residual", [ "loss.residual=1" ]
                "discount", "early steps discounted by 0.8", [ "rag.discount=0.8" ]
                "implicit", "exact gradient in place of RAG", [ "rag.gradient=implicit" ]
                "tenth-jacobian", "a tenth of the penalty on the Jacobian", [ "loss.jacobian=0.1" ]
                "inject", "initial contents injected", [ inject ]
                "inject-jacobian", "injected, penalty on the Jacobian", [ inject; "loss.jacobian=1" ]
                "inject-last", "injected, the last step supervised alone", [ inject; "rag.supervised=[20]" ]
            ]
            |> List.map (row "ablation" "shapes" small)
    ]

/// Tables and their data sets, in order.
let tables = rows |> List.map (fun row -> row.Table, row.Data) |> List.distinct

type Options =
    {
        Data: string
        Work: string
        Seeds: int list
        Threads: int option
        Images: string option
    }

/// Names and options of a command line; one that is none ends the script with a message and exit code 2.
let options (arguments: string list) : string list * Options =
    let refuse (text: string) =
        eprintfn $"{text}; the first lines of scripts/results.fsx say what it takes"
        exit 2

    let number (name: string) (least: int) (text: string) : int =
        match Int32.TryParse text with
        | true, number when number >= least -> number
        | _ -> refuse $"{name} takes whole numbers from {least} on, not '{text}'"

    let rec read names (options: Options) arguments =
        match arguments with
        | "--data" :: value :: rest -> read names { options with Data = value } rest
        | "--work" :: value :: rest -> read names { options with Work = value } rest
        | "--images" :: value :: rest -> read names { options with Images = Some value } rest
        | "--threads" :: value :: rest ->
            read
                names
                { options with
                    Threads = Some(number "--threads" 1 value)
                }
                rest
        | "--seeds" :: value :: rest ->
            let seeds = value.Split ',' |> Array.map (number "--seeds" 0) |> List.ofArray
            read names { options with Seeds = seeds } rest
        | name :: _ when name.StartsWith '-' -> refuse $"{name} is no option, or lacks its value"
        | name :: rest -> read (name :: names) options rest
        | [] -> List.rev names, options

    read
        []
        {
            Data = "data"
            Work = "work/results"
            Seeds = [ 0; 1; 2 ]
            Threads = None
            Images = None
        }
        arguments

/// What a row is called on the command line.
let title (row: Row) = $"{row.Table}/{row.Data}/{row.Name}"

/// Rows whose title begins so.
let named (names: string list) : Row list =
    rows |> List.filter (fun row -> names |> List.exists (title row).StartsWith)

let folderOf (options: Options) (data: string) (name: string) (seed: int) =
    Path.Combine(options.Work, $"{data}-{name}-s{seed}")

let folder (options: Options) (row: Row) (seed: int) = folderOf options row.Data row.Name seed

let private threads (options: Options) : string list =
    match options.Threads with
    | Some count -> [ "--threads"; string count ]
    | None -> []

/// The arguments of `deqdet` for a training.
let arguments (options: Options) (row: Row) (seed: int) : string list =
    [
        "train"
        row.Config
        "--data"
        Path.Combine(options.Data, row.Data)
        for assignment in row.Set do
            "--set"
            assignment
        "--seed"
        string seed
        match row.From with
        | Some(data, name) ->
            "--from"
            folderOf options data name seed
        | None -> ()
        "--work-dir"
        folder options row seed
        yield! threads options
    ]

let private secondsFile folder = folder + ".seconds"

/// Whether a training came to its end.
let isDone (folder: string) =
    File.Exists(secondsFile folder + ".done")

/// Seconds that it took in all its attempts, making of data and validations included; NaN where nobody measured.
let seconds (folder: string) =
    if File.Exists(secondsFile folder) then
        File.ReadAllLines(secondsFile folder) |> Array.sumBy float
    else
        nan

/// Trains a row, or goes on with it.
let train (options: Options) (row: Row) (seed: int) =
    let folder = folder options row seed

    if isDone folder then
        printfn $"{title row}, seed {seed}: is there"
    else
        Directory.CreateDirectory options.Work |> ignore

        let arguments =
            if File.Exists(Path.Combine(folder, "latest.safetensors")) then
                [ "train"; "--resume"; folder; yield! threads options ]
            else
                if Directory.Exists folder then
                    Directory.Delete(folder, true)

                arguments options row seed

        let program =
            Path.Combine(__SOURCE_DIRECTORY__, "../../src/DeqDet.Host/bin/Debug/net10.0/DeqDet.Host.dll")

        printfn "deqdet %s" (String.concat " " arguments)
        let clock = Stopwatch.StartNew()
        let start = ProcessStartInfo("dotnet", program :: arguments)
        use running = Process.Start start
        running.WaitForExit()
        File.AppendAllLines(secondsFile folder, [ string clock.Elapsed.TotalSeconds ])

        if running.ExitCode = 0 then
            File.WriteAllText(secondsFile folder + ".done", "")
        else
            failwith $"{title row}, seed {seed}: the training ended with {running.ExitCode}"

/// Where `measureDepths` keeps what it finds of a training.
let depthsFile folder = folder + ".depths.json"

/// Measures what a training's detector is worth at other depths (scripts/depths.fsx), if it is done and nobody has yet.
let measureDepths (options: Options) (row: Row) (seed: int) =
    let folder = folder options row seed

    // heads that are applied once each have one depth
    if row.Set |> List.exists _.StartsWith("kind=") then
        printfn $"{title row}: has no equilibrium"
    elif not (isDone folder) then
        printfn $"{title row}, seed {seed}: not trained yet"
    elif File.Exists(depthsFile folder) then
        printfn $"{title row}, seed {seed}: is there"
    else
        let arguments =
            [
                "fsi"
                Path.Combine(__SOURCE_DIRECTORY__, "../depths.fsx")
                folder
                yield! threads options
            ]

        let start = ProcessStartInfo("dotnet", arguments, RedirectStandardOutput = true)
        use running = Process.Start start
        let line = running.StandardOutput.ReadToEnd()
        running.WaitForExit()

        if running.ExitCode <> 0 then
            failwith $"{title row}, seed {seed}: depths.fsx ended with {running.ExitCode}"

        File.WriteAllText(depthsFile folder, line)
