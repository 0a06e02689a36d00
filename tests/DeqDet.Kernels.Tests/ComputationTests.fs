module DeqDet.Kernels.Tests.ComputationTests

open System.IO
open System.Runtime.Intrinsics.X86
open Expecto
open DeqDet.Kernels

[<Tests>]
let tests =
    testList
        "Computation"
        [
            testCase "the best one uses the widest instructions that this processor has"
            <| fun () ->
                let wide = Avx512F.IsSupported && Avx512DQ.IsSupported && Avx512BW.IsSupported
                Expect.equal (Computation.Best.Instructions = Instructions.Avx512) wide "AVX-512"
                Expect.isTrue Computation.Best.IsFast "every processor of today has at least 128 bits"
                Expect.isFalse Computation.Plain.IsFast "plain means libtorch alone"

            testCase "float32 is always there, and what bfloat16 lacks has a name"
            <| fun () ->
                Expect.isTrue (Computation.Supports Precision.Fp32) "float32"
                Expect.isNull (Computation.Lacking Precision.Fp32) "float32 lacks nothing"

                let listed =
                    File.Exists "/proc/cpuinfo"
                    && (let flags = File.ReadAllText "/proc/cpuinfo"
                        flags.Contains "avx512_bf16" || flags.Contains "amx_bf16")

                if File.Exists "/proc/cpuinfo" then
                    Expect.equal (Computation.Supports Precision.Bf16) listed "as the system lists it"

                Expect.equal
                    (isNull (Computation.Lacking Precision.Bf16))
                    (Computation.Supports Precision.Bf16)
                    "a reason"

            testCase "the allocator is tuned where it is glibc's, and left alone where a setting says so"
            <| fun () ->
                Expect.isFalse (Allocator.KeepFreedMemory "system") "left alone"
                Expect.equal (Allocator.KeepFreedMemory null) Allocator.IsGlibc "tuned"
        ]
