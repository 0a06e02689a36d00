module DeqDet.Kernels.Tests.ComputationTests

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
        ]
