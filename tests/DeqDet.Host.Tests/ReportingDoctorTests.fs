module DeqDet.Tests.ReportingDoctorTests

open System
open System.IO
open Expecto
open TorchSharp
open DeqDet.Host.Commands
open DeqDet.Host.Devices
open DeqDet.Tests.ReportingDisplayTests
open DeqDet.Tests.SettingsFiles
open DeqDet
open DeqDet.Settings
open DeqDet.CommandLine

let private doctor (load: unit -> LibTorchPlace) =
    let writer = new StringWriter()
    let code = DoctorCommand.Run(console false 80 writer, "1.2.3", load)
    code, writer.ToString()

let private gpu = CudaDevice("Some GPU", 8L <<< 30, "8.6")

let private decide choice built usable driver =
    ComputeDevice.Decide(choice, built, usable, (fun () -> driver))
    |> Option.ofNullable

let private refusal choice built usable driver =
    try
        let index = decide choice built usable driver
        failtest $"accepted: {index}"
    with :? InputError as error ->
        error.Message

[<Tests>]
let tests =
    testList
        "Devices"
        [
            testCase "auto takes the first GPU that can be used, or else the CPU"
            <| fun () ->
                Expect.equal (decide Auto true 2 null) (Some 0) "two"
                Expect.equal (decide Auto true 0 null) None "none"
                Expect.equal (decide Cpu true 2 null) None "the CPU was asked for"
                Expect.equal (decide (Cuda 1) true 2 null) (Some 1) "the second"

            testCase "a GPU that is not there is refused with what was found and what to do"
            <| fun () ->
                let unbuilt = refusal (Cuda 0) false 0 (CudaDriver("12.8", [| gpu |], null))
                Expect.stringContains unbuilt "--device cuda:0" "what was asked for"
                Expect.stringContains unbuilt "Some GPU" "what is there"
                Expect.stringContains unbuilt "-p:LibTorch=cuda" "what to do"
                Expect.stringContains (refusal (Cuda 0) false 0 null) "no NVIDIA driver" "no driver"
                Expect.stringContains (refusal (Cuda 0) true 0 (CudaDriver("12.8", [||], null))) "sees no GPU" "no GPU"
                Expect.stringContains (refusal (Cuda 0) true 0 (CudaDriver(null, [||], "broken"))) "broken" "driver"
                Expect.stringContains (refusal (Cuda 1) true 1 null) "only cuda:0" "one"
                Expect.stringContains (refusal (Cuda 7) true 2 null) "cuda:0 to cuda:1" "two"

            testCase "this program's own choices"
            <| fun () ->
                Expect.equal (ComputeDevice.Choose(Cpu, false)).``type`` DeviceType.CPU "cpu"

                if not (LibTorch.Load()).Cuda then
                    Expect.equal (ComputeDevice.Choose(Auto, false)).``type`` DeviceType.CPU "auto"
                    Expect.throwsT<InputError> (fun () -> ComputeDevice.Choose(Cuda 0, false) |> ignore) "cuda"
                    let message = complaint (fun () -> ComputeDevice.Choose(Auto, true))
                    Expect.stringContains message "--tf32 is for GPUs" "TF32"

            testCase "physical cores are counted once, by socket"
            <| fun () ->
                let cpu socket core =
                    [ "processor\t: 0"; $"physical id\t: {socket}"; $"core id\t\t: {core}"; "" ]

                let cores lines =
                    Processor.PhysicalCores lines |> Option.ofNullable

                Expect.equal
                    (cores (List.collect (fun (s, c) -> cpu s c) [ 0, 0; 0, 1; 0, 0; 0, 1; 1, 0 ]))
                    (Some 3)
                    "three"

                Expect.equal (cores [ "processor : 0"; "nonsense"; ": : :" ]) None "unknown"
                Expect.isGreaterThan Processor.UsableCores 0 "here"
                Expect.isLessThanOrEqual Processor.UsableCores Environment.ProcessorCount "not more than may be used"

            testCase "the CPU computes what it should"
            <| fun () ->
                LibTorch.Load() |> ignore
                let check = DeviceCheck.Run torch.CPU
                Expect.isNull check.Fault "fault"
                Expect.isGreaterThan check.GigaFlops 0.0 "speed"

            testCase "doctor finds everything that is needed where the tests can run"
            <| fun () ->
                let code, text = doctor LibTorch.Load
                Expect.equal code 0 text

                for part in
                    [
                        "1.2.3"
                        "0.107"
                        "2.10"
                        "computes"
                        "memory"
                        "disk"
                        "Everything that is needed is there"
                    ] do
                    Expect.stringContains text part part

                Expect.isFalse (text.Contains "FAIL") "no failure"

            testCase "doctor survives a libtorch that cannot be loaded, and says why and what else there is"
            <| fun () ->
                let code, text =
                    doctor (fun () -> raise (InputError "it is of another planet; get one of this one"))

                Expect.equal code 1 "exit code"
                Expect.stringContains text "FAIL" "mark"
                Expect.stringContains text "to do     libtorch: it is of another planet" "remedy"
                Expect.stringContains text "memory" "the other checks"

                let code, text =
                    doctor (fun () ->
                        raise (TypeInitializationException("torch", DllNotFoundException "no such library")))

                Expect.equal code 1 "exit code"
                Expect.stringContains text "no such library" "the reason"
        ]
