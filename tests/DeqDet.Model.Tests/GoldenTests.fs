module DeqDet.Model.Tests.GoldenTests

open System.IO
open Expecto

[<Tests>]
let tests =
    testList
        "Golden"
        [ testCase "reads a file of tensors"
          <| fun () ->
              let tensors = Golden.load (Path.Combine(Golden.folder "solver", "affine_sym_0.5.safetensors"))
              Expect.isNonEmpty tensors "tensors in the file" ]
