/// The recorded states of the official decoders, computed by exported graphs in ONNX Runtime.
module DeqDet.Export.Tests.DecoderTests

open System.IO
open Expecto
open TorchSharp
open DeqDet.Export
open DeqDet.Model
open DeqDet.Verification

let private folder = Golden.folder ""
let private sets = [ "tiny"; "ffndet_tiny"; "adamixer_tiny" ]

let private read (name: string) : DecoderSet =
    let load part =
        GoldenFile.load torch.CPU folder $"{name}_{part}.safetensors"

    let config = $"{name}_config.json"
    DecoderSet.read config (GoldenJson.load (Path.Combine(folder, config))) (load "state") (load "inputs")

/// The states of an exported decoder with their logits. `change` may alter a weight on its way into the file.
let private states (form: Form) (change: string -> Tensor -> Tensor) (set: DecoderSet) : (Query * Tensor) list =
    let pyramid = DecoderSet.pyramid set

    let changed =
        { set with
            State =
                { set.State with
                    Tensors =
                        dict [ for KeyValue(name, tensor) in set.State.Tensors -> name, change name tensor ]
                        |> System.Collections.Generic.Dictionary
                }
        }

    let weights, leaves = DecoderSet.decoder changed
    let names = [ for KeyValue(name, tensor) in leaves -> name, tensor ]

    let levels =
        [ for level in pyramid.Levels -> -1L :: List.tail (List.ofArray level.shape) ]

    let model =
        DetectorGraph.ofDecoder form set.Settings weights names pyramid.Strides levels

    let sizes = (DecoderSet.sizes set).select(1L, 0L).narrow(1L, 0L, 2L)

    let found =
        Written.run
            model
            [
                for i, level in List.indexed pyramid.Levels do
                    $"level{i}", level

                Names.Sizes, sizes
            ]

    [
        for i in 0 .. (Decoder.schedule set.Settings weights).Length - 1 ->
            let part name = found[$"step%02d{i}.{name}"]

            {
                Position = part "position"
                Content = part "content"
                Box = part "bbox"
            },
            part "cls"
    ]

let private expected name =
    GoldenFile.load torch.CPU folder $"{name}_predict.safetensors"

/// What the recorded states say of all states.
let private checks form name : Check list =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    let set = read name

    states form (fun _ tensor -> tensor) set
    |> Prediction.ofStates set (expected name)

/// What they say of the first ones, in which every weight has had its part, where a weight is altered.
let private firstChecks change name : Check list =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    let set = read name

    let short =
        { set with
            Settings =
                { set.Settings with
                    Solver = SolverSettings.ofSteps 0
                }
        }

    let file = expected name

    [
        for i, (query, logits) in List.indexed (states Form.standard change short) do
            for part, actual in [ "position", query.Position; "content", query.Content; "cls", logits ] do
                let name = $"step%02d{i}.{part}"
                Check.ofScale Tolerances.trajectory file.Name name (GoldenFile.find name file) actual
    ]

let private forms =
    let form operators runtime =
        { Form.standard with
            Operators = operators
            Runtime = runtime
        }

    [ form 20 Standard; form 17 Standard; form 20 TensorRt ]

let private failed (checks: Check list) =
    [
        for check in checks do
            if not check.Passed then
                $"{check.Tensor}: error %.3g{check.Error}, accepted %.3g{check.Accepted}"
    ]

[<Tests>]
let tests =
    testList
        "Decoder"
        [
            for name in sets do
                for form in forms do
                    testCase $"{name} by operators {form.Operators} for {form.Runtime}"
                    <| fun () ->
                        let checks = checks form name
                        Expect.isGreaterThan checks.Length 10 "checks"
                        Expect.equal (failed checks) [] "states out of tolerance"

                testCase $"{name}: every weight is in the graph, and one that is wrong by a hundredth is noticed"
                <| fun () ->
                    let set = read name
                    let weights, leaves = DecoderSet.decoder set
                    let names = [ for KeyValue(name, tensor) in leaves -> name, tensor ]

                    let levels =
                        [ for level in (DecoderSet.pyramid set).Levels -> List.ofArray level.shape ]

                    let written =
                        let model =
                            DetectorGraph.ofDecoder Form.standard set.Settings weights names [ 4; 8; 16; 32 ] levels

                        [ for tensor in model.Graph.Initialisers -> tensor.Name ]

                    let missing =
                        [
                            for name, _ in names do
                                if not (List.exists (fun (other: string) -> other.StartsWith name) written) then
                                    name
                        ]

                    Expect.equal missing [] "weights that are not in the graph"

                    Expect.equal (failed (firstChecks (fun _ tensor -> tensor) name)) [] "nothing is wrong before"

                    let unnoticed =
                        [
                            // each takes a tenth of a second
                            for _, weight in leaves.Keys |> Seq.indexed |> Seq.filter (fun (i, _) -> i % 7 = 3) do
                                let spoil other (tensor: Tensor) =
                                    if other <> weight then
                                        tensor
                                    else
                                        let scale = tensor.abs().max().ToDouble() |> max 1.0
                                        let noise = torch.linspace (-1.0, 1.0, tensor.numel ())
                                        tensor + noise.view(tensor.shape).``to``(tensor.dtype) * scalar (0.01 * scale)

                                if List.isEmpty (failed (firstChecks spoil name)) then
                                    weight
                        ]

                    Expect.equal unnoticed [] "weights that may be wrong"
        ]
