module DeqDet.Solver.Tests.NativeTests

open Expecto
open TorchSharp

[<Tests>]
let tests =
    testList
        "libtorch"
        [
            testCase "is found and computes"
            <| fun () ->
                use a = torch.tensor ([| 1.0f; 2.0f |])
                use b = a + a
                Expect.equal (b.data<float32>().ToArray()) [| 2.0f; 4.0f |] "a + a"
        ]
