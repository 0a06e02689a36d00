// The rows of docs/results.md: trains what a row needs, a few seeds each, and makes tables and plots of what was trained.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/results.fsx list
//   dotnet fsi scripts/results.fsx run ROW... [--data DIR] [--work DIR] [--seeds 0,1,2] [--threads N]
//   dotnet fsi scripts/results.fsx depths ROW... [--work DIR] [--seeds 0,1,2] [--threads N]
//   dotnet fsi scripts/results.fsx table TABLE... [--work DIR] [--seeds 0,1,2] [--images DIR]
//
// A name stands for all rows that begin with it: "pretrained/bccd" is a table, "ablation/shapes/k3" a row. --data is the folder with the data sets
// (bccd, raccoon, coco-slice, cards, boards, kangaroo, shapes; the last is made where it is missing, cards by scripts/cards.fsx), --work where the trainings go: one that is
// there is not trained again, one that was interrupted goes on. Each is a `train` in a process of its own. depths measures trained detectors at
// other depths than their own (scripts/depths.fsx), which table then shows, too.
#load "lib/tables.fsx"

/// Does something with each row of these names, seed by seed.
let each (arguments: string list) (action: Results.Options -> Results.Row -> int -> unit) =
    let names, options = Results.options arguments

    if (Results.named names).IsEmpty then
        eprintfn "no row begins with one of the names given; list shows them"
        exit 2

    for seed in options.Seeds do
        for row in Results.named names do
            action options row seed

match List.ofArray fsi.CommandLineArgs |> List.tail with
| [ "list" ] ->
    for row in Results.rows do
        let _, options = Results.options []
        printfn "%-31s deqdet %s" (Results.title row) (String.concat " " (Results.arguments options row 0))
| "run" :: rest -> each rest Results.train
| "depths" :: rest -> each rest Results.measureDepths
| "table" :: rest ->
    let names, options = Results.options rest

    let named =
        Results.tables
        |> List.filter (fun (table, data) -> names |> List.exists $"{table}/{data}".StartsWith)

    if named.IsEmpty then
        eprintfn
            "no table begins with one of the names given; list shows the rows, whose first two parts are their table"

        exit 2

    for table, data in named do
        Tables.show options table data
| _ ->
    eprintfn
        "usage: dotnet fsi scripts/results.fsx list | run ROW... | depths ROW... | table TABLE...; the first lines of the script say more"

    exit 2
