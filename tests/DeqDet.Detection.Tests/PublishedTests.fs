/// The detectors of configs/ against the tables of the published models, looked for in ../shared/golden beside the repository.
module DeqDet.Detection.Tests.PublishedTests

open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open DeqDet.Detection
open DeqDet.Model
open DeqDet.Settings

let private root = Path.GetFullPath(Path.Combine(Golden.folder "", "..", ".."))
let private models = Golden.shared "models"

let private table (name: string) : JsonElement list =
    let path = Path.Combine(models, name + "_state_dict.json")

    if not (File.Exists path) then
        skiptest "the tables of the published models are not in ../shared/golden/models"

    use document = JsonDocument.Parse(File.ReadAllBytes path)

    [
        for entry in document.RootElement.GetProperty("state_dict").EnumerateArray() -> entry.Clone()
    ]

let private official (config: string) =
    (SettingsFile.load (Path.Combine(root, "configs", config + ".json")) []).Detector
    |> OfficialTensors.ofDetector

/// Everything of an entry that a spec must agree with.
type private Row =
    {
        Name: string
        Shape: int64 list
        Integer: bool
        Parameter: bool
        Trains: bool
    }

let private rowOfEntry (entry: JsonElement) =
    let flag (name: string) =
        match entry.TryGetProperty name with
        | true, value -> value.ValueKind = JsonValueKind.True
        | _ -> false

    {
        Name = entry.GetProperty("name").GetString()
        Shape = [ for n in entry.GetProperty("shape").EnumerateArray() -> n.GetInt64() ]
        Integer = (entry.GetProperty("dtype").GetString() = "int64")
        Parameter = (entry.GetProperty("kind").GetString() = "parameter")
        Trains = flag "requires_grad"
    }

let private isUnused (entry: JsonElement) =
    match entry.TryGetProperty "used_in_forward" with
    | true, used -> used.ValueKind = JsonValueKind.False
    | _ -> false

let private rowOfTensor (parameters: Set<string>) (tensor: OfficialTensor) =
    let spec = tensor.Spec

    {
        Name = spec.Name
        Shape = List.ofArray spec.Shape
        Integer = spec.Integer
        // what nothing reads may have been either
        Parameter =
            (if tensor.Dead then
                 parameters.Contains spec.Name
             else
                 spec.Role = Parameter)
        Trains = spec.Trainable
    }

let private compareTable (entries: JsonElement list) (official: OfficialTensor list) =
    let rows = List.map rowOfEntry entries

    let parameters =
        set
            [
                for row in rows do
                    if row.Parameter then
                        row.Name
            ]

    let ours = List.map (rowOfTensor parameters) official
    Expect.equal ours.Length rows.Length "tensors"

    for row, ours in List.zip rows ours do
        Expect.equal ours row row.Name

    let dead =
        set
            [
                for tensor in official do
                    if tensor.Dead && not tensor.Spec.Integer then
                        tensor.Spec.Name
            ]

    let unused =
        set
            [
                for entry in entries do
                    if isUnused entry then
                        (rowOfEntry entry).Name
            ]

    Expect.equal dead unused "weights that nothing reads"

/// Statistics of a fresh weight within six deviations of the official ones, both being samples.
let private compareInitial (generator: torch.Generator) (entry: JsonElement) (spec: Spec) =
    use _ = torch.NewDisposeScope()

    let official (name: string) =
        entry.GetProperty("init").GetProperty(name).GetDouble()

    let fresh = (Initialiser.draw generator spec).``to`` torch.float64
    let n, std = float (fresh.numel ()), official "std"
    let rounding = 1e-6

    let close name expected actual tolerance =
        Expect.isLessThanOrEqual (abs (actual - expected)) (tolerance + rounding) $"{spec.Name}: {name}"

    close "mean" (official "mean") (fresh.mean().ToDouble()) (6.0 * std * sqrt (2.0 / n))
    close "deviation" std (fresh.std().ToDouble()) (6.0 * std / sqrt n)
    // extremes of n uniform numbers lie within a few n-ths of the range; those of normal numbers vary by more
    let range = official "max" - official "min"

    let extreme =
        if range > 5.0 * std then
            range * 0.25
        else
            range * min 1.0 (30.0 / n)

    close "least" (official "min") (fresh.min().ToDouble()) extreme
    close "largest" (official "max") (fresh.max().ToDouble()) extreme

let private adaMixer queries =
    $"{queries}_300_query_crop_mstrain_480-800_3x_coco"

[<Tests>]
let tests =
    testList
        "Published models"
        [
            for config, published in
                [
                    "deqdet_r50_1x_coco", "eqdet_r50_1x_coco"
                    "deqdet_r50_2x_coco", "eqdet_r50_2x_coco"
                    "deqdet_r101_2x_coco", "eqdet_r101_2x_coco"
                    "deqdet_swins_2x_coco", "eqdet_swins_2x_coco"
                    "ffndet_r50_1x_coco", "ffndet_r50_1x_coco"
                    "adamixer_r50_1x_coco", "adamixer_r50_1x_coco"
                    "adamixer_r50_3x_coco", adaMixer "adamixer_r50"
                    "adamixer_r101_3x_coco", adaMixer "adamixer_r101"
                    "adamixer_swins_3x_coco", adaMixer "adamixer_swin_s"
                ] do
                testCase $"{config}: names, shapes and order, what trains and what is never read"
                <| fun () -> compareTable (table published) (official config)

            for config, published in
                [
                    "deqdet_r50_1x_coco", "eqdet_r50_1x_coco"
                    "ffndet_r50_1x_coco", "ffndet_r50_1x_coco"
                    "adamixer_r50_1x_coco", "adamixer_r50_1x_coco"
                ] do
                testCase $"{config}: weights begin as the official ones do"
                <| fun () ->
                    let entries = table published
                    use generator = new torch.Generator(20231002UL, torch.CPU)

                    // heads beyond the second begin like the second
                    let further (name: string) =
                        [ 2..5 ] |> List.exists (fun h -> name.StartsWith $"roi_head.bbox_head.{h}.")

                    let mutable compared = 0

                    for entry, { Spec = spec } in List.zip entries (official config) do
                        match entry.TryGetProperty "init" with
                        | true, init when init.ValueKind = JsonValueKind.Object && not (further spec.Name) ->
                            compared <- compared + 1
                            compareInitial generator entry spec
                        | _ -> ()

                    Expect.isGreaterThan compared 70 "weights compared"

            testCase "64 sampling points begin as a regular grid, one level finer than the box"
            <| fun () ->
                let path = Path.Combine(models, "init_offset_bias_in64.safetensors")

                if not (File.Exists path) then
                    skiptest "the tables of the published models are not in ../shared/golden/models"

                use _ = torch.NewDisposeScope()
                use generator = new torch.Generator(1UL, torch.CPU)

                let spec =
                    official "deqdet_r50_1x_coco"
                    |> List.map _.Spec
                    |> List.find (fun spec -> spec.Name.EndsWith "1.sampling_n_mixing.sampling_offset_generator.0.bias")

                let bias = (Initialiser.draw generator spec).view(4L, 64L, 3L)

                for group in 0L .. 3L do
                    let expected = (Golden.load path)["bias_group0"]

                    Expect.isLessThan
                        ((expected - bias.select (0L, group)).abs().max().ToDouble())
                        1e-6
                        $"group {group}"
        ]
