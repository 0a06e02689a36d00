module DeqDet.Tests.ProgramTests

open Expecto

[<Tests>]
let tests =
    testList
        "Program"
        [
            testCase "an unknown command exits with 2"
            <| fun () -> Expect.equal (DeqDet.Host.Program.Main [| "no-such-command" |]) 2 "exit code"
        ]
