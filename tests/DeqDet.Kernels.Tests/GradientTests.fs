/// The kernels' backward passes, each by itself, over memory between fences.
module DeqDet.Kernels.Tests.GradientTests

#nowarn "9" "51" // jobs hold pointers

open System
open FSharp.NativeInterop
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Tests.KernelProperties
open DeqDet.Kernels.Tests.Definitions
open DeqDet.Tests.KernelCases
open DeqDet.Kernels.Tests.Guarded

/// A gradient of so many numbers, of other numbers than those of the case.
let private gradientOf (seed: int) count = normals (Random(seed + 9)) count

let private expectNear (expected: Tensor) (actual: float32[]) what =
    let expected = numbers (expected.``to`` torch.float32) |> Array.map float
    let largest = expected |> Array.fold (fun most n -> max most (abs n)) 1.0
    expectWithin (fun _ -> 1e-4 * largest) expected actual what

/// Gradients of features and parameters of a mixing, by the kernel.
let private mixingGradientsOf kind (case: MixingCase) (sampled: float32[], generated: float32[]) (ofMixed: float32[]) =
    use sampled = new Guarded<float32>(sampled, case.Fence)
    use generated = new Guarded<float32>(generated, case.Fence)
    use ofMixed = new Guarded<float32>(ofMixed, case.Fence)

    use ofSampled =
        new Guarded<float32>(case.Pairs * case.Points * case.Width, case.Fence)

    use ofGenerated = new Guarded<float32>(case.Pairs * case.Generated, case.Fence)

    let mutable job =
        MixingGradientJob(
            Forward =
                MixingJob(
                    Sampled = sampled.Pointer,
                    Generated = generated.Pointer,
                    Pairs = case.Pairs,
                    Points = case.Points,
                    Width = case.Width,
                    Outputs = case.Outputs
                ),
            Mixed = ofMixed.Pointer,
            Sampled = ofSampled.Pointer,
            Generated = ofGenerated.Pointer
        )

    MixingKernels.Run(kind, &&job)
    ofSampled.ToArray(), ofGenerated.ToArray()

let private mixingGradients kind (case: MixingCase) (ofMixed: float32[]) : float32[] * float32[] =
    mixingGradientsOf kind case case.Numbers ofMixed

let private mixing kind (case: MixingCase) =
    if case.Width % MatrixKernels.PanelWidth kind = 0 && case.Pairs > 0 then
        let gradient = gradientOf case.Seed (case.Pairs * case.Outputs * case.Width)
        let ofSampled, ofGenerated = mixingGradients kind case gradient
        let sampled, generated = case.Numbers

        let pairs, points, width, outputs =
            int64 case.Pairs, int64 case.Points, int64 case.Width, int64 case.Outputs

        let leaf (shape: int64 list) numbers =
            (tensor (List.map int shape) numbers).``to``(torch.float64).detach().requires_grad_ true

        let x = leaf [ pairs; points; width ] sampled
        let parameters = leaf [ pairs; int64 case.Generated ] generated

        let norm (y: Tensor) =
            torch.nn.functional.layer_norm (y, y.shape[1..], eps = 1e-5)

        let channels = parameters.narrow(1, 0L, width * width).reshape(pairs, width, width)

        let ofPoints =
            parameters.narrow(1, width * width, outputs * points).reshape(pairs, outputs, points)

        let between = norm (x.bmm channels)
        let mixed = norm (ofPoints.bmm (between.relu ()))

        // beside 0 float32 may be on the other side of ReLU's bend, where the gradient jumps
        let isClear (y: Tensor) = y.abs().min().ToDouble() > 1e-5

        if isClear between && isClear mixed then
            (mixed.relu () * tensor [ case.Pairs; case.Outputs; case.Width ] gradient).sum().backward()
            expectNear x.grad ofSampled $"{kind}: of the features"
            expectNear parameters.grad ofGenerated $"{kind}: of the parameters"

let private narrowed (numbers: float32[]) =
    use tensor = torch.tensor numbers
    use reduced = tensor.``to`` torch.bfloat16

    reduced.bytes.ToArray()
    |> Array.chunkBySize 2
    |> Array.map BitConverter.ToUInt16

let private widened (numbers: uint16[]) =
    numbers
    |> Array.map (fun bits -> BitConverter.UInt32BitsToSingle(uint32 bits <<< 16))

/// With parameters and gradients in bfloat16: bit for bit what the kernel gives of the same numbers in float32, rounded where it is written.
let private mixingReduced kind (case: MixingCase) =
    if case.Width % MatrixKernels.PanelWidth kind = 0 && case.Pairs > 0 then
        let gradient =
            gradientOf case.Seed (case.Pairs * case.Outputs * case.Width) |> narrowed

        let sampled, generated = case.Numbers
        let generated = narrowed generated

        use ofSampled =
            new Guarded<float32>(case.Pairs * case.Points * case.Width, case.Fence)

        use ofGenerated = new Guarded<uint16>(case.Pairs * case.Generated, case.Fence)
        use guardedSampled = new Guarded<float32>(sampled, case.Fence)
        use guardedGenerated = new Guarded<uint16>(generated, case.Fence)
        use guardedGradient = new Guarded<uint16>(gradient, case.Fence)

        let mutable job =
            MixingGradientJob(
                Forward =
                    MixingJob(
                        Sampled = guardedSampled.Pointer,
                        GeneratedReduced = guardedGenerated.Pointer,
                        Pairs = case.Pairs,
                        Points = case.Points,
                        Width = case.Width,
                        Outputs = case.Outputs
                    ),
                MixedReduced = guardedGradient.Pointer,
                Sampled = ofSampled.Pointer,
                GeneratedReduced = ofGenerated.Pointer
            )

        MixingKernels.Run(kind, &&job)

        let expectedOfSampled, expectedOfGenerated =
            mixingGradientsOf kind case (sampled, widened generated) (widened gradient)

        Expect.equal (ofSampled.ToArray()) expectedOfSampled $"{kind}: of the features"
        Expect.equal (ofGenerated.ToArray()) (narrowed expectedOfGenerated) $"{kind}: of the parameters"

/// bfloat16 is added to float32 as it is, from the first number to the last.
let private sums kind (case: MixingCase) =
    let random = Random case.Seed
    // around one thread's share, and around a vector
    let count = random.Next 40 + (if random.Next 4 = 0 then (1 <<< 16) - 20 else 1)
    let before, added = normals random count, normals random count |> narrowed
    use sum = tensor [ count ] before

    use reduced = (tensor [ count ] (widened added)).``to`` torch.bfloat16

    ReducedGradient.Add(kind, reduced, sum)
    Expect.equal (numbers sum) (Array.map2 (+) before (widened added)) $"{kind}: {count} numbers"

/// Gradients of points and levels ([B, H, W, C]) of a sampling, by the kernel. Every image has as many queries.
let private samplingGradients kind (case: SamplingCase) (ofSampled: float32[]) : float32[] * float32[] list =
    let maps = case.Maps

    let level (map: LevelMap) =
        new Guarded<float32>(map.Numbers, case.Fence)

    let zeros (map: LevelMap) =
        new Guarded<float32>(Array.zeroCreate<float32> map.Numbers.Length, case.Fence)

    let memory, gradients = List.map level maps, List.map zeros maps
    use points = new Guarded<float32>(case.Coordinates, case.Fence)
    use ofSampled = new Guarded<float32>(ofSampled, case.Fence)
    use ofPoints = new Guarded<float32>(case.Coordinates.Length, case.Fence)

    let mutable job =
        SamplingGradientJob(
            Forward =
                SamplingJob(
                    LevelCount = maps.Length,
                    Points = points.Pointer,
                    Queries = case.Images * case.Queries,
                    QueriesPerImage = case.Queries,
                    Groups = case.Groups,
                    PointsPerGroup = case.Points,
                    Width = case.Width
                ),
            Sampled = ofSampled.Pointer,
            Points = ofPoints.Pointer
        )

    for i, map in List.indexed maps do
        let levels =
            &&job.Forward.Levels |> NativePtr.toNativeInt |> NativePtr.ofNativeInt<Level>

        NativePtr.set levels i (SamplingTests.describe case map memory[i].Pointer)
        let ofMaps = &&job.Maps |> NativePtr.toNativeInt |> NativePtr.ofNativeInt<nativeint>
        NativePtr.set ofMaps i (NativePtr.toNativeInt gradients[i].Pointer)

    SamplingKernels.Run(kind, &&job, case.Images)
    let ofMaps = gradients |> List.map _.ToArray()

    for guarded in memory @ gradients do
        (guarded :> IDisposable).Dispose()

    ofPoints.ToArray(), ofMaps

/// The same by libtorch, operation by operation in float32, so that points on borders fall on the same side.
let private byLibtorch (case: SamplingCase) (ofSampled: float32[]) : Tensor * Tensor list =
    let leaf shape numbers =
        (tensor shape numbers).requires_grad_ true

    let levels =
        [
            for map in case.Maps -> leaf [ case.Images; map.Height; map.Width; case.Channels ] map.Numbers
        ]

    let points =
        leaf [ case.Images; case.Queries; case.Groups * case.Points; 3 ] case.Coordinates

    let strides = [| for map in case.Maps -> MathF.Log2(float32 map.Stride) |]

    let ofGroup group =
        let points = points.narrow (2, int64 (group * case.Points), int64 case.Points)
        let distance = points.narrow (-1, 2L, 1L) - torch.tensor strides
        let weights = (distance * distance * (-0.5).ToScalar()).softmax -1L

        [
            for i, map in List.indexed case.Maps do
                let size =
                    torch.tensor [| float32 (map.Width * map.Stride); float32 (map.Height * map.Stride) |]

                let grid = points.narrow (-1, 0L, 2L) / size * (2.0).ToScalar() - (1.0).ToScalar()

                let level =
                    levels[i].narrow(-1, int64 (group * case.Width), int64 case.Width).permute(0L, 3L, 1L, 2L)

                let read =
                    torch.nn.functional.grid_sample (
                        level,
                        grid,
                        torch.GridSampleMode.Bilinear,
                        torch.GridSamplePaddingMode.Zeros,
                        align_corners = false
                    )

                read.permute (0L, 2L, 3L, 1L) * weights.narrow (-1, int64 i, 1L)
        ]
        |> List.reduce (fun sum read -> sum + read)

    let sampled =
        torch.stack ([| for group in 0 .. case.Groups - 1 -> ofGroup group |], 2L)

    (sampled * (tensor [ for n in sampled.shape -> int n ] ofSampled)).sum().backward()
    points.grad, [ for level in levels -> level.grad ]

let private sampling kind (case: SamplingCase) =
    let count = case.Coordinates.Length / 3 * case.Width
    let gradient = gradientOf case.Seed count
    let ofPoints, ofMaps = samplingGradients kind case gradient

    if count > 0 && case.Places <> NotFinite then
        let expectedOfPoints, expectedOfMaps = byLibtorch case gradient
        expectNear expectedOfPoints ofPoints $"{kind}: of the points"

        for expected, ofMap in List.zip expectedOfMaps ofMaps do
            expectNear expected ofMap $"{kind}: of a level"

/// Sampling and mixing as one node take their sizes from some of the tensors: those of the others have to be the same.
let private refusals kind =
    let computation = Computation(kind, Precision.Fp32, true)

    let zeros (shape: int64 list) =
        torch.zeros (List.toArray shape, dtype = torch.float32)
    // 2 groups of 16 channels, 4 points to 8
    let level = zeros([ 2L; 6L; 6L; 32L ]).permute(0L, 3L, 1L, 2L)
    let points, content = zeros [ 2L; 3L; 8L; 3L ], zeros [ 2L; 3L; 32L ]
    use generator = new PackedLinear(computation)
    use projection = new PackedLinear(computation)

    let layers generated flat =
        MixingLayers(
            generator,
            (zeros [ generated; 32L ]).requires_grad_ true,
            zeros [ generated ],
            projection,
            (zeros [ 32L; flat ]).requires_grad_ true,
            zeros [ 32L ]
        )

    let isDone points content layers =
        SampledMixingKernels.TryApply(computation, [| level |], [| 8 |], 2, points, content, layers).HasValue

    let fitting = layers 576L 256L
    Expect.isTrue (isDone points content fitting) $"{kind}: all fits"

    for points, content, layers, what in
        [
            points.narrow (0, 0L, 1L), content.narrow (0, 0L, 1L), fitting, "fewer images than the level has"
            points.narrow (1, 0L, 2L), content, fitting, "points of fewer queries"
            points, content.narrow (1, 0L, 2L), fitting, "contents of fewer queries"
            points, content.narrow (2, 0L, 16L), fitting, "narrower contents"
            points.narrow (2, 0L, 6L), content, fitting, "fewer points than the generator is made for"
            points.narrow (2, 0L, 0L), content, fitting, "no points"
            points, content, layers 574L 256L, "a generator of part of a row"
            points, content, layers 448L 256L, "a generator of part of the channels' matrices"
            points, content, layers 576L 240L, "a projection of fewer numbers"
        ] do
        Expect.isFalse (isDone points content layers) $"{kind}: {what}"

[<Tests>]
let tests =
    testList
        "Gradients"
        [
            property 30 "of mixing are libtorch's, within their memory" mixingCases mixing
            property 30 "of mixing in bfloat16 are float32's of the same numbers, rounded" mixingCases mixingReduced
            property 30 "in bfloat16 are added to float32 ones" mixingCases sums
            property
                40
                "of sampling are libtorch's, within their memory"
                (samplingCasesOf [ Inside; Edges; NotFinite ] [ 1; 2; 4; 8 ])
                sampling
            every "are left to libtorch where sizes contradict each other" refusals
        ]
