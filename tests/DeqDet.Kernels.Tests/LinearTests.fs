/// Matrix products with packed weights.
module DeqDet.Kernels.Tests.LinearTests

open Expecto
open DeqDet.Kernels
open DeqDet.Tests.KernelProperties
open DeqDet.Tests.KernelCases
open DeqDet.Kernels.Tests.Guarded

/// x W^T + b by the kernel alone, all memory between fences.
let private guarded kind (case: LinearCase) : float32[] =
    let x, weight, bias = case.Numbers
    use x = new Guarded<float32>(x, case.Fence)
    use weight = new Guarded<float32>(weight, case.Fence)
    use bias = new Guarded<float32>(bias, case.Fence)

    use packed =
        new Guarded<float32>(int (MatrixKernels.PackedSize(kind, case.Outputs, case.Inputs)), case.Fence)

    use result = new Guarded<float32>(case.Rows * case.Outputs, case.Fence)
    MatrixKernels.Pack(kind, weight.Pointer, case.Outputs, case.Inputs, packed.Pointer)

    MatrixKernels.Run(
        kind,
        x.Pointer,
        case.Rows,
        packed.Pointer,
        case.Inputs,
        case.Outputs,
        bias.Pointer,
        result.Pointer
    )

    result.ToArray()

let private expected (case: LinearCase) =
    Definitions.linear case.Rows case.Inputs case.Outputs <||| case.Numbers

let private definition kind (case: LinearCase) =
    let numbers, errors = Array.unzip (expected case)
    expectWithin (fun i -> errors[i]) numbers (guarded kind case) $"{kind}"

/// Rows of a product by themselves: the same bits, so that a query's result does not depend on who is computed with it.
let private rowsAlone kind (case: LinearCase) =
    let x, weight, bias = case.Numbers
    use packed = new PackedLinear(computation kind)
    let weight = tensor [ case.Outputs; case.Inputs ] weight
    let bias = tensor [ case.Outputs ] bias
    let x = tensor [ case.Rows; case.Inputs ] x
    let all = packed.TryApply(x, weight, bias)

    if not (isNull all) then
        for row in 0L .. int64 case.Rows - 1L do
            let alone = packed.TryApply(x.narrow (0, row, 1L), weight, bias)
            Expect.equal (bits alone) (bits (all.narrow (0, row, 1L))) $"{kind}: row {row}"

[<Tests>]
let tests =
    testList
        "Matrix products"
        [
            property 60 "are what the definition says, within their memory" linearCases definition
            property 10 "of a row do not depend on the other rows" linearCases rowsAlone
        ]
