/// The kernels against the functions that they replace, also where numbers are NaN or infinite.
module DeqDet.Model.Tests.KernelTests

open System
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Tests.KernelProperties
open DeqDet.Tests.KernelCases

type private Tensor = torch.Tensor

/// The same numbers, a few of them NaN or infinite, or none.
let private spoiled (seed: int) (numbers: float32[]) =
    let random = Random seed
    let odds = [| 0.0; 0.001; 0.02 |][random.Next 3]

    [|
        for number in numbers ->
            if random.NextDouble() < odds then
                [| nanf; infinityf; -infinityf |][random.Next 3]
            else
                number
    |]

let private expectSame (bound: float) (plain: Tensor) (fast: Tensor) what =
    Expect.isNotNull fast $"{what}: by a kernel"
    Expect.sequenceEqual fast.shape plain.shape $"{what}: shape"
    expectWithin (fun _ -> bound) (numbers plain |> Array.map float) (numbers fast) what

let private linear kind (case: LinearCase) =
    let x, weight, bias = case.Numbers
    use packing = new PackedLinear(computation kind)

    let layer: Linear =
        {
            Weight = tensor [ case.Outputs; case.Inputs ] (spoiled (case.Seed + 1) weight)
            Bias = tensor [ case.Outputs ] (spoiled (case.Seed + 2) bias)
            Packing = packing
        }

    let x = tensor [ 1; case.Rows; case.Inputs ] (spoiled (case.Seed + 3) x)
    let sizes = 3e-6 * float case.Inputs
    expectSame (1e-5 + sizes) (Linear.applyPlain layer x) (Linear.apply layer x) $"{kind}"

let private mixing kind (case: MixingCase) =
    let sampled, generated = case.Numbers

    let sampled =
        tensor [ 1; case.Pairs; 1; case.Points; case.Width ] (spoiled (case.Seed + 1) sampled)

    let generated =
        tensor [ 1; case.Pairs; case.Generated ] (spoiled (case.Seed + 2) generated)

    let plain = Mixing.mixPlain sampled generated

    match MixingKernels.TryMix(computation kind, sampled, generated) with
    | null -> Expect.isTrue (case.Width % 16 <> 0) $"{kind}: a width of {case.Width} fits"
    | mixed -> expectSame 1e-4 plain mixed $"{kind}"

let private pyramid (case: SamplingCase) : Pyramid =
    {
        Levels =
            [
                for i, map in List.indexed case.Maps ->
                    (tensor [ case.Images; map.Height; map.Width; case.Channels ] (spoiled (case.Seed + i) map.Numbers))
                        .permute(0L, 3L, 1L, 2L)
            ]
        Strides = case.Maps |> List.map _.Stride
    }

let private points (case: SamplingCase) =
    tensor [ case.Images; case.Queries; case.Groups * case.Points; 3 ] case.Coordinates

/// A pixel's share and its level's weight together may be too small for float32, and 0 times infinity is NaN, where each by itself leaves it
/// infinite: either is no number.
let private expectSameNumbers (plain: Tensor) (fast: Tensor) what =
    let orNaN (tensor: Tensor) = tensor.nan_to_num (nan, nan, nan)
    Expect.isNotNull fast $"{what}: by a kernel"
    expectSame 2e-5 (orNaN plain) (orNaN fast) what

let private sampling kind (case: SamplingCase) =
    let pyramid, points = pyramid case, points case

    // libtorch refuses to sample nothing
    if points.numel () > 0L then
        expectSameNumbers
            (Sampling.samplePlain case.Groups pyramid points)
            (SamplingKernels.TrySample(
                computation kind,
                ResizeArray pyramid.Levels,
                ResizeArray pyramid.Strides,
                case.Groups,
                points
            ))
            $"{kind}"

/// Of some images a few of their queries, as one row.
let private rows kind (case: SamplingCase) =
    if case.Images * case.Queries * case.Points > 0 then
        let random = Random(case.Seed + 7)
        let pyramid, points = pyramid case, points case
        let counts = Array.init case.Images (fun _ -> random.Next(case.Queries + 1))

        let images =
            [| 0 .. case.Images - 1 |] |> Array.filter (fun image -> counts[image] > 0)

        if images.Length > 0 then
            let row =
                torch.cat (
                    [|
                        for image in images -> points.narrow(0, int64 image, 1L).narrow(1, 0L, int64 counts[image])
                    |],
                    1L
                )

            let counts = images |> Array.map (fun image -> counts[image])

            expectSameNumbers
                (Sampling.sampleRowsPlain case.Groups pyramid images counts row)
                (Sampling.sampleRows (computation kind) case.Groups pyramid images counts row)
                $"{kind}"

let private everywhere =
    samplingCasesOf [ Inside; Edges; Far; NotFinite ] [ 1; 2; 4; 5; 8 ]

[<Tests>]
let tests =
    testList
        "Kernels"
        [
            property 25 "for linear layers give what libtorch gives" linearCases linear
            property 25 "for mixing give what libtorch gives" mixingCases mixing
            property 50 "for sampling give what libtorch gives" everywhere sampling
            property 25 "for sampling of rows give what libtorch gives" everywhere rows
        ]
