module DeqDet.Tests.Main

open System.Reflection
open Expecto

/// Runs every value of this assembly that is marked [<Tests>]; or, started by such a test under mpirun, one process of a group.
[<EntryPoint>]
let main arguments =
    if Array.tryHead arguments = Some "member" then
        DeqDet.Communication.Tests.Member.run arguments
    else
        DeqDet.Communication.Tests.MpiTests.sayIfAbsent ()
        let found = Impl.testFromAssembly (Assembly.GetExecutingAssembly()) |> Option.toList
        runTestsWithCLIArgs [] arguments (testList "Communication" found)
