/// The commands convert and info: exchange with the official code, and what is said about a file.
module DeqDet.Tests.ConvertTests

open System
open System.IO
open System.Text.Json.Nodes
open Expecto
open TorchSharp
open DeqDet.Model
open DeqDet
open DeqDet.Settings
open DeqDet.CommandLine
open DeqDet.Checkpoints
open DeqDet.Detection
open DeqDet.Host.Commands
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.SettingsFiles

/// A detector of the real structure, as small as it can be.
let private small (kind: string) : Settings =
    SettingsFile.load
        (config "shapes")
        [
            $"kind={kind}"
            "classes=3"
            "backbone.width=8"
            "head.channels=32"
            "head.feed_forward=32"
            "head.stages=2"
            "solver.steps=4"
            "rag.supervised=[1,4]"
            "queries.count=5"
        ]

let private info (settings: Settings) =
    CheckpointInfo(
        SettingsFile.toJson settings,
        [|
            { Id = CocoId 2L; Name = "cat" }
            { Id = CocoId 5L; Name = "dog" }
            { Id = CocoId 9L; Name = "b\u00e4r" }
        |],
        CheckpointProgress(3, 450L),
        7UL,
        "0.1.0",
        JsonNode.Parse("""{"data":"somewhere","images":150,"epochs":3,"best_ap":0.25}""").AsObject()
    )

/// Writes a checkpoint with random weights and an optimiser's leavings, as a training does.
let private write (path: string) (settings: Settings) =
    use scope = torch.NewDisposeScope()
    let detector = Detector.initialise settings.Detector 3UL torch.CPU

    CheckpointFile.Write(
        path,
        [
            for spec, tensor in detector.Tensors do
                struct (spec.Name, tensor)
            struct ("optimiser.exp_avg.x", torch.zeros (2L))
        ],
        info settings
    )

    for _, tensor in detector.Tensors do
        tensor.Dispose()

let private request source target : ConvertRequest =
    {
        In = source
        Out = target
        Config = None
        Classes = None
        Ema = false
        Decoder = false
        Half = false
    }

let private run (request: ConvertRequest) : string =
    use output = new StringWriter()
    ConvertCommand.Run(request, "0.2.0", output)
    output.ToString()

let private toldAt (size: ImageSize option) (checkpoint: string) : string =
    use output = new StringWriter()

    InfoCommand.Run(
        {
            Checkpoint = checkpoint
            Others = [||]
            Page = None
            Ema = false
            Size = size
        },
        output
    )

    output.ToString()

let private told: string -> string = toldAt None

let private refused (action: unit -> unit) : string =
    try
        action ()
        failtest "accepted"
    with :? InputError as error ->
        error.Message

/// Names and bytes of all tensors of a file, in its order.
let private tensors (path: string) =
    use file = TensorFile.Open path

    [
        for tensor in file.Tensors -> tensor.Name, tensor.Type, List.ofSeq tensor.Shape, tensor.ToArray()
    ]

/// The official state dict: every tensor, those that nothing reads, and the others.
let private official (settings: DetectorSettings) =
    [ for tensor in OfficialTensors.ofDetector settings -> tensor.Spec ]

let private deadOnes (settings: DetectorSettings) =
    [
        for tensor in OfficialTensors.ofDetector settings do
            if tensor.Dead then
                tensor.Spec
    ]

/// The official code's files as published: names, shapes and types, no settings. Numbers are zeros of no size on the disk.
let private bare (path: string) (specs: Spec list) (meta: string) =
    PthWriter.Write(
        path,
        [|
            for spec in specs do
                let expected = ExpectedWeights.ofSpec spec

                let count = (spec.Shape |> Array.fold (*) 1L) * int64 (expected.Type.ByteSize())
                TensorToWrite.Of(spec.Name, expected.Type, spec.Shape, Array.zeroCreate (int count))
        |],
        JsonNode.Parse(meta).AsObject()
    )

/// The same as safetensors, with a hole in the file where the numbers should be.
let private sparse (path: string) (specs: Spec list) =
    SafetensorsWriter.Write(
        path,
        [|
            for spec in specs do
                let expected = ExpectedWeights.ofSpec spec
                let count = (spec.Shape |> Array.fold (*) 1L) * int64 (expected.Type.ByteSize())

                let skip (stream: Stream) =
                    stream.SetLength(stream.Position + count)
                    stream.Position <- stream.Length

                TensorToWrite(spec.Name, expected.Type, spec.Shape, skip)
        |]
    )

/// Writes the weights and the metadata of a checkpoint with other names and numbers: all that `change` makes of a tensor.
let private rewrite (source: string) (target: string) (change: StoredTensor -> (string * byte[]) list) =
    use file = SafetensorsFile.Open source

    SafetensorsWriter.Write(
        target,
        [|
            for tensor in file.Tensors do
                if not (CheckpointFile.IsState tensor.Name) then
                    for name, bytes in change tensor do
                        TensorToWrite.Of(name, tensor.Type, tensor.Shape, bytes)
        |],
        file.Metadata
    )

/// The same tensor with a number that is not one.
let private withNan (tensor: StoredTensor) : byte[] =
    let bytes = tensor.ToArray()
    System.BitConverter.GetBytes(nanf).CopyTo(bytes, bytes.Length - 4)
    bytes

let private asPeopleHaveThem =
    let files test =
        inFolder (fun folder ->
            let at name = Path.Combine(folder, name)
            write (at "a.safetensors") (small "deqdet")
            run (request (at "a.safetensors") (at "plain.safetensors")) |> ignore
            test at)

    testList
        "checkpoints as people have them"
        [
            testCase "wrapped names give the same file, and one note" (fun () ->
                files (fun at ->
                    rewrite (at "a.safetensors") (at "w.safetensors") (fun tensor ->
                        [ "module._orig_mod." + tensor.Name, tensor.ToArray() ])

                    let said = run (request (at "w.safetensors") (at "b.safetensors"))
                    Expect.equal (tensors (at "b.safetensors")) (tensors (at "plain.safetensors")) "tensors"
                    let notes = said.Split '\n' |> Array.filter _.StartsWith("note: ")
                    Expect.hasLength notes 1 "one note"
                    Expect.stringContains notes[0] "without '_orig_mod.' and 'module.'" "what was left out"
                    Expect.stringContains (told (at "w.safetensors")) "DEQDet" "info"
                    TrainedModel.dispose (TrainedModel.load (at "w.safetensors") torch.CPU)))

            testCase "of trained and averaged weights the trained ones, with --ema the others" (fun () ->
                files (fun at ->
                    let averaged (tensor: StoredTensor) =
                        tensor.ToArray() |> Array.map (fun byte -> byte &&& 0x3fuy)

                    rewrite (at "a.safetensors") (at "both.safetensors") (fun tensor ->
                        [
                            tensor.Name, tensor.ToArray()
                            "ema_" + tensor.Name.Replace('.', '_'), averaged tensor
                        ])

                    let convert ema =
                        run
                            { request (at "both.safetensors") (at "b.safetensors") with
                                Ema = ema
                            }

                    Expect.stringContains (convert false) "left aside" "note"
                    Expect.equal (tensors (at "b.safetensors")) (tensors (at "plain.safetensors")) "trained"
                    Expect.stringContains (convert true) "taken" "note"

                    rewrite (at "a.safetensors") (at "c.safetensors") (fun tensor -> [ tensor.Name, averaged tensor ])
                    run (request (at "c.safetensors") (at "d.safetensors")) |> ignore
                    Expect.equal (tensors (at "b.safetensors")) (tensors (at "d.safetensors")) "averaged"

                    let none =
                        refused (fun () ->
                            run
                                { request (at "a.safetensors") (at "b.safetensors") with
                                    Ema = true
                                }
                            |> ignore)

                    Expect.stringContains none "has no averaged weights" "a checkpoint without averages"))

            testCase
                "a decoder has all but the backbone, in half precision half the bytes, and detects nothing"
                (fun () ->
                    files (fun at ->
                        let halved =
                            { request (at "a.safetensors") (at "b.safetensors") with
                                Decoder = true
                                Half = true
                            }

                        run halved |> ignore

                        let wanted =
                            tensors (at "plain.safetensors")
                            |> List.filter (fun (name, _, _, _) -> not (name.StartsWith "backbone."))

                        let found = tensors (at "b.safetensors")

                        Expect.equal
                            (found |> List.map (fun (n, _, s, _) -> n, s))
                            (wanted |> List.map (fun (n, _, s, _) -> n, s))
                            "names"

                        for (name, kind, _, bytes), (_, _, _, all) in List.zip found wanted do
                            Expect.equal kind ElementType.Float16 name

                            let rounded =
                                [|
                                    for i in 0..4 .. all.Length - 1 ->
                                        BitConverter.ToSingle(all, i) |> Half.op_Explicit
                                |]
                                |> Array.collect (fun (half: Half) -> BitConverter.GetBytes half)

                            Expect.equal bytes rounded name

                        for use' in
                            [
                                fun () -> told (at "b.safetensors") |> ignore
                                fun () -> TrainedModel.load (at "b.safetensors") torch.CPU |> TrainedModel.dispose
                                fun () -> run (request (at "b.safetensors") (at "c.safetensors")) |> ignore
                            ] do
                            Expect.stringContains (refused use') "train --from" "what it is for"

                        let pth = refused (fun () -> run { halved with Out = at "b.pth" } |> ignore)

                        Expect.stringContains pth ".safetensors" "the other format"))

            testCase "numbers beyond half precision are refused by name, and nothing is written" (fun () ->
                files (fun at ->
                    rewrite (at "a.safetensors") (at "big.safetensors") (fun tensor ->
                        let bytes = tensor.ToArray()
                        BitConverter.GetBytes(70000f).CopyTo(bytes, bytes.Length - 4)
                        [ tensor.Name, bytes ])

                    let said =
                        refused (fun () ->
                            run
                                { request (at "big.safetensors") (at "b.safetensors") with
                                    Half = true
                                }
                            |> ignore)

                    Expect.stringContains said "too large for float16" "why"
                    Expect.isFalse (File.Exists(at "b.safetensors")) "nothing written"))

            testCase "NaN is refused by the names of all tensors that hold it, and nothing is written" (fun () ->
                files (fun at ->
                    let broken =
                        [ "backbone.layer4.1.bn2.running_var"; "roi_head.bbox_head.0.fc_cls.bias" ]

                    let broken =
                        [
                            for name, _, _, _ in tensors (at "plain.safetensors") do
                                if List.contains name broken then
                                    name
                        ]

                    Expect.isNonEmpty broken "there are such tensors"

                    rewrite (at "a.safetensors") (at "n.safetensors") (fun tensor ->
                        [
                            tensor.Name,
                            if List.contains tensor.Name broken then
                                withNan tensor
                            else
                                tensor.ToArray()
                        ])

                    for problem in
                        [
                            refused (fun () -> run (request (at "n.safetensors") (at "b.safetensors")) |> ignore)
                            refused (fun () -> run (request (at "n.safetensors") (at "b.pth")) |> ignore)
                            refused (fun () -> TrainedModel.load (at "n.safetensors") torch.CPU |> ignore)
                        ] do
                        Expect.stringContains problem "NaN or infinity" "what"

                        for name in broken do
                            Expect.stringContains problem name "which"

                    for file in [ at "b.safetensors"; at "b.pth" ] do
                        Expect.isFalse (File.Exists file) file))

            testCase "a file of something else is named by what it holds" (fun () ->
                files (fun at ->
                    rewrite (at "a.safetensors") (at "u.safetensors") (fun tensor ->
                        [ "decoder." + tensor.Name.Replace('.', '_'), tensor.ToArray() ])

                    let problem =
                        refused (fun () ->
                            run
                                { request (at "u.safetensors") (at "b.safetensors") with
                                    Classes = Some "a,b,c"
                                }
                            |> ignore)

                    Expect.stringContains problem "decoder.* (" "the names"
                    Expect.isFalse (problem.Contains "holds a backbone") "it does not"))
        ]

let private withKinds name test =
    testList
        name
        [
            for kind in [ "deqdet"; "ffndet"; "adamixer" ] do
                testCase kind (fun () ->
                    inFolder (fun folder -> test (small kind) (fun name -> Path.Combine(folder, name))))
        ]

[<Tests>]
let tests =
    testList
        "convert"
        [
            testCase "what the official code does not compute is said of injected contents alone, and stays in the file"
            <| fun () ->
                inFolder (fun folder ->
                    let at name = Path.Combine(folder, name)
                    let plain = small "deqdet"

                    let injected =
                        { plain with
                            Detector =
                                { plain.Detector with
                                    Queries =
                                        { plain.Detector.Queries with
                                            Inject = true
                                        }
                                }
                        }

                    for settings, count in [ plain, 0; injected, 1 ] do
                        write (at "a.safetensors") settings
                        let said = run (request (at "a.safetensors") (at "a.pth"))
                        Expect.equal (said.Split("queries.inject").Length - 1) count said
                        let said = run (request (at "a.pth") (at "b.safetensors"))
                        Expect.equal (said.Split("queries.inject").Length - 1) 0 "back"

                        Expect.equal
                            ((told (at "b.safetensors")).Contains "queries with injected contents")
                            (count = 1)
                            "info"

                        File.Delete(at "a.safetensors")
                        File.Delete(at "a.pth")
                        File.Delete(at "b.safetensors"))

            withKinds "there and back again" (fun settings at ->
                let specs = official settings.Detector
                write (at "a.safetensors") settings
                let said = run (request (at "a.safetensors") (at "a.pth"))
                Expect.stringStarts said (at "a.pth") "names the file it wrote"

                let official = tensors (at "a.pth")

                Expect.equal
                    [ for name, kind, shape, _ in official -> name, kind, shape ]
                    [
                        for spec in specs do
                            spec.Name,
                            (if spec.Integer then
                                 ElementType.Int64
                             else
                                 ElementType.Float32),
                            List.ofArray spec.Shape
                    ]
                    "the official names in the official order"

                Expect.isNonEmpty (deadOnes settings.Detector) "some are dead"

                do
                    use file = PthFile.Open(at "a.pth")
                    Expect.sequenceEqual file.TopLevelKeys [ "meta"; "state_dict" ] "outermost keys"
                    Expect.sequenceEqual file.Classes [ "cat"; "dog"; "b\u00e4r" ] "classes"
                    Expect.equal (file.Metadata["meta"].["iter"].GetValue<int64>()) 450L "iterations"

                run (request (at "a.pth") (at "b.safetensors")) |> ignore

                let live = Detector.specs settings.Detector |> List.map _.Name |> set

                Expect.equal
                    (tensors (at "b.safetensors"))
                    (tensors (at "a.safetensors")
                     |> List.filter (fun (name, _, _, _) -> live.Contains name))
                    "the same live weights, bit for bit, and nothing else"

                use loaded = CheckpointFile.Open(at "b.safetensors")
                let original = info settings
                Expect.equal loaded.Info.Settings original.Settings "settings"
                Expect.sequenceEqual loaded.Info.Classes original.Classes "classes with their ids"
                Expect.equal loaded.Info.Progress original.Progress "progress"

                run (request (at "a.safetensors") (at "again.pth")) |> ignore

                Expect.equal
                    (File.ReadAllBytes(at "again.pth"))
                    (File.ReadAllBytes(at "a.pth"))
                    "the same file each time")

            withKinds "the result detects what the original detects" (fun settings at ->
                write (at "a.safetensors") settings
                run (request (at "a.safetensors") (at "a.pth")) |> ignore
                run (request (at "a.pth") (at "b.safetensors")) |> ignore
                use _ = torch.NewDisposeScope()

                let images =
                    torch.linspace(-1.0, 1.0, 1L * 3L * 64L * 64L).reshape(1L, 3L, 64L, 64L)

                let detect (path: string) =
                    let model = TrainedModel.load path torch.CPU

                    let found =
                        Detector.detect
                            Effort.Unhurried
                            model.Detector
                            {
                                Images = images
                                Sizes = [ struct (64.0, 64.0) ]
                            }

                    for _, tensor in model.Detector.Tensors do
                        tensor.Dispose()

                    found

                let before, after = detect (at "a.safetensors"), detect (at "b.safetensors")
                Expect.isGreaterThan (before.Scores.numel ()) 0L "detections"
                Expect.isTrue (before.Scores.eq(after.Scores).all().ToBoolean()) "scores"
                Expect.isTrue (before.Boxes.eq(after.Boxes).all().ToBoolean()) "boxes")

            withKinds "dead weights are drawn, not left out" (fun settings at ->
                write (at "a.safetensors") settings
                run (request (at "a.safetensors") (at "a.pth")) |> ignore
                use generator = new torch.Generator(0UL, torch.CPU)

                let written =
                    tensors (at "a.pth")
                    |> List.map (fun (name, _, _, bytes) -> name, bytes)
                    |> Map.ofList

                for spec in deadOnes settings.Detector do
                    use expected = Initialiser.draw generator spec
                    Expect.equal written[spec.Name] (expected.bytes.ToArray()) spec.Name)

            testCase "settings of its own are needed for a detector that is not an official one" (fun () ->
                inFolder (fun folder ->
                    let settings = small "deqdet"
                    let path = Path.Combine(folder, "a.pth")
                    let target = Path.Combine(folder, "b.safetensors")
                    let text = SettingsFile.toJson settings
                    let config = Path.Combine(folder, "mine.json")
                    File.WriteAllText(config, text)
                    bare path (official settings.Detector) """{"epoch":2,"iter":40}"""

                    Expect.stringContains
                        (refused (fun () -> run (request path target) |> ignore))
                        "--config"
                        "unknown sizes"

                    let withConfig =
                        { request path target with
                            Config = Some config
                        }

                    Expect.stringContains (refused (fun () -> run withConfig |> ignore)) "--classes" "unknown classes"

                    Expect.stringContains
                        (refused (fun () -> run { withConfig with Classes = Some "a,b" } |> ignore))
                        "2 classes"
                        "too few classes"

                    Expect.isFalse (File.Exists target) "nothing was written"

                    run
                        { withConfig with
                            Classes = Some "a, b,c"
                        }
                    |> ignore

                    use loaded = CheckpointFile.Open target
                    Expect.sequenceEqual (loaded.Info.Classes |> Seq.map _.Name) [ "a"; "b"; "c" ] "classes"
                    Expect.equal loaded.Info.Progress (CheckpointProgress(2, 40L)) "progress"
                    Expect.equal loaded.Info.Version "0.2.0" "version"))

            testCase "what does not fit is listed, and an old file stays" (fun () ->
                inFolder (fun folder ->
                    let settings = small "deqdet"
                    let path = Path.Combine(folder, "a.pth")
                    let target = Path.Combine(folder, "b.safetensors")
                    let config = Path.Combine(folder, "mine.json")
                    File.WriteAllText(target, "old")
                    File.WriteAllText(config, SettingsFile.toJson settings)

                    let live = Detector.specs settings.Detector
                    let missing, wrong = live[3], live[4]

                    bare
                        path
                        [
                            for spec in live do
                                if spec = wrong then
                                    { spec with Shape = [| 2L; 2L; 2L |] }
                                elif spec <> missing then
                                    spec
                            { missing with Name = "roi_head.extra" }
                        ]
                        "{}"

                    let problem =
                        refused (fun () ->
                            run
                                { request path target with
                                    Config = Some config
                                    Classes = Some "a,b,c"
                                }
                            |> ignore)

                    for part in
                        [
                            "missing (1)"
                            missing.Name
                            "roi_head.extra"
                            wrong.Name + " is F32 [2, 2, 2]"
                        ] do
                        Expect.stringContains problem part "message"

                    Expect.equal (File.ReadAllText target) "old" "untouched"))

            testCase "endings other than these two are refused" (fun () ->
                Expect.stringContains
                    (refused (fun () -> run (request "a.pth" "b.onnx") |> ignore))
                    ".safetensors or .pth"
                    "message")

            testCase "a torchvision ResNet becomes a backbone to start from" (fun () ->
                inFolder (fun folder ->
                    let settings =
                        SettingsFile.parse "s" """{"backbone": {"kind": "resnet18", "frozen_stages": -1}}""" []

                    let backbone =
                        Detector.specs settings.Detector
                        |> List.filter (fun spec -> spec.Name.StartsWith "backbone.")

                    let path = Path.Combine(folder, "resnet18.pth")
                    let target = Path.Combine(folder, "backbone.safetensors")

                    let classifier =
                        [
                            for spec in backbone do
                                { spec with
                                    Name = spec.Name.Substring 9
                                }
                            { backbone.Head with
                                Name = "fc.weight"
                                Shape = [| 10L; 512L |]
                            }
                        ]

                    bare path classifier "{}"
                    let said = run (request path target)
                    Expect.stringContains said "ResNet-18" "recognised"

                    Expect.equal
                        (tensors target |> List.map (fun (name, _, _, _) -> name))
                        (backbone |> List.map _.Name)
                        "names"

                    let expected = backbone |> List.map ExpectedWeights.ofSpec

                    for tensor in (BackboneWeights.load target expected torch.CPU).Values do
                        tensor.Dispose()

                    Expect.stringContains (told target) "backbone ResNet-18" "info"))

            testList
                "official models are recognised by their tensors"
                [
                    for name, parameters, dead in
                        [
                            "deqdet_r50_1x_coco", "101,028,232", "23,269,120"
                            "deqdet_swins_2x_coco", "120,881,202", "23,269,120"
                            "ffndet_r50_1x_coco", "238,318,840", "69,807,360"
                            "adamixer_r101_3x_coco", "153,835,032", "0"
                        ] do
                        testCase name (fun () ->
                            inFolder (fun folder ->
                                let path = Path.Combine(folder, "a.safetensors")
                                let settings = SettingsFile.load (config name) []
                                sparse path (official settings.Detector)
                                use file = TensorFile.Open path
                                let found, which = KnownModels.find file
                                Expect.equal which name "name"
                                Expect.equal found settings "settings"
                                let text = told path
                                Expect.stringContains text "80: person, bicycle, car" "COCO's classes"
                                Expect.stringContains text "does not say how long" "no made-up training"
                                Expect.stringContains text (parameters + "  in all") "parameters"
                                Expect.stringContains text (dead + "  dead") "dead"))
                ]

            asPeopleHaveThem

            testCase "info of an unknown model says what can be seen" (fun () ->
                let text = told (Path.Combine(Golden.folder "pth", "tiny_official.pth"))

                for part in
                    [
                        "unknown"
                        "3: cat, dog, bird"
                        "beside the weights: message_hub, optimizer, param_schedulers"
                        "mmengine.logging.history_buffer.HistoryBuffer"
                    ] do
                    Expect.stringContains text part "info")

            testCase "info tells all about a checkpoint of this program" (fun () ->
                inFolder (fun folder ->
                    let settings = small "deqdet"
                    write (Path.Combine(folder, "latest.safetensors")) settings
                    let text = told folder

                    let count (which: Spec -> bool) =
                        Detector.specs settings.Detector
                        |> List.filter which
                        |> List.sumBy (fun spec -> Array.fold (*) 1L spec.Shape)

                    let live = count (fun spec -> spec.Role = Role.Parameter)

                    let dead =
                        deadOnes settings.Detector
                        |> List.filter (fun spec -> not spec.Integer)
                        |> List.sumBy (fun spec -> Array.fold (*) 1L spec.Shape)

                    for part in
                        [
                            "DEQDet, ResNet-18 of width 8, 5 queries, 4 refinement steps"
                            "3: cat, dog, b\u00e4r"
                            (live + dead).ToString("#,0") + "  in all"
                            dead.ToString("#,0") + "  dead"
                            "3 epochs, 450 steps, seed 7"
                            "somewhere (150 images)"
                            "0.25"
                            "DeqDet 0.1.0"
                            "optimiser's state"
                            "F32"
                        ] do
                        Expect.stringContains text part "info"

                    run (request folder (Path.Combine(folder, "a.pth"))) |> ignore
                    Expect.stringContains (told (Path.Combine(folder, "a.pth"))) "PyTorch" "of a .pth"))

            testCase "info lists parameters and operations by part, at the test images' size or another" (fun () ->
                inFolder (fun folder ->
                    let settings = small "deqdet"
                    write (Path.Combine(folder, "latest.safetensors")) settings

                    let count (prefix: string) =
                        Detector.specs settings.Detector
                        |> List.filter (fun spec ->
                            spec.Role = Role.Parameter
                            && spec.Name.StartsWith(prefix, StringComparison.Ordinal))
                        |> List.sumBy (fun spec -> Array.fold (*) 1L spec.Shape)

                    let own = { Height = 64; Width = 96 }
                    let other = { Height = 320; Width = 32 }

                    for size, text in [ own, told folder; other, toldAt (Some other) folder ] do
                        let cost = Cost.ofDetector 4.0 settings.Detector 1 size

                        for part in
                            [
                                (count "backbone.").ToString("#,0") + "  backbone\n"
                                (count "neck.").ToString("#,0") + "  neck\n"
                                (count "rpn_head.").ToString("#,0") + "  queries\n"
                                (count "roi_head.bbox_head.0.").ToString("#,0") + "  init head\n"
                                (count "roi_head.bbox_head.1.").ToString("#,0") + "  refinement head\n"
                                $"GFLOP  backbone, one image of {size}"
                                $"{(cost.Application.Flops / 1e9):``0.000``} GFLOP  each of 6 applications of a head"
                                $"{(cost.Prediction.Flops / 1e9):``0.000``} GFLOP  a whole prediction"
                            ] do
                            Expect.stringContains text part "info"

                    let stages = small "ffndet"
                    write (Path.Combine(folder, "latest.safetensors")) stages
                    Expect.stringContains (told folder) "  stage 2\n" "unshared stages have numbers"
                    Expect.stringContains (told folder) "each of 2 applications" "one application of each"))
        ]
