/// Adaptive sampling in one pass.
module DeqDet.Kernels.Tests.SamplingTests

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

/// What queries read of their images, in the order of the queries: each number, and the largest error that it may have.
let private expected (case: SamplingCase) (images: int[]) (coordinates: float32[]) : (float * float)[] =
    let maps = case.Maps

    [|
        for query in 0 .. images.Length - 1 do
            for group in 0 .. case.Groups - 1 do
                for i in 0 .. case.Points - 1 do
                    let at = 3 * ((query * case.Groups + group) * case.Points + i)

                    let x, y, depth =
                        float coordinates[at], float coordinates[at + 1], float coordinates[at + 2]

                    let error = sampleError maps depth

                    for number in sample maps case.Channels images[query] (group * case.Width) case.Width (x, y, depth) do
                        number, error
    |]

let private inTurn (case: SamplingCase) =
    Array.init (case.Images * case.Queries) (fun query -> query / case.Queries)

let private expectEqual (expected: (float * float)[]) actual what =
    let numbers, errors = Array.unzip expected
    expectWithin (fun i -> errors[i]) numbers actual what

/// A level as kernels see it.
let describe (case: SamplingCase) (map: LevelMap) (start: nativeptr<float32>) =
    Level(
        Data = start,
        Height = map.Height,
        Width = map.Width,
        Image = int64 (map.Height * map.Width * case.Channels),
        Row = int64 (map.Width * case.Channels),
        Pixel = int64 case.Channels,
        Stride = float32 map.Stride,
        Depth = MathF.Log2(float32 map.Stride)
    )

/// Points that read the images of these numbers, by the kernel alone, all memory between fences.
let private guarded kind (case: SamplingCase) (images: int64[]) (coordinates: float32[]) : float32[] =
    let maps = case.Maps

    let memory =
        [
            for map in maps -> new Guarded<float32>((map.Numbers: float32[]), case.Fence)
        ]

    use points = new Guarded<float32>(coordinates, case.Fence)
    use ofQueries = new Guarded<int64>(images, case.Fence)

    use sampled = new Guarded<float32>(coordinates.Length / 3 * case.Width, case.Fence)

    let mutable job =
        SamplingJob(
            LevelCount = maps.Length,
            Points = points.Pointer,
            Images = ofQueries.Pointer,
            Sampled = sampled.Pointer,
            Queries = images.Length,
            Groups = case.Groups,
            PointsPerGroup = case.Points,
            Width = case.Width
        )

    let levels = &&job.Levels |> NativePtr.toNativeInt |> NativePtr.ofNativeInt<Level>

    for i, (map, memory) in Seq.indexed (Seq.zip maps memory) do
        NativePtr.set levels i (describe case map memory.Pointer)

    SamplingKernels.Run(kind, &&job)

    for level in memory do
        (level :> IDisposable).Dispose()

    sampled.ToArray()

let private inMemory kind (case: SamplingCase) =
    let images, coordinates = inTurn case, case.Coordinates

    expectEqual (expected case images coordinates) (guarded kind case (Array.map int64 images) coordinates) $"{kind}"

let private withinMemory kind (case: SamplingCase) =
    guarded kind case (inTurn case |> Array.map int64) case.Coordinates |> ignore

/// The levels of a case in one of the layouts that a tensor [B, C, H, W] may have. Around those that are part of a larger one all is NaN.
let private levels (case: SamplingCase) : Tensor list =
    let random = Random(case.Seed + 2)

    [
        for map in case.Maps ->
            let last =
                (tensor [ case.Images; map.Height; map.Width; case.Channels ] map.Numbers).permute(0L, 3L, 1L, 2L)

            match random.Next 4 with
            | 0 -> last
            | 1 -> last.contiguous ()
            | 2 ->
                let larger =
                    torch.full (
                        [|
                            int64 case.Images + 1L
                            int64 map.Height + 2L
                            int64 map.Width + 2L
                            int64 case.Channels
                        |],
                        nan.ToScalar(),
                        dtype = torch.float32
                    )

                larger
                    .narrow(0, 1L, int64 case.Images)
                    .narrow(1, 1L, int64 map.Height)
                    .narrow(2, 1L, int64 map.Width)
                    .permute(0L, 3L, 1L, 2L)
                    .copy_(last)
            | _ -> last.transpose(2, 3).contiguous().transpose(2, 3)
    ]

let private strides (case: SamplingCase) =
    [| for struct (_, _, stride) in case.Levels -> stride |]

let private sampleTensors kind (case: SamplingCase) levels (points: Tensor) (images: Tensor) =
    SamplingKernels.TrySample(
        computation kind,
        ResizeArray<Tensor>(levels: Tensor list),
        strides case,
        case.Groups,
        points,
        images
    )

let private points (case: SamplingCase) coordinates =
    tensor [ case.Images; case.Queries; case.Groups * case.Points; 3 ] coordinates

let private ofTensors kind (case: SamplingCase) =
    let coordinates = case.Coordinates

    let sampled = sampleTensors kind case (levels case) (points case coordinates) null

    Expect.sequenceEqual
        sampled.shape
        [
            for n in [ case.Images; case.Queries; case.Groups; case.Points; case.Width ] -> int64 n
        ]
        $"{kind}: [B, Q, G, P, C / G]"

    expectEqual (expected case (inTurn case) coordinates) (numbers sampled) $"{kind}"

/// The same queries as rows in any order, some of them left out.
let private ofRows kind (case: SamplingCase) =
    let random = Random(case.Seed + 3)
    let perQuery = case.Groups * case.Points * 3

    let order =
        Array.init (case.Images * case.Queries) id
        |> Array.sortBy (fun _ -> random.Next())
        |> Array.take (random.Next(case.Images * case.Queries + 1))

    let images = order |> Array.map (fun query -> query / case.Queries)
    let all = case.Coordinates

    let coordinates =
        order
        |> Array.collect (fun query -> all[query * perQuery .. (query + 1) * perQuery - 1])

    let sampled =
        sampleTensors
            kind
            case
            (levels case)
            (tensor [ order.Length; case.Groups * case.Points; 3 ] coordinates)
            (torch.tensor (Array.map int64 images, dtype = torch.int64))

    Expect.sequenceEqual
        sampled.shape
        [ for n in [ order.Length; case.Groups; case.Points; case.Width ] -> int64 n ]
        $"{kind}: [R, G, P, C / G]"

    expectEqual (expected case images coordinates) (numbers sampled) $"{kind}"

/// One level has the weight 1, so that libtorch's grid_sample alone says what is read: also of coordinates that are not finite, and of pixels
/// that are not, which count where a point reads them with a share of 0.
let private asGridSample kind (case: SamplingCase) =
    let case = { case with Groups = 1 }
    let random = Random(case.Seed + 4)
    let struct (height, width, stride) = case.Levels.Head

    let level =
        [|
            for number in case.Maps.Head.Numbers ->
                match random.Next 40 with
                | 0 -> nanf
                | 1 -> infinityf
                | _ -> number
        |]
        |> tensor [ case.Images; height; width; case.Channels ]
        |> _.permute(0L, 3L, 1L, 2L)

    let points = points case case.Coordinates
    points.narrow(-1, 2L, 1L).zero_() |> ignore

    let sampled = sampleTensors kind case [ level ] points null

    if sampled.numel () > 0L then
        let size = torch.tensor [| float32 (width * stride); float32 (height * stride) |]
        let grid = points.narrow (-1, 0L, 2L) / size * (2.0).ToScalar() - (1.0).ToScalar()

        let read =
            torch.nn.functional.grid_sample (
                level.contiguous (),
                grid,
                torch.GridSampleMode.Bilinear,
                torch.GridSamplePaddingMode.Zeros,
                align_corners = false
            )

        expectWithin
            (fun _ -> 1e-5)
            (numbers (read.permute (0L, 2L, 3L, 1L)) |> Array.map float)
            (numbers (sampled.squeeze 2L))
            $"{kind}"

/// A case with points that may be read, for what may not.
let private small =
    {
        Seed = 1
        Images = 2
        Queries = 3
        Groups = 2
        Points = 4
        Width = 5
        Levels = [ struct (6, 7, 8); struct (3, 4, 16) ]
        Places = Inside
        Fence = After
    }

let private refusals kind =
    let levels, points = levels small, points small small.Coordinates

    let refused (levels: Tensor list) (strides: int list) groups (points: Tensor) what =
        Expect.isNull
            (SamplingKernels.TrySample(computation kind, ResizeArray levels, ResizeArray strides, groups, points))
            $"{kind}: {what}"

    refused [] [] 2 points "no level"
    refused (List.replicate 9 levels.Head) (List.replicate 9 8) 2 points "more levels than any pyramid has"
    refused levels [ 8 ] 2 points "fewer strides than levels"
    refused levels [ 8; 16; 32 ] 2 points "more strides than levels"
    refused levels [ 8; 16 ] 0 points "no groups"
    refused levels [ 8; 16 ] 3 points "groups that divide neither channels nor points"
    refused levels [ 8; 16 ] 2 (points.narrow (-1, 0L, 2L)) "points without depth"
    refused levels [ 8; 16 ] 2 (points.select (0, 0L)) "points of no image"
    refused levels [ 8; 16 ] 2 (points.``to`` torch.float64) "points of other numbers"
    refused [ levels[0]; levels[1].``to`` torch.float64 ] [ 8; 16 ] 2 points "levels of other numbers"
    refused [ levels[0]; levels[1].narrow(0, 0L, 1L) ] [ 8; 16 ] 2 points "levels of different images"
    refused [ levels[0]; levels[1].narrow(1, 0L, 8L) ] [ 8; 16 ] 2 points "levels of different channels"
    refused [ levels[0]; levels[1].select(0, 0L) ] [ 8; 16 ] 2 points "a level of no image"
    refused [ levels[0]; levels[1].narrow(2, 0L, 0L) ] [ 8; 16 ] 2 points "a level without pixels"

    for recorded in points :: levels do
        recorded.requires_grad <- true
        refused levels [ 8; 16 ] 2 points "gradients are recorded"
        use _ = torch.no_grad ()
        Expect.isNotNull (sampleTensors kind small levels points null) $"{kind}: without gradients"
        recorded.requires_grad <- false

let private errors kind =
    let levels = levels small
    let rows = (points small small.Coordinates).view(6L, 8L, 3L)

    let fails (points: Tensor) images what =
        Expect.throwsT<ArgumentException>
            (fun () -> sampleTensors kind small levels points images |> ignore)
            $"{kind}: {what}"

    let failsOutside (images: int64 list) what =
        Expect.throwsT<ArgumentOutOfRangeException>
            (fun () ->
                sampleTensors kind small levels rows (torch.tensor (List.toArray images))
                |> ignore)
            $"{kind}: {what}"

    failsOutside [ 0L; 1L; 2L; 0L; 0L; 0L ] "an image after the last"
    failsOutside [ 0L; 1L; 0L; 0L; 0L; -1L ] "an image before the first"
    failsOutside [ 0L; 1L; 0L; 0L; 0L; Int64.MinValue ] "no image at all"
    fails rows (torch.tensor [| 0L; 1L |]) "images of fewer rows"
    fails rows (torch.tensor [| 0; 1; 0; 1; 0; 1 |]) "images as int32"
    fails rows (torch.zeros (6L, 1L, dtype = torch.int64)) "images in a matrix"
    fails ((points small small.Coordinates).narrow(0, 0L, 1L)) null "points of fewer images than the levels have"

/// A group of more channels than a thread's stack holds.
let private wide kind =
    let channels = 3_000_000L
    let level = torch.ones (1L, channels, 1L, 1L)

    let points =
        torch.tensor([| 4.0f; 4.0f; 3.0f; 900.0f; 4.0f; 3.0f |]).view(1L, 1L, 2L, 3L)

    let sampled =
        SamplingKernels.TrySample(computation kind, [| level |], [| 8 |], 1, points)

    Expect.equal ((sampled.sum -1L |> numbers)) [| float32 channels; 0.0f |] $"{kind}: all channels, and none outside"

[<Tests>]
let tests =
    let all = samplingCases

    testList
        "Sampling"
        [
            property 60 "is what the definition says, within its memory" all inMemory
            property
                60
                "of points that are not finite stays within its memory"
                (samplingCasesOf [ NotFinite ] [ 1; 4 ])
                withinMemory
            property 60 "of tensors in any layout is what the definition says" all ofTensors
            property 60 "of rows in any order is what the definition says" all ofRows
            property
                150
                "of one level is libtorch's grid_sample, finite or not"
                (samplingCasesOf [ Inside; Edges; Far; NotFinite ] [ 1 ])
                asGridSample
            every "leaves to libtorch what it cannot do" refusals
            every "says which images do not fit" errors
            every "takes groups of any width" wide
        ]
