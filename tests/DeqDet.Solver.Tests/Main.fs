module DeqDet.Solver.Tests.Main

open System.Reflection
open Expecto
open TorchSharp

/// Runs every value of this assembly that is marked [<Tests>].
[<EntryPoint>]
let main arguments =
    // The tensors here are tiny: more threads would only wait for each other.
    torch.set_num_threads 1
    let found = Impl.testFromAssembly (Assembly.GetExecutingAssembly()) |> Option.toList
    runTestsWithCLIArgs [] arguments (testList "Solver" found)
