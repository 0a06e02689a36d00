module DeqDet.Tests.ProgramTests

open System.IO
open Expecto

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Program"
        [
            testCase "an unknown command exits with 2"
            <| fun () -> Expect.equal (DeqDet.Host.Program.Main [| "no-such-command" |]) 2 "exit code"

            testCase "a training that this machine cannot compute is refused before it makes data"
            <| fun () ->
                let folder = Directory.CreateTempSubdirectory "deqdet-program-"

                try
                    for refused in [ [ "--set"; "train.precision=fp16" ]; [ "--tf32" ] ] do
                        let data = Path.Combine(folder.FullName, "data")

                        let arguments =
                            [ "train"; SettingsFiles.config "shapes"; "--data"; data; "--device"; "cpu" ]

                        let code, said = RunProgram.run (arguments @ refused)
                        Expect.equal code 2 said
                        Expect.isFalse (Directory.Exists data) $"nothing is made: {said}"
                finally
                    folder.Delete true
        ]
