/// What exported files say of themselves.
module DeqDet.Export.Tests.ExportInfoTests

open System.Collections.Generic
open Expecto
open FsCheck
open DeqDet
open DeqDet.Export

let private info: ExportInfo =
    {
        Version = "0.1.0"
        Model = "DEQDet, ResNet-18"
        Checkpoint = "best.safetensors"
        Hash = "00ff"
        Classes =
            [
                {
                    Id = CocoId 1L
                    Name = "red \"circle\" <b>"
                }
                { Id = CocoId "x"; Name = "кот" }
            ]
        Thresholds = [ 0.25; 0.5 ]
        Input =
            {
                ShortSide = 256
                LongMax = 320
                Multiple = 32
                Mean = [ 123.675; 116.28; 103.53 ]
                Std = [ 58.395; 57.12; 57.375 ]
            }
        Weights = Half
        Runtime = Web
        Iteration = Some(Looped(21, Some 0.01))
    }

let private metadata info =
    Dictionary<string, string>(ExportInfo.toMetadata info)

[<Tests>]
let tests =
    testList
        "ExportInfo"
        [
            testCase "what is written is read again"
            <| fun () ->
                for iteration in [ None; Some(Unrolled 6); Some(Looped(21, None)); info.Iteration ] do
                    for weights in [ WeightForm.Single; Half; Bytes ] do
                        for runtime in [ Standard; TensorRt; Web ] do
                            let info =
                                { info with
                                    Iteration = iteration
                                    Weights = weights
                                    Runtime = runtime
                                }

                            Expect.equal (ExportInfo.ofMetadata "x.onnx" (metadata info)) info "info"

            testCase "files of others, and of other versions, are called what they are"
            <| fun () ->
                let message (metadata: Dictionary<string, string>) =
                    try
                        ExportInfo.ofMetadata "x.onnx" metadata |> ignore
                        ""
                    with :? InputError as error ->
                        error.Message

                Expect.stringContains (message (Dictionary())) "another program" "no metadata"
                let later = metadata info
                later["format"] <- "deqdet-onnx-2"
                Expect.stringContains (message later) "does not know" "a later version"
                let fewer = metadata info
                fewer["thresholds"] <- "[0.5]"
                Expect.stringContains (message fewer) "1 thresholds for 2 classes" "thresholds"

            testProperty "damaged metadata are an InputError"
            <| fun (which: NonNegativeInt) (text: string) ->
                let damaged = metadata info
                let keys = [ for KeyValue(key, _) in damaged -> key ]
                damaged[keys[which.Get % keys.Length]] <- string text

                try
                    ExportInfo.ofMetadata "x.onnx" damaged |> ignore
                with :? InputError ->
                    ()
        ]
