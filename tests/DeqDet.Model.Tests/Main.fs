module DeqDet.Model.Tests.Main

open System.Reflection
open Expecto

/// Runs every value of this assembly that is marked [<Tests>].
[<EntryPoint>]
let main arguments =
    Golden.sayIfAbsent ()
    let found = Impl.testFromAssembly (Assembly.GetExecutingAssembly()) |> Option.toList
    runTestsWithCLIArgs [] arguments (testList "Model" found)
