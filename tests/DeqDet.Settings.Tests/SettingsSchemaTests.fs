module DeqDet.Tests.SettingsSchemaTests

open System
open System.IO
open System.Text
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Model
open DeqDet
open DeqDet.Settings
open DeqDet.Settings.Json
open DeqDet.Settings.Schema
open DeqDet.Tests.SettingsFiles

let private positive =
    Gen.choose (1, 1_000_000)
    |> Gen.map (fun n -> float n / 7.0 * 10.0 ** float (n % 9 - 4))

let private fraction = Gen.choose (0, 997) |> Gen.map (fun n -> float n / 997.0)
let private belowOne = Gen.choose (0, 996) |> Gen.map (fun n -> float n / 997.0)

let private name =
    Gen.elements [ "a"; "Ä ö/ü"; "C:\\x\\\"y\""; "line\nbreak"; "{}"; "1"; "ünï 🦝" ]

let private terms =
    gen {
        let! a = positive
        let! b = Gen.oneof [ positive; Gen.constant 0.0 ]
        let! c = Gen.oneof [ positive; Gen.constant 0.0 ]
        return { Focal = a; L1 = b; GIoU = c }
    }

let private detector =
    gen {
        let! kind = Gen.elements (List.map snd Words.all<DetectorKind>)
        let! backbone = Gen.elements (List.map snd Words.all<BackboneKind>)
        let isSwin = List.contains backbone [ SwinT; SwinS; SwinB ]
        let! norm = Gen.elements (if isSwin then [ Frozen ] else [ Frozen; Batch ])
        let! dropPath = if isSwin then belowOne else Gen.constant 0.0
        let! stem = if isSwin then Gen.constant 64 else Gen.choose (8, 256)

        let! padding =
            Gen.elements (
                if backbone = MobileNetV2 then
                    [ Symmetric; Same ]
                else
                    [ Symmetric ]
            )

        let! frozen = Gen.choose (-1, 4)
        let! weights = Gen.optionOf name
        let! classes = Gen.choose (0, 100)
        let! count = Gen.choose (1, 900)
        let! detections = Gen.choose (1, 1000)
        let! heads = Gen.elements [ 1; 2; 4; 8; 3 ]
        let! groups = Gen.elements [ 1; 2; 4; 5 ]
        let! width = Gen.choose (1, 3)
        let! sizes = Gen.listOfLength 4 (Gen.choose (1, 64))
        let! stageWeights = Gen.oneof [ Gen.constant []; Gen.listOfLength sizes[3] fraction ]
        let! steps = Gen.choose (1, 50)
        let! supervised = Gen.nonEmptyListOf (Gen.choose (1, steps))
        let! unroll = Gen.choose (1, 9)
        let! extra = Gen.choose (0, 9)
        let! immediate = Gen.elements [ true; false ]
        let! chances = Gen.listOfLength 3 fraction
        let! pixels = positive
        let! matching = terms
        let! loss = terms
        let! alpha = fraction
        let! gamma = positive
        let! divisor = positive
        let! damping = Gen.elements [ 0.25; 0.5; 1.0; 1.75 ]
        let! precision = Gen.elements [ Float32; BFloat16 ]

        let! gradient =
            Gen.elements [ RagGradient; JfbGradient; PhantomGradient; ImplicitGradient ]

        let! solver =
            gen {
                let! scheme = Gen.elements [ PicardScheme; AndersonScheme; BroydenScheme ]
                let! memory = Gen.optionOf (Gen.choose (1, 100))
                let! tolerance = Gen.optionOf positive
                let! budget = Gen.optionOf positive

                return
                    {
                        Steps = steps
                        Scheme = scheme
                        Damping = damping
                        Memory = memory
                        Tolerance = tolerance
                        BudgetMs = budget
                    }
            }

        return
            {
                Kind = kind
                Classes = classes
                Backbone =
                    {
                        Kind = backbone
                        Width = stem
                        FrozenStages = frozen
                        Norm = norm
                        Padding = padding
                        DropPath = dropPath
                        Weights = weights
                    }
                Queries =
                    {
                        Count = count
                        Detections = detections
                        Inject = count % 2 = 0
                    }
                Head =
                    {
                        Channels = 480 * width
                        Heads = heads
                        Groups = groups
                        PointsIn = sizes[0]
                        PointsOut = sizes[1]
                        FeedForward = sizes[2]
                        Stages = sizes[3]
                        StageWeights = stageWeights
                    }
                Solver = solver
                Precision = precision
                Rag =
                    {
                        Gradient = gradient
                        PhantomDamping = damping
                        Supervised = supervised |> List.distinct |> List.sort
                        Unroll = unroll
                        Extra = extra
                        Discount = damping / 2.0
                        Immediate = immediate
                    }
                Rap =
                    {
                        ContentProbability = chances[0]
                        ContentIntensity = chances[1]
                        PositionProbability = chances[2]
                        PositionIntensity = pixels
                    }
                Matching = matching
                Loss =
                    {
                        Weights = loss
                        FocalGamma = gamma
                        FocalAlpha = alpha
                        EmptyBatchDivisor = divisor
                        Jacobian = gamma
                        Residual = alpha
                    }
            }
    }

let private data =
    gen {
        let! names = Gen.listOfLength 5 name
        let! numbers = Gen.listOfLength 4 (Gen.choose (1, 2000))
        let! shapes = Gen.elements [ true; false ]
        let! sides = Gen.nonEmptyListOf (Gen.choose (1, 1000))
        let! flip = fraction
        let! crop = Gen.elements [ true; false ]
        let! colours = Gen.listOfLength 6 positive
        let! empty = Gen.elements [ true; false ]

        return
            {
                Root = names[0]
                Train =
                    {
                        Images = names[1]
                        Annotations = names[2]
                    }
                Val =
                    {
                        Images = names[3]
                        Annotations = names[4]
                    }
                AutoSplit = { Val = flip * 0.9; Seed = numbers[3] }
                Shapes =
                    if shapes then
                        Some
                            {
                                TrainImages = numbers[0]
                                ValImages = numbers[1]
                                Seed = numbers[2]
                            }
                    else
                        None
                Resize =
                    {
                        ShortSide = numbers[0]
                        LongMax = max 1000 (numbers[0] + numbers[1])
                    }
                Augment =
                    {
                        Flip = flip
                        FlipVertical = 1.0 - flip
                        ShortSides = sides
                        Crop =
                            if crop then
                                Some
                                    {
                                        Probability = flip
                                        ShortSides = List.rev sides
                                        MinSize = numbers[2]
                                        MaxSize = numbers[2] + numbers[3]
                                    }
                            else
                                None
                        Scale =
                            if crop then
                                None
                            else
                                Some
                                    {
                                        Min = flip / 2.0 + 0.25
                                        Max = 1.0 + flip
                                    }
                        Mosaic =
                            if shapes then
                                Some
                                    {
                                        Probability = flip
                                        MinScale = 0.5
                                        MaxScale = 0.5 + flip
                                    }
                            else
                                None
                        Colour =
                            if empty then
                                Some
                                    {
                                        Brightness = flip
                                        Contrast = flip / 2.0
                                        Saturation = 1.0 - flip
                                        Hue = 180.0 * flip
                                    }
                            else
                                None
                    }
                Normalise =
                    {
                        Mean = colours |> List.take 3 |> List.map (fun value -> value - 3.0)
                        Std = List.skip 3 colours
                    }
                Filter =
                    {
                        MinSide = numbers[3]
                        DropEmpty = empty
                    }
                Workers = numbers[1] % 256
                CacheMb = numbers[2]
                LoaderMb = numbers[3]
            }
    }

let private rule =
    gen {
        let! part = name
        let! lr = fraction
        let! decay = positive

        return { Match = part; Lr = lr; Decay = decay }
    }

let private settings: Gen<Settings> =
    gen {
        let! detector = detector
        let! data = data
        let! rates = Gen.listOfLength 4 positive
        let! betas = Gen.listOfLength 2 belowOne
        let! rules = Gen.listOf rule
        let! kind = Gen.elements [ ScheduleKind.Step; ScheduleKind.Cosine ]
        let! numbers = Gen.listOfLength 8 (Gen.choose (1, 1000))
        let! milestones = Gen.listOf positive
        let! freeze = Gen.elements [ []; [ "backbone" ]; [ "neck.*bias"; "fc_cls" ] ]
        let! load = Gen.optionOf (Gen.elements [ "work/shapes"; "a \"b\".pth" ])
        let! renames = Gen.listOf (Gen.elements [ "cat", "puma"; "dog", "wolf" ])
        let! shares = Gen.listOfLength 3 fraction

        let! precision =
            Gen.elements [ TrainingNumbers.Float32; TrainingNumbers.BFloat16; TrainingNumbers.Float16 ]

        return
            {
                Detector = detector
                Weights =
                    {
                        Load = load
                        Rename = [ for old, now in renames -> { Old = old; New = now } ]
                    }
                Data = data
                Optimiser =
                    {
                        Lr = rates[0]
                        WeightDecay = rates[1]
                        Betas = betas
                        Eps = rates[2]
                        ClipNorm = rates[3]
                        Rules = rules
                        Freeze = freeze
                    }
                Schedule =
                    {
                        Kind = kind
                        WarmupSteps = numbers[0]
                        WarmupFactor = shares[0]
                        Milestones = milestones |> List.distinct |> List.sort
                        Factor = rates[1]
                        FinalFactor = shares[1]
                    }
                Train =
                    {
                        Epochs = numbers[1]
                        BatchSize = numbers[2]
                        Accumulate = numbers[5]
                        Ema = shares[1] / 2.0
                        BadSteps = numbers[6]
                        TryLargest = numbers[0] % 2 = 0
                        Seed = numbers[3]
                        LogEvery = numbers[4]
                        Patience = numbers[1]
                        EvaluateEvery = numbers[5]
                        SaveSteps = numbers[0] - 1
                        SaveMinutes = rates[3]
                        Keep = numbers[5]
                        Tensorboard = numbers[1] % 2 = 0
                        Precision = precision
                    }
                Evaluation =
                    {
                        BatchSize = numbers[6]
                        Pictures = numbers[7]
                        PictureScore = shares[2]
                    }
            }
    }

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 200
    }

/// A text with a few of its bytes changed, swapped or cut off.
let private damaged (original: byte[]) : Gen<byte[]> =
    gen {
        let! places = Gen.listOfLength 3 (Gen.choose (0, original.Length - 1))
        let! values = Gen.listOfLength 3 (Gen.choose (0, 255))

        let! length =
            Gen.frequency [ 3, Gen.constant original.Length; 1, Gen.choose (0, original.Length) ]

        let bytes = Array.copy original

        for place, value in List.zip places values do
            bytes[place] <- byte value

        return Array.truncate length bytes
    }

/// The generators of the properties.
type Samples =
    static member Settings() = Arb.fromGen settings

    static member Bytes() =
        Arb.fromGen (damaged (Encoding.UTF8.GetBytes(SettingsFile.toJson Settings.defaults)))

let private samples =
    { config with
        arbitrary = [ typeof<Samples> ]
    }

let private leaves =
    SettingsSchema.reference.Value
    |> List.filter (fun entry -> entry.Kind <> "" && not (entry.Path.Contains "[]"))

[<Tests>]
let tests =
    testList
        "Settings schema"
        [
            testPropertyWithConfig
                samples
                "what is written reads back to the same settings"
                (fun (settings: Settings) ->
                    SettingsFile.parse "resolved.json" (SettingsFile.toJson settings) [] = settings)
            testPropertyWithConfig
                { samples with maxTest = 1000 }
                "damaged files raise nothing but InputError"
                (fun (bytes: byte[]) ->
                    try
                        Parse.file "x.json" bytes |> SettingsSchema.decode "x.json" |> ignore
                    with :? InputError as error ->
                        Expect.stringContains error.Message "x.json" "the file is named")
            testCase "every key refuses nonsense and names itself"
            <| fun () ->
                for entry in leaves do
                    let message =
                        complaint (fun () -> SettingsFile.parse "x" "{}" [ $"{entry.Path}=[[[]]]" ])

                    expectParts message [ $"--set {entry.Path}=[[[]]]: {entry.Path}"; "must be" ]
            testCase "every key takes its default"
            <| fun () ->
                let assignments = leaves |> List.map (fun entry -> $"{entry.Path}={entry.Default}")
                let optional = [ "data.shapes.seed"; "data.augment.crop.probability" ]
                Expect.isGreaterThan assignments.Length 70 "keys"

                // what may be absent is absent by default, whatever its keys are worth where it is there
                let absent =
                    [
                        "data.shapes."
                        "data.augment.crop."
                        "data.augment.scale."
                        "data.augment.mosaic."
                        "data.augment.colour."
                    ]

                for parent in absent do
                    Expect.exists assignments (fun text -> text.StartsWith parent) $"keys below {parent}"

                Expect.equal
                    (SettingsFile.parse
                        "x"
                        "{}"
                        (assignments
                         |> List.filter (fun text -> not (absent |> List.exists text.StartsWith))))
                    Settings.defaults
                    "defaults"

                for path in optional do
                    Expect.contains (leaves |> List.map _.Path) path "described"
            testCase "settings that were resolved before there were save_steps, save_minutes and loader_mb load"
            <| fun () ->
                let text =
                    File.ReadAllText(Path.Combine(root, "tests", "DeqDet.Settings.Tests", "earlier.json"))

                Expect.equal (SettingsFile.parse "checkpoint" text []) Settings.defaults "the defaults"
            testCase "classes come from the data, unless the settings insist"
            <| fun () ->
                let free = Settings.defaults
                let fixed' = SettingsFile.parse "x" "{}" [ "classes=80" ]
                Expect.equal (Settings.withClasses 3 free).Detector.Classes 3 "taken"
                Expect.equal (Settings.withClasses 80 fixed').Detector.Classes 80 "agreed"

                expectParts (complaint (fun () -> Settings.withClasses 3 fixed')) [ "classes = 80"; "has 3"; "null" ]
            testCase "bounds in words, and what they hold"
            <| fun () ->
                let low, above = AtLeastAttribute 1, AboveAttribute 1
                let high, below = AtMostAttribute 2.5, BelowAttribute 2.5

                for attributes, words, inside in
                    [
                        [], "a number", [ -9.0; 1.0; 2.0; 2.5; 9.0 ]
                        [ box low ], "a number, at least 1", [ 1.0; 2.0; 2.5; 9.0 ]
                        [ box above ], "a number above 1", [ 2.0; 2.5; 9.0 ]
                        [ box high ], "a number, at most 2.5", [ -9.0; 1.0; 2.0; 2.5 ]
                        [ box below ], "a number below 2.5", [ -9.0; 1.0; 2.0 ]
                        [ box high; box low ], "a number from 1 to 2.5", [ 1.0; 2.0; 2.5 ]
                        [ box low; box below ], "a number from 1 to below 2.5", [ 1.0; 2.0 ]
                        [ box above; box high ], "a number above 1 and at most 2.5", [ 2.0; 2.5 ]
                        [ box above; box below ], "a number above 1 and below 2.5", [ 2.0 ]
                    ] do
                    let bounds = Bounds attributes
                    Expect.equal (bounds.Words "a number") words "words"

                    let held =
                        [ nan; infinity; -infinity; -9.0; 1.0; 2.0; 2.5; 9.0 ]
                        |> List.filter bounds.Hold

                    Expect.equal held inside words
            testCase "the nearest word is the one with the fewest edits"
            <| fun () ->
                for a, b, distance in
                    [
                        "", "", 0
                        "abc", "ABC", 0
                        "stpes", "steps", 1
                        "step", "steps", 1
                        "kitten", "sitting", 3
                        "", "abc", 3
                        "ab", "ba", 1
                        "abcd", "badc", 2
                    ] do
                    Expect.equal (Nearest.distance a b) distance $"{a} {b}"
                    Expect.equal (Nearest.distance b a) distance $"{b} {a}"

                Expect.equal (Nearest.find [ "lr"; "steps"; "seed" ] "stps") (Some "steps") "found"
                Expect.equal (Nearest.find [] "x") None "nothing to find"
        ]
