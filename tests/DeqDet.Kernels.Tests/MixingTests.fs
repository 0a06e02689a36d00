/// Adaptive mixing.
module DeqDet.Kernels.Tests.MixingTests

#nowarn "9" "51" // jobs hold pointers

open System
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Tests.KernelProperties
open DeqDet.Tests.KernelCases
open DeqDet.Kernels.Tests.Guarded

let private fits kind (case: MixingCase) =
    case.Width % MatrixKernels.PanelWidth kind = 0

let private expectedOf (case: MixingCase) (sampled: float32[]) (generated: float32[]) : float[] =
    Array.concat
        [
            for pair in 0 .. case.Pairs - 1 ->
                Definitions.mixing
                    case.Points
                    case.Width
                    case.Outputs
                    sampled[pair * case.Points * case.Width .. (pair + 1) * case.Points * case.Width - 1]
                    generated[pair * case.Generated .. (pair + 1) * case.Generated - 1]
        ]

let private expected (case: MixingCase) = case.Numbers ||> expectedOf case

// numbers after a norm are about 1; the norm makes errors of products that cancel larger
let private bound (expected: float[]) i = 2e-5 * (1.0 + abs expected[i])

/// By the kernel alone, all memory between fences.
let private guarded kind (case: MixingCase) : float32[] =
    let sampled, generated = case.Numbers
    use sampled = new Guarded<float32>(sampled, case.Fence)
    use generated = new Guarded<float32>(generated, case.Fence)
    use mixed = new Guarded<float32>(case.Pairs * case.Outputs * case.Width, case.Fence)

    let mutable job =
        MixingJob(
            Sampled = sampled.Pointer,
            Generated = generated.Pointer,
            Mixed = mixed.Pointer,
            Pairs = case.Pairs,
            Points = case.Points,
            Width = case.Width,
            Outputs = case.Outputs
        )

    MixingKernels.Run(kind, &&job)
    mixed.ToArray()

let private inMemory kind (case: MixingCase) =
    if fits kind case then
        let expected = expected case
        expectWithin (bound expected) expected (guarded kind case) $"{kind}"

/// bfloat16 numbers, of which float32 has the same upper half.
let private widened (numbers: uint16[]) =
    numbers
    |> Array.map (fun bits -> BitConverter.UInt32BitsToSingle(uint32 bits <<< 16))

/// With parameters and results in bfloat16, all memory between fences.
let private reducedInMemory kind (case: MixingCase) =
    if fits kind case then
        let sampled, generated = case.Numbers

        let generated =
            generated
            |> Array.map (fun number -> uint16 (BitConverter.SingleToUInt32Bits number >>> 16))

        use guardedSampled = new Guarded<float32>(sampled, case.Fence)
        use guardedGenerated = new Guarded<uint16>(generated, case.Fence)
        use mixed = new Guarded<uint16>(case.Pairs * case.Outputs * case.Width, case.Fence)

        let mutable job =
            MixingJob(
                Sampled = guardedSampled.Pointer,
                GeneratedReduced = guardedGenerated.Pointer,
                MixedReduced = mixed.Pointer,
                Pairs = case.Pairs,
                Points = case.Points,
                Width = case.Width,
                Outputs = case.Outputs
            )

        MixingKernels.Run(kind, &&job)
        let expected = expectedOf case sampled (widened generated)
        // the result has eight bits
        let bound i =
            bound expected i + abs expected[i] / 256.0

        expectWithin bound expected (widened (mixed.ToArray())) $"{kind}"

/// Sampled features [1, pairs, 1, points, width] and what was generated, [1, pairs, .], as a head has them.
let private tensors (case: MixingCase) =
    let sampled, generated = case.Numbers

    tensor [ 1; case.Pairs; 1; case.Points; case.Width ] sampled, tensor [ 1; case.Pairs; case.Generated ] generated

let private ofTensors kind (case: MixingCase) =
    let sampled, generated = tensors case
    let mixed = MixingKernels.TryMix(computation kind, sampled, generated)

    if
        instructions
        |> List.exists (fun narrower -> narrower <= kind && fits narrower case)
    then
        let expected = expected case

        Expect.sequenceEqual
            mixed.shape
            [ int64 case.Pairs; int64 case.Outputs; int64 case.Width ]
            $"{kind}: a matrix for each pair"

        expectWithin (bound expected) expected (numbers mixed) $"{kind}"
    else
        Expect.isNull mixed $"{kind}: a width of {case.Width} does not fit"

/// Features [..., G, P, 64] whose memory has another order, of several contents and groups.
let private layouts kind =
    let case =
        {
            Seed = 1
            Pairs = 12
            Points = 5
            Width = 64
            Outputs = 7
            Fence = After
        }

    let sampled, generated = case.Numbers

    let sampled, generated =
        tensor [ 2; 3; 2; 5; 64 ] sampled, tensor [ 2; 3; 2 * case.Generated ] generated

    let across = sampled.transpose(0, 4).contiguous().transpose(0, 4)
    let part = (torch.cat ([| generated; generated |], 1L)).narrow(1, 3L, 3L)
    let mixed = MixingKernels.TryMix(computation kind, across, part)
    let expected = expected case
    expectWithin (bound expected) expected (numbers mixed) $"{kind}: layouts other than row after row"

let private refusals kind =
    let sampled, generated =
        tensors
            {
                Seed = 1
                Pairs = 4
                Points = 5
                Width = 64
                Outputs = 7
                Fence = After
            }

    let refused (sampled: Tensor) (generated: Tensor) what =
        Expect.isNull (MixingKernels.TryMix(computation kind, sampled, generated)) $"{kind}: {what}"

    refused sampled (generated.narrow (-1, 0L, 64L * 64L + 34L)) "part of a row of the points' matrix"
    refused sampled (generated.narrow (-1, 0L, 4095L)) "part of the channels' matrix"
    refused sampled (generated.narrow (1, 0L, 3L)) "parameters of fewer pairs"
    refused (sampled.narrow (1, 0L, 3L)) generated "features of fewer pairs"
    refused (sampled.narrow (3, 0L, 0L)) generated "no points"
    refused (sampled.narrow (4, 0L, 0L)) generated "no channels"
    refused (sampled.narrow (2, 0L, 0L)) generated "no groups"
    refused (sampled.select (2, 0L)) generated "features without groups"
    refused (sampled.``to`` torch.float64) generated "features of other numbers"
    refused sampled (generated.``to`` torch.float64) "parameters of other numbers"

    for recorded in [ sampled; generated ] do
        recorded.requires_grad <- true
        refused sampled generated "gradients are recorded"

    use _ = torch.no_grad ()
    Expect.isNotNull (MixingKernels.TryMix(computation kind, sampled, generated)) $"{kind}: without gradients"

[<Tests>]
let tests =
    testList
        "Mixing"
        [
            property 40 "is what the definition says, within its memory" mixingCases inMemory
            property 30 "in bfloat16 is the same, rounded, within its memory" mixingCases reducedInMemory
            property 40 "of tensors is what the definition says, or not done" mixingCases ofTensors
            every "takes tensors of any layout" layouts
            every "leaves to libtorch what it cannot do" refusals
        ]
