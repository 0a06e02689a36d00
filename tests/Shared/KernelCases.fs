/// Random cases of the kernels: sizes that shrink, and numbers that follow from a seed.
module DeqDet.Tests.KernelCases

open System
open FsCheck
open FsCheck.FSharp

/// On which side of a kernel's numbers the memory is that nobody may touch.
type Fence =
    | Before
    | After

/// A level's maps [images, height, width, channels], a pixel's channels beside each other.
type LevelMap =
    {
        Height: int
        Width: int
        Stride: int
        Numbers: float32[]
    }

/// Smaller numbers not below a bound: the bound itself, the half, one less.
let private smaller bound n =
    [ bound; n / 2; n - 1 ]
    |> List.distinct
    |> List.filter (fun m -> bound <= m && m < n)

let private fence = Gen.elements [ Before; After ]

/// Sizes up to a largest one; small ones and such around multiples of vectors come often.
let private size smallest largest =
    Gen.frequency
        [
            3, Gen.choose (smallest, largest)
            2, Gen.choose (smallest, min largest (smallest + 9))
            2, Gen.elements [ 15; 16; 17; 31; 32; 33; 63; 64; 65; 127; 128; 129; 256 ]
        ]
    |> Gen.map (fun n -> n |> max smallest |> min largest)

/// x [Rows, Inputs] W^T + b, W [Outputs, Inputs].
type LinearCase =
    {
        Seed: int
        Rows: int
        Inputs: int
        Outputs: int
        Fence: Fence
    }

    /// x, W and b.
    member case.Numbers: float32[] * float32[] * float32[] =
        let random = Random case.Seed

        KernelProperties.normals random (case.Rows * case.Inputs),
        KernelProperties.normals random (case.Outputs * case.Inputs),
        KernelProperties.normals random case.Outputs

let linearCases: Arbitrary<LinearCase> =
    let generator =
        gen {
            let! seed = Gen.choose (0, 1_000_000)
            let! rows = Gen.choose (0, 40)
            let! inputs = size 1 600
            let! outputs = size 1 300
            let! fence = fence

            return
                {
                    Seed = seed
                    Rows = rows
                    Inputs = inputs
                    Outputs = outputs
                    Fence = fence
                }
        }

    let shrink (case: LinearCase) =
        seq {
            for n in smaller 0 case.Rows do
                yield { case with Rows = n }

            for n in smaller 1 case.Inputs do
                yield { case with Inputs = n }

            for n in smaller 1 case.Outputs do
                yield { case with Outputs = n }
        }

    Arb.fromGenShrink (generator, shrink)

/// Pairs of query and group with x [Points, Width], M [Width, Width], S [Outputs, Points].
type MixingCase =
    {
        Seed: int
        Pairs: int
        Points: int
        Width: int
        Outputs: int
        Fence: Fence
    }

    /// Numbers that are generated for a pair.
    member case.Generated = case.Width * case.Width + case.Outputs * case.Points

    /// x of all pairs, and what was generated for all, such that products are about 1.
    member case.Numbers: float32[] * float32[] =
        let random = Random case.Seed

        let scaled count depth =
            KernelProperties.normals random count
            |> Array.map (fun n -> n / sqrt (float32 depth))

        KernelProperties.normals random (case.Pairs * case.Points * case.Width),
        Array.concat
            [
                for _ in 1 .. case.Pairs do
                    scaled (case.Width * case.Width) case.Width
                    scaled (case.Outputs * case.Points) case.Points
            ]

let mixingCases: Arbitrary<MixingCase> =
    let generator =
        gen {
            let! seed = Gen.choose (0, 1_000_000)
            let! pairs = Gen.choose (0, 4)
            let! points = size 1 40
            let! width = Gen.elements [ 1; 7; 16; 24; 32; 40; 48; 64; 65; 80; 128 ]
            let! outputs = size 1 70
            let! fence = fence

            return
                {
                    Seed = seed
                    Pairs = pairs
                    Points = points
                    Width = width
                    Outputs = outputs
                    Fence = fence
                }
        }

    let shrink (case: MixingCase) =
        seq {
            for n in smaller 0 case.Pairs do
                yield { case with Pairs = n }

            for n in smaller 1 case.Points do
                yield { case with Points = n }

            for n in smaller 1 case.Outputs do
                yield { case with Outputs = n }

            for n in [ 16; 48; 64 ] do
                if n < case.Width then
                    yield { case with Width = n }
        }

    Arb.fromGenShrink (generator, shrink)

/// Where the points of a case lie.
type Places =
    /// Anywhere in and around a map.
    | Inside
    /// On centres and borders of pixels, and on the map's edges or one float32 beside them.
    | Edges
    /// As far away as float32 goes.
    | Far
    /// Coordinates and depths that are NaN or infinite, or become it in float32, among others.
    | NotFinite

/// Points [Images, Queries, Groups * Points, 3] that read a pyramid [Images, Groups * Width, Height, Width] of these levels.
type SamplingCase =
    {
        Seed: int
        Images: int
        Queries: int
        Groups: int
        Points: int
        Width: int
        Levels: struct (int * int * int) list
        Places: Places
        Fence: Fence
    }

    member case.Channels = case.Groups * case.Width

    /// The levels' maps, of numbers between -1 and 1.
    member case.Maps: LevelMap list =
        let random = Random case.Seed

        [
            for struct (height, width, stride) in case.Levels ->
                {
                    Height = height
                    Width = width
                    Stride = stride
                    Numbers =
                        Array.init (case.Images * height * width * case.Channels) (fun _ ->
                            float32 (2.0 * random.NextDouble() - 1.0))
                }
        ]

    /// Coordinates x, y, depth of one point after the other.
    member case.Coordinates: float32[] =
        let random = Random(case.Seed + 1)
        let oneOf (choices: float list) = choices[random.Next choices.Length]

        let along pixels stride =
            let side, stride = float (pixels * stride), float stride
            let inside = (random.NextDouble() * 1.4 - 0.2) * side

            match case.Places with
            | Inside -> float32 inside
            | Edges ->
                let pixel = float (random.Next(-1, pixels + 2)) * stride
                let edge = oneOf [ 0.0; side; -0.5 * stride; 0.5 * stride; side + 0.5 * stride ]
                let at = float32 (oneOf [ pixel; pixel + 0.5 * stride; edge ])

                match random.Next 3 with
                | 0 -> at
                | 1 -> MathF.BitIncrement at
                | _ -> MathF.BitDecrement at
            | Far ->
                oneOf [ inside; 1e3; -1e4; 3e7; -3e9; 1e30; -1e30; 1e38; -1e38; 1e-30; -1e-42 ]
                |> float32
            | NotFinite -> oneOf [ inside; inside; nan; infinity; -infinity; 3.4e38; -3.4e38 ] |> float32

        let depth stride =
            let near = random.NextDouble() * 14.0 - 3.0

            match case.Places with
            | Inside -> near
            | Edges -> oneOf [ Math.Log2 stride; near ]
            | Far -> oneOf [ near; -40.0; 40.0 ]
            | NotFinite -> oneOf [ near; near; near; nan; infinity; -infinity; 1e4; -3e38 ]

        [|
            for _ in 1 .. case.Images * case.Queries * case.Groups * case.Points do
                let struct (height, width, stride) = case.Levels[random.Next case.Levels.Length]
                along width stride
                along height stride
                float32 (depth (float stride))
        |]

/// Cases whose points lie in some of these places, with so many levels.
let samplingCasesOf (places: Places list) (levels: int list) : Arbitrary<SamplingCase> =
    let level =
        gen {
            let! height = Gen.frequency [ 1, Gen.constant 1; 4, Gen.choose (1, 9) ]
            let! width = Gen.frequency [ 1, Gen.constant 1; 4, Gen.choose (1, 9) ]
            let! stride = Gen.elements [ 1; 3; 4; 7; 8; 16; 25; 32; 64; 101 ]
            return struct (height, width, stride)
        }

    let generator =
        gen {
            let! seed = Gen.choose (0, 1_000_000)
            let! images = Gen.frequency [ 1, Gen.constant 0; 9, Gen.choose (1, 3) ]
            let! queries = Gen.choose (0, 5)
            let! groups = Gen.choose (1, 4)
            let! points = Gen.choose (0, 19)
            let! width = size 1 70
            let! levelCount = Gen.elements levels
            let! levels = Gen.listOfLength levelCount level
            let! places = Gen.elements places
            let! fence = fence

            return
                {
                    Seed = seed
                    Images = images
                    Queries = queries
                    Groups = groups
                    Points = points
                    Width = width
                    Levels = levels
                    Places = places
                    Fence = fence
                }
        }

    let shrink (case: SamplingCase) =
        seq {
            for n in smaller 1 case.Images do
                yield { case with Images = n }

            for n in smaller 1 case.Queries do
                yield { case with Queries = n }

            for n in smaller 1 case.Groups do
                yield { case with Groups = n }

            for n in smaller 1 case.Points do
                yield { case with Points = n }

            for n in smaller 1 case.Width do
                yield { case with Width = n }

            if case.Levels.Length > List.min levels then
                yield { case with Levels = case.Levels.Tail }

            for i, struct (height, width, stride) in List.indexed case.Levels do
                if height > 1 || width > 1 then
                    yield
                        { case with
                            Levels = List.updateAt i struct (max 1 (height / 2), max 1 (width / 2), stride) case.Levels
                        }
        }

    Arb.fromGenShrink (generator, shrink)

let samplingCases: Arbitrary<SamplingCase> =
    samplingCasesOf [ Inside; Edges; Far ] [ 1; 2; 4; 5; 8 ]
