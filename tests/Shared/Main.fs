module DeqDet.Tests.Main

open System.Reflection
open Expecto

/// Runs every value of this assembly that is marked [<Tests>].
[<EntryPoint>]
let main arguments =
    GoldenFolder.sayIfAbsent ()
    let assembly = Assembly.GetExecutingAssembly()
    let name = assembly.GetName().Name.Replace("DeqDet.", "").Replace(".Tests", "")
    let found = Impl.testFromAssembly assembly |> Option.toList
    runTestsWithCLIArgs [] arguments (testList name found)
