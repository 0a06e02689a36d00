module DeqDet.Tests.OnnxBackboneTests

open System
open System.IO
open Expecto
open TorchSharp
open DeqDet.Checkpoints
open DeqDet.Detection
open DeqDet.Model
open DeqDet.Model.Backbones
open DeqDet.Settings
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.OnnxBytes

let private write (folder: string) (form: ResNetForm) =
    let content, written = resNet form 7
    let path = Path.Combine(folder, "a.onnx")
    File.WriteAllBytes(path, content)
    path, written

/// [out, in, ...] with the inputs back to front.
let private backwards (shape: int64 list) (values: float32[]) : float32[] =
    let inputs = int shape[1]
    let rest = values.Length / int shape[0] / inputs

    [|
        for o in 0 .. int shape[0] - 1 do
            for i in inputs - 1 .. -1 .. 0 do
                yield! values[(o * inputs + i) * rest .. (o * inputs + i + 1) * rest - 1]
    |]

let private refused (form: ResNetForm) : string =
    let mutable problem = ""

    inFolder (fun folder ->
        let path, _ = write folder form
        use file = TensorFile.Open path
        problem <- refusal path (fun () -> BackboneNames.convert file |> ignore))

    problem

let private normalise (mean: float list) (std: float list) : NormaliseSettings = { Mean = mean; Std = std }

let private detector (width: int) =
    let text =
        $$"""{ "backbone": { "kind": "resnet18", "width": {{width}} }, "head": { "channels": 32, "heads": 4, "groups": 4 }, "classes": 2 }"""

    Detector.initialise (SettingsFile.parse "test" text []).Detector 1UL torch.CPU

/// Pixels of a picture [1, 3, H, W] given by a formula: grey levels of red, green, blue.
let private picture (side: int) : float32[] =
    [|
        for c in 0..2 do
            for y in 0 .. side - 1 do
                for x in 0 .. side - 1 ->
                    float32 ((c * 67 + y * 5 + x * 3 + (x * y) % 31 + (x / 28 + y / 28) % 2 * 90) % 256)
    |]

let private features (path: string) (width: int) (normalise: NormaliseSettings) (side: int) : torch.Tensor list =
    use _ = torch.no_grad ()
    let detector = detector width

    try
        BackboneWeights.copyInto detector path normalise torch.CPU
        let pixels = torch.tensor(picture side).view(1L, 3L, int64 side, int64 side)

        let three (values: float list) =
            torch.tensor([| for v in values -> float32 v |]).view(1L, 3L, 1L, 1L)

        Backbone.apply None detector.Weights.Backbone ((pixels - three normalise.Mean) / three normalise.Std)
    finally
        Detector.dispose detector

let private difference (a: torch.Tensor) (b: torch.Tensor) : float32 =
    (a - b).abs().max().ToSingle() / b.abs().max().ToSingle()

let private bgrMean = [ 123.15; 115.9; 103.06 ]
let private usual = normalise [ 123.675; 116.28; 103.53 ] [ 58.395; 57.12; 57.375 ]

/// The weights as one package of NuGet holds them, where this machine has it.
let private package () : string =
    let package =
        WeightPackages.all |> List.find (fun package -> package.Kind = ResNet18)

    let source = PackageSource.ofMachine Threading.CancellationToken.None

    source.Folders
    |> List.map (fun folder -> Path.Combine(Array.ofList (folder :: package.Folder @ [ package.File ])))
    |> List.tryFind File.Exists
    |> Option.defaultWith (fun () ->
        skiptest $"the package {package.Package} {package.Version} is not in {String.Join(' ', source.Folders)}")

[<Tests>]
let tests =
    testList
        "backbones in ONNX files"
        [
            testCase
                "CNTK's ResNet gets torchvision's names from its graph, its channels as red, green, blue"
                (fun () ->
                    inFolder (fun folder ->
                        let path, written = write folder cntk
                        use file = TensorFile.Open path
                        let backbone = BackboneNames.convert file

                        let expected =
                            [
                                for name, shape, values in written do
                                    if not (name.StartsWith "layer4.2.") then
                                        "backbone." + name,
                                        (if name = "conv1.weight" then
                                             backwards shape values
                                         else
                                             values)
                                        |> floats
                            ]

                        let found = [ for tensor in backbone.Tensors -> tensor.Name, tensor.ToArray() ]
                        Expect.equal (List.sortBy fst found) (List.sortBy fst expected) "tensors"

                        Expect.equal
                            backbone.Input
                            (Some
                                {
                                    Mean = bgrMean
                                    Std = [ 1.0; 1.0; 1.0 ]
                                    Padding = Symmetric
                                })
                            "input"

                        Expect.equal backbone.Notices.Length 1 "a notice of the block that is left aside"))

            testCase "of another writer nothing is known about its input, and nothing turned round" (fun () ->
                inFolder (fun folder ->
                    let path, written =
                        write
                            folder
                            { cntk with
                                Producer = "other"
                                Depths = [ 3; 4; 6; 3 ]
                            }

                    use file = TensorFile.Open path
                    let backbone = BackboneNames.convert file
                    Expect.equal backbone.Tensors.Length written.Length "resnet34"
                    Expect.equal (backbone.Input, backbone.Notices) (None, []) "input"

                    let stem =
                        backbone.Tensors
                        |> List.find (fun tensor -> tensor.Name = "backbone.conv1.weight")

                    let _, _, values = written |> List.find (fun (name, _, _) -> name = "conv1.weight")
                    Expect.equal (stem.ToArray()) (floats values) "the stem"))

            testCase "an ONNX file with torchvision's names is taken by these" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.onnx")
                    let numbers = bytes 9 (floats [| 1.0f |])
                    let names = [ "conv1.weight"; "layer1.0.conv1.weight"; "fc.weight" ]

                    File.WriteAllBytes(
                        path,
                        model "pytorch" [] [ for name in names -> tensor name 1L [ 1L ] numbers ]
                    )

                    use file = TensorFile.Open path

                    Expect.equal
                        [ for tensor in (BackboneNames.convert file).Tensors -> tensor.Name ]
                        [ "backbone.conv1.weight"; "backbone.layer1.0.conv1.weight" ]
                        "names"))

            testList
                "refused"
                [
                    for name, form, expected in
                        [
                            "no pooling", { cntk with HasPooling = false }, "no pairs"
                            "another depth", { cntk with Depths = [ 2; 3; 2; 2 ] }, "2, 3, 2, 2 blocks"
                            "three stages", { cntk with Depths = [ 2; 2; 2 ] }, "3 stages"
                            "the stride in the second convolution", { cntk with Strides = 1L, 2L }, "stride"
                            "groups", { cntk with Groups = 2L }, "grouped"
                            "another epsilon", { cntk with Epsilon = 1e-3f }, "variance"
                        ] do
                        testCase name (fun () -> Expect.stringContains (refused form) expected "message")

                    testCase "a graph without convolutions, and one that runs in a circle" (fun () ->
                        let circle =
                            [
                                node "Conv" [ "r"; "w" ] "c" []
                                node "BatchNormalization" [ "c"; "w"; "w"; "w"; "w" ] "n" []
                                node "Relu" [ "n" ] "r" []
                                node "Add" [ "n"; "n" ] "s" []
                            ]

                        inFolder (fun folder ->
                            let path = Path.Combine(folder, "a.onnx")

                            for nodes in [ []; circle ] do
                                File.WriteAllBytes(path, model "CNTK" nodes [])
                                use file = TensorFile.Open path
                                let problem = refusal path (fun () -> BackboneNames.convert file |> ignore)
                                Expect.stringContains problem "no ResNet" "message"))
                ]

            testCase "a converted file says what its weights have seen" (fun () ->
                inFolder (fun folder ->
                    let path, _ = write folder cntk
                    let converted = Path.Combine(folder, "b.safetensors")
                    WeightsByName.convert path converted
                    use file = TensorFile.Open path
                    use again = TensorFile.Open converted
                    let first, second = BackboneNames.convert file, BackboneNames.convert again
                    Expect.equal second.Input first.Input "input"
                    Expect.equal second.Tensors.Length first.Tensors.Length "tensors"

                    for tensor in first.Tensors do
                        Expect.isTrue ((again.Find tensor.Name).ToArray() = tensor.ToArray()) tensor.Name

                    Expect.isEmpty
                        (BackboneWeights.notices converted Symmetric usual)
                        "means that are nearly the same"

                    let far =
                        { usual with
                            Mean = [ 123.675; 116.28; 100.0 ]
                        }

                    Expect.hasLength (BackboneWeights.notices converted Symmetric far) 1 "means that are not"))

            testCase "what is said about the input comes back from metadata" (fun () ->
                for padding in [ Symmetric; Same ] do
                    let input =
                        {
                            Mean = [ 127.5; 0.1; -3.25e-7 ]
                            Std = [ 127.5; 1.0 / 3.0; 1e9 ]
                            Padding = padding
                        }

                    let metadata = readOnlyDict (BackboneInput.toMetadata input)
                    Expect.equal (BackboneInput.ofMetadata "a" metadata) (Some input) "input"

                Expect.isNone (BackboneInput.ofMetadata "a" (readOnlyDict [ "format", "pt" ])) "nothing said")

            testCase "damaged statements about the input are refused" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.safetensors")

                    let one =
                        TensorToWrite.Of("backbone.conv1.weight", ElementType.Float32, [||], Array.zeroCreate 4)

                    let mean, std = "[1,2,3]", "[1,2,3]"

                    for metadata in
                        [
                            [ "input_mean", mean ]
                            [ "input_std", std ]
                            [ "input_mean", "[1,2]"; "input_std", std ]
                            [ "input_mean", mean; "input_std", "[1,0,3]" ]
                            [ "input_mean", "null"; "input_std", std ]
                            [ "input_mean", "[1,2,1e999]"; "input_std", std ]
                            [ "input_mean", "{"; "input_std", std ]
                            [ "input_mean", "[\"a\",2,3]"; "input_std", std ]
                        ] do
                        SafetensorsWriter.Write(path, [| one |], readOnlyDict metadata)
                        use file = TensorFile.Open path
                        let problem = refusal path (fun () -> BackboneNames.convert file |> ignore)
                        Expect.stringContains problem "input_" "message"))

            testCase "a detector computes the same however it normalises" (fun () ->
                inFolder (fun folder ->
                    use _ = torch.NewDisposeScope()
                    let path, _ = write folder cntk
                    let compute normalise = features path 8 normalise 224
                    let expected = compute (normalise bgrMean [ 1.0; 1.0; 1.0 ])

                    // other deviations: the same to rounding, everywhere
                    for found, expected in List.zip (compute (normalise bgrMean usual.Std)) expected do
                        Expect.isLessThan (difference found expected) 1e-5f "deviations"

                    // other means: the same where no convolution has seen the edge, of which C2 sees 12 cells far
                    let middle (x: torch.Tensor) =
                        x.narrow(2, 16L, 24L).narrow(3, 16L, 24L)

                    let found = (compute (normalise [ 90.0; 116.28; 130.0 ] usual.Std)).Head
                    Expect.isLessThan (difference (middle found) (middle expected.Head)) 1e-5f "means"
                    Expect.isGreaterThan (difference found expected.Head) 1e-5f "the edge differs"))

            testCase "the package's ResNet-18 computes what OnnxRuntime 1.31.1 does" (fun () ->
                use _ = torch.NewDisposeScope()
                let levels = features (package ()) 64 (normalise bgrMean usual.Std) 224

                // of ReLU283, 315, 347 and 379: largest value, mean, root of the mean square
                let recorded =
                    [
                        37.81594, 3.00527231803088, 4.955033733898583
                        22.939278, 1.140544914582434, 2.258997057701232
                        11.529837, 0.7542458291723886, 1.5149717606273363
                        22.263752, 0.8651431857799661, 2.16431176999371
                    ]

                for level, (largest, mean, root) in List.zip levels recorded do
                    let exact = level.``to`` torch.float64

                    let near (found: torch.Tensor) expected what =
                        Expect.isLessThan (abs (found.ToDouble() - expected)) (1e-5 * largest) what

                    near (exact.max ()) largest "largest"
                    near (exact.mean ()) mean "mean"
                    near (exact.square().mean().sqrt()) root "root of the mean square"

                let c5 = levels[3]

                // channel, row, column, value
                for channel, y, x, expected in
                    [
                        329L, 0L, 0L, 22.263752
                        329L, 6L, 0L, 20.441109
                        279L, 0L, 6L, 19.769167
                        301L, 0L, 6L, 16.843143
                        172L, 0L, 6L, 16.315454
                        76L, 2L, 0L, 15.510696
                        481L, 6L, 6L, 15.324863
                        100L, 6L, 6L, 7.0538034
                        255L, 0L, 6L, 0.5619707
                        17L, 3L, 4L, 0.0
                    ] do
                    let found = c5[0L, channel, y, x].ToDouble()
                    Expect.isLessThan (abs (found - expected)) (1e-5 * 22.263752) $"{channel} {y} {x}")
        ]
