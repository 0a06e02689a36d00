/// The functions that kernels compute, from their definitions, in float64.
module DeqDet.Kernels.Tests.Definitions

open System
open DeqDet.Tests
open DeqDet.Tests.KernelCases

/// x W^T + b for x [rows, inputs], W [outputs, inputs]: each number, and the largest error that float32 may make in it, in whatever order.
let linear rows inputs outputs (x: float32[]) (weight: float32[]) (bias: float32[]) : (float * float)[] =
    [|
        for row in 0 .. rows - 1 do
            for column in 0 .. outputs - 1 do
                let mutable sum, size = float bias[column], abs (float bias[column])

                for k in 0 .. inputs - 1 do
                    let product = float x[row * inputs + k] * float weight[column * inputs + k]
                    sum <- sum + product
                    size <- size + abs product

                sum, float (inputs + 2) * KernelProperties.rounding * size
    |]

/// [rows, depth] times [depth, columns].
let private product rows depth columns (a: float[]) (b: float[]) : float[] =
    let c = Array.zeroCreate (rows * columns)

    for i in 0 .. rows - 1 do
        for k in 0 .. depth - 1 do
            for j in 0 .. columns - 1 do
                c[i * columns + j] <- c[i * columns + j] + a[i * depth + k] * b[k * columns + j]

    c

/// Layer normalisation over all numbers, eps 1e-5, then ReLU, which NaN passes.
let private normalised (x: float[]) : float[] =
    let mean = Array.average x
    let variance = x |> Array.averageBy (fun n -> (n - mean) * (n - mean))

    x
    |> Array.map (fun n ->
        let y = (n - mean) / sqrt (variance + 1e-5)
        if y < 0.0 then 0.0 else y)

/// Adaptive mixing of one pair: x [points, width] by M [width, width] and S [outputs, points], which follow each other -> [outputs, width].
let mixing points width outputs (x: float32[]) (generated: float32[]) : float[] =
    let x, generated = Array.map float x, Array.map float generated
    let m, s = Array.splitAt (width * width) generated
    let between = normalised (product points width width x m)

    if outputs = 0 then
        [||]
    else
        normalised (product outputs points width s between)

/// softmax over levels of -(level - log2 stride)^2 / 2.
let levelWeights (strides: int list) (depth: float) : float[] =
    let exponents =
        [|
            for stride in strides ->
                let distance = depth - Math.Log2(float stride)
                -distance * distance / 2.0
        |]

    let largest = Array.max exponents
    let shares = exponents |> Array.map (fun e -> exp (e - largest))
    let sum = Array.sum shares
    shares |> Array.map (fun share -> share / sum)

/// What a finite point (x, y in px, depth in log2 px) reads from `width` channels after `first` of an image with so many channels: of every
/// pixel its share, which falls linearly to 0 at a pixel's distance from its centre.
let sample (maps: LevelMap list) channels image first width (x: float, y: float, depth: float) : float[] =
    let result = Array.zeroCreate width
    let weights = levelWeights (maps |> List.map _.Stride) depth
    let share (at: float) (pixel: int) = max 0.0 (1.0 - abs (at - float pixel))

    for map, weight in Seq.zip maps weights do
        let column, row = x / float map.Stride - 0.5, y / float map.Stride - 0.5

        for i in 0 .. map.Height - 1 do
            for j in 0 .. map.Width - 1 do
                let share = share row i * share column j * weight

                if share > 0.0 then
                    let pixel = ((image * map.Height + i) * map.Width + j) * channels + first

                    for channel in 0 .. width - 1 do
                        result[channel] <- result[channel] + share * float map.Numbers[pixel + channel]

    result

/// The largest error that float32 may make in a sample of maps whose numbers are at most 1: the position within a map is rounded a few
/// times relative to the map's size, the exponent of the level weights relative to itself.
let sampleError (maps: LevelMap list) (depth: float) : float =
    let side = maps |> List.map (fun map -> float (map.Height + map.Width)) |> List.max

    let exponent =
        maps
        |> List.map (fun map -> (abs depth + Math.Log2(float map.Stride)) ** 2.0 / 2.0)
        |> List.max

    KernelProperties.rounding
    * (64.0 * side + 16.0 * exponent + 8.0 * float maps.Length + 32.0)
