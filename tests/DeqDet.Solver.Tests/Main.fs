module DeqDet.Solver.Tests.Main

open Expecto

/// Runs every value of this assembly that is marked [<Tests>].
[<EntryPoint>]
let main arguments =
    runTestsInAssemblyWithCLIArgs [] arguments
