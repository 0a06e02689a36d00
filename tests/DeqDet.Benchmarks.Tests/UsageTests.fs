module DeqDet.Tests.UsageTests

open System
open System.Runtime.InteropServices
open Expecto
open DeqDet.Benchmarks

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Usage"
        [
            testCase "page faults are read behind a name with blanks and brackets"
            <| fun () ->
                let stat name =
                    $"4711 ({name}) S 1 2 3 4 5 4194304 1234 5 678 9 10 11 12"

                for name in [ "dotnet"; "a b"; ") (x)"; "" ] do
                    Expect.equal (Usage.faults (stat name)) (Some(1234L, 678L)) name

                for damaged in [ ""; "4711 (x) S 1 2"; "4711 (x) S 1 2 3 4 5 6 many 8 9 10" ] do
                    Expect.isNone (Usage.faults damaged) damaged

            testCase "memory is read in bytes from the line of its name"
            <| fun () ->
                let status =
                    [ "Name:\tdotnet"; "VmHWM:\t    2048 kB"; "VmRSS:\t    1024 kB"; "VmX:\t7" ]

                Expect.equal (Usage.memory "VmRSS" status) (Some 1048576L) "resident"
                Expect.equal (Usage.memory "VmHWM" status) (Some 2097152L) "peak"
                Expect.isNone (Usage.memory "VmX" status) "no unit"
                Expect.isNone (Usage.memory "VmSwap" status) "no such line"

            if OperatingSystem.IsLinux() then
                testCase "pages that are written to for the first time are counted, and the peak follows"
                <| fun () ->
                    let pages, page = 20_000, Environment.SystemPageSize
                    let bytes = pages * page
                    Usage.resetPeak ()
                    let before = Usage.now ()
                    let memory = NativeMemory.AllocZeroed(unativeint bytes)

                    try
                        let span = Span<byte>(memory, bytes)

                        for i in 0..page .. bytes - 1 do
                            span[i] <- 1uy

                        let after = Usage.now ()

                        let more (count: Usage -> int64 option) =
                            (count after).Value - (count before).Value
                        // huge pages would need fewer faults, but all of the memory
                        Expect.isGreaterThan (more _.Resident) (int64 bytes / 2L) "resident"
                        Expect.isGreaterThanOrEqual after.Peak.Value after.Resident.Value "peak"
                        Expect.isGreaterThan (more _.MinorFaults) 10L "faults"
                    finally
                        NativeMemory.Free memory
        ]
