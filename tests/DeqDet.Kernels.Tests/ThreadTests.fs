/// Results depend neither on how many threads there are nor on what was computed before.
module DeqDet.Kernels.Tests.ThreadTests

open System
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Tests.KernelProperties

let private random (seed: int) (shape: int list) =
    tensor shape (normals (Random seed) (List.fold (*) 1 shape))

/// That a computation gives the same bits with 1, 2 and 3 threads, every time.
let private expectSame (compute: unit -> Tensor) what =
    let threads = torch.get_num_threads ()

    let results =
        try
            [
                for count in [ 1; 2; 3; 2; 1 ] do
                    torch.set_num_threads count
                    bits (compute ())
                    bits (compute ())
            ]
        finally
            torch.set_num_threads threads

    for result in results.Tail do
        Expect.isTrue ((result = results.Head)) $"{what}: the same bits"

let private products kind =
    for rows, inputs, outputs in [ 1, 300, 2000; 7, 130, 65; 100, 20, 300; 64, 600, 64 ] do
        use packed = new PackedLinear(computation kind)

        let x, weight, bias =
            random 1 [ rows; inputs ], random 2 [ outputs; inputs ], random 3 [ outputs ]

        expectSame (fun () -> packed.TryApply(x, weight, bias)) $"{kind}: {rows} x {inputs} x {outputs}"

let private mixing kind =
    let sampled, generated =
        random 1 [ 2; 9; 2; 11; 64 ], random 2 [ 2; 9; 2 * (64 * 64 + 11 * 13) ]

    expectSame (fun () -> MixingKernels.TryMix(computation kind, sampled, generated)) $"{kind}: mixing"

let private sampling kind =
    let levels = [| random 1 [ 2; 26; 20; 30 ]; random 2 [ 2; 26; 10; 15 ] |]
    let points = (random 3 [ 2; 17; 18; 3 ]).mul_((60.0).ToScalar())

    expectSame
        (fun () -> SamplingKernels.TrySample(computation kind, levels, [| 8; 16 |], 2, points))
        $"{kind}: sampling"

[<Tests>]
let tests =
    // libtorch's number of threads is the process's
    testSequenced
    <| testList
        "Threads"
        [
            every "do not change products" products
            every "do not change mixing" mixing
            every "do not change sampling" sampling
        ]
