/// Checkpoints as training programs leave them: wrapped names, lists under many keys, averages beside the weights.
module DeqDet.Tests.WeightNamesTests

open System
open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Checkpoints
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.PthBytes

/// The single number k, as a tensor of one dimension.
let private number (k: int) =
    tensor (storage "FloatStorage" "0" 64L) (int64 k) [ 1L ] [ 1L ]

let private numbers =
    Array.concat [ for k in 0..63 -> BitConverter.GetBytes(float32 k) ]

/// A state dict of names and numbers.
let private state (entries: (string * int) list) =
    dict' [ for name, k in entries -> name, number k ]

let private withCheckpoint (value: byte[]) (test: string -> unit) =
    inFolder (fun folder ->
        let path = Path.Combine(folder, "a.pth")
        plainArchive path [ "x/data.pkl", pickle value; "x/data/0", numbers ]
        test path)

let private read (path: string) averaged =
    use file = TensorFile.Open(path, averaged)

    let entries =
        [
            for tensor in file.Tensors -> tensor.Name, int (BitConverter.ToSingle(tensor.ToArray()))
        ]

    entries, String.Join("; ", file.Notices)

/// The weights that a checkpoint is read as, and what its notices must contain.
let private expect value averaged expected (notices: string list) =
    withCheckpoint value (fun path ->
        let entries, notice = read path averaged
        Expect.equal entries expected "weights"

        if List.isEmpty notices then
            Expect.equal notice "" "nothing to notice"

        for part in notices do
            Expect.stringContains notice part "notice")

let private refusedWith value averaged (parts: string list) =
    withCheckpoint value (fun path ->
        let problem = refusal path (fun () -> read path averaged |> ignore)

        for part in parts do
            Expect.stringContains problem part "message")

let private weights =
    [ "conv1.weight", 1; "layer1.0.bn.running_var", 2; "fc.bias", 3 ]

let private under prefix entries =
    [ for name, k in entries -> prefix + name, k ]

let private plus n entries =
    [ for name, k in entries -> name, k + n ]

let private averages = plus 10 weights

let private prefixes =
    testList
        "names"
        [
            testCase "of a plain state dict stay as they are, without a word" (fun () ->
                expect (state weights) false weights []
                expect (dict' [ "state_dict", state weights; "epoch", integer 3L ]) false weights [])

            for prefix in
                [
                    "module."
                    "model."
                    "_orig_mod."
                    "net."
                    "module._orig_mod."
                    "_orig_mod.module."
                    "module.model."
                    "model.model."
                    "model.net.module."
                ] do
                testCase $"that all begin with {prefix}" (fun () ->
                    expect (state (under prefix weights)) false weights [ "the names are read without" ])

            testCase "of a module that was compiled alone" (fun () ->
                expect
                    (state
                        [
                            "backbone._orig_mod.conv1.weight", 1
                            "head._orig_mod.fc._fsdp_wrapped_module.bias", 2
                        ])
                    false
                    [ "backbone.conv1.weight", 1; "head.fc.bias", 2 ]
                    [ "'_orig_mod.'" ])

            testCase "of which only some have a prefix lose it where they have it" (fun () ->
                expect
                    (state (under "module." weights @ [ "extra.scale", 7 ]))
                    false
                    (weights @ [ "extra.scale", 7 ])
                    [ "'module.' (3 of 4)" ])

            testCase "with and without a prefix are two lists that both fit" (fun () ->
                refusedWith
                    (state (weights @ under "module." averages))
                    false
                    [ "both fit"; "'module.conv1.weight' and 'conv1.weight'" ])

            testCase "that begin like a wrapper by chance stay" (fun () ->
                let own = [ "net.a", 1; "a", 2; "net.b", 3 ]
                expect (state own) false own [])

            testCase "of MoCo: the query encoder, or its average" (fun () ->
                let moco =
                    under "module.encoder_q." weights
                    @ under "module.encoder_k." averages
                    @ [ "module.queue", 30; "module.queue_ptr", 31 ]

                expect
                    (state moco)
                    false
                    weights
                    [ "'module.' and 'encoder_q.'"; "left aside: encoder_k.* (3 tensors)" ]

                expect (state moco) true averages [ "'encoder_k.'"; "left aside: encoder_q.* (3 tensors)" ])

            testCase "of a student and a teacher" (fun () ->
                let both = under "teacher." averages @ under "student.module." weights
                expect (state both) false weights [ "left aside: teacher.*" ]
                expect (state both) true averages [ "left aside: student.*" ])

            testCase "of a model and its average in one list" (fun () ->
                let both =
                    under "model." weights
                    @ under "ema_model.module." averages
                    @ [ "ema_model.n_averaged", 40 ]

                expect (state both) false weights [ "left aside" ]
                expect (state both) true averages [ "left aside" ])

            testCase "of an average alone" (fun () ->
                expect (state (under "teacher." averages)) false averages [ "'teacher.'" ]
                expect (state (under "teacher." averages)) true averages [ "'teacher.'" ]
                expect (state (under "module." averages @ [ "n_averaged", 5 ])) false averages [ "'module.'" ])

            testCase "of safetensors, too" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.safetensors")

                    SafetensorsWriter.Write(
                        path,
                        [|
                            for name, k in under "module.model." weights ->
                                TensorToWrite.Of(
                                    name,
                                    ElementType.Float32,
                                    [| 1L |],
                                    BitConverter.GetBytes(float32 k)
                                )
                        |]
                    )

                    Expect.equal
                        (read path false)
                        (weights, "the names are read without 'module.' and 'model.'")
                        "read"

                    use raw = SafetensorsFile.Open path

                    Expect.sequenceEqual
                        (raw.Tensors |> Seq.map _.Name)
                        (under "module.model." weights |> List.map fst)
                        "as saved"))

            testCase "under any nesting of wrappers are read as without" (fun () ->
                let wrappers =
                    Gen.listOf (Gen.elements [ "module."; "model."; "_orig_mod."; "net."; "network." ])
                    |> Gen.map (String.concat "" >> fun prefix -> prefix[..200])
                    |> Gen.filter (fun prefix -> prefix = "" || prefix.EndsWith '.')

                let readAsWithout prefix =
                    withCheckpoint (state (under prefix weights)) (fun path ->
                        Expect.equal (fst (read path false)) weights prefix)

                Check.One(Config.QuickThrowOnFailure.WithMaxTest 50, Prop.forAll (Arb.fromGen wrappers) readAsWithout))
        ]

let private keys =
    let beside =
        [
            "epoch", integer 3L
            "optimizer", dict' [ "state", dict' [ "exp_avg", number 60 ] ]
        ]

    testList
        "lists"
        [
            for key in
                [
                    "state_dict"
                    "model_state_dict"
                    "model"
                    "net"
                    "network"
                    "module"
                    "student"
                    "params"
                    "MODEL"
                ] do
                testCase $"under {key}" (fun () -> expect (dict' ((key, state weights) :: beside)) false weights [])

            for key in
                [
                    "model_ema"
                    "ema_state_dict"
                    "state_dict_ema"
                    "teacher"
                    "ema"
                    "params_ema"
                ] do
                testCase $"under {key}, averaged, beside the weights" (fun () ->
                    let file = dict' ([ key, state averages; "model", state weights ] @ beside)
                    expect file false weights [ $"averaged weights, '{key}' (3 tensors); --ema takes them" ]
                    expect file true averages [ $"the averaged weights are '{key}'" ])

                testCase $"under {key}, averaged, alone" (fun () ->
                    let file = dict' ((key, state averages) :: beside)
                    expect file false averages [ "averaged weights only" ]
                    expect file true averages [])

            testCase "one deeper" (fun () ->
                let inner =
                    dict' [ "module", state (under "module." averages); "updates", integer 9L ]

                let file = dict' ([ "model", state weights; "ema", inner ] @ beside)
                expect file false weights [ "'ema.module'" ]
                expect file true averages [ "'ema.module'" ]
                expect (dict' [ "checkpoint", dict' [ "state_dict", state weights ] ]) false weights [])

            testCase "under a key that nobody uses, if it is the only one" (fun () ->
                expect (dict' (("my_weights", state weights) :: beside)) false weights [ "taken from 'my_weights'" ]
                // A single number beside it does not make the outermost dictionary the list.
                expect
                    (dict' [ "loss", number 9; "my_weights", state weights ])
                    false
                    weights
                    [ "taken from 'my_weights'" ])

            testCase "under two keys that nobody uses are a choice we do not make" (fun () ->
                refusedWith
                    (dict' [ "left", state weights; "right", state [ "a", 1 ] ])
                    false
                    [ "2 lists of tensors"; "'left' (3 tensors)"; "'right' (1 tensor)" ])

            testCase "under two usual keys with the same names are a choice we do not make" (fun () ->
                refusedWith
                    (dict' [ "net", state weights; "model", state averages ])
                    false
                    [ "same names"; "'model' (3 tensors)"; "'net' (3 tensors)" ])

            testCase "under two usual keys with other names: the more usual one" (fun () ->
                expect
                    (dict' [ "net", state [ "a", 1 ]; "state_dict", state weights ])
                    false
                    weights
                    [ "left aside: 'net' (1 tensor)" ])

            testCase "that are not there: the keys that were found" (fun () ->
                refusedWith (dict' [ "epoch", integer 1L; "notes", text "x" ]) false [ "'epoch', 'notes'" ]
                refusedWith (dict' [ "state_dict", code "}"; "epoch", integer 1L ]) false [ "is empty" ])
        ]

let private averaging =
    testList
        "averages"
        [
            testCase "as buffers of the model take the places of its tensors" (fun () ->
                let file = state (weights @ [ "ema_conv1_weight", 11; "ema_fc_bias", 13 ])

                expect
                    file
                    false
                    weights
                    [ "left aside: 2 averaged tensors such as ema_conv1_weight; --ema takes them" ]

                expect
                    file
                    true
                    [ "conv1.weight", 11; "layer1.0.bn.running_var", 2; "fc.bias", 13 ]
                    [ "taken: 2 averaged tensors" ])

            testCase "as buffers that could belong to two tensors are refused, if they are wanted" (fun () ->
                let file = state [ "a.b_c", 1; "a_b.c", 2; "ema_a_b_c", 3 ]
                expect file false [ "a.b_c", 1; "a_b.c", 2 ] [ "left aside: 1 averaged tensor such" ]
                refusedWith file true [ "could belong to a.b_c or to a_b.c" ])

            testCase "of a name that only looks like it stay" (fun () ->
                let own = weights @ [ "ema_rate", 5 ]
                expect (state own) false own [])

            testCase "without buffers are completed from the weights" (fun () ->
                expect
                    (dict'
                        [
                            "state_dict", state weights
                            "ema_state_dict", state [ "module.conv1.weight", 11; "steps", 7 ]
                        ])
                    true
                    [ "conv1.weight", 11; "layer1.0.bn.running_var", 2; "fc.bias", 3 ]
                    [ "taken from the trained weights: layer1.0.bn.running_var, fc.bias" ])

            testCase "of MMEngine, which exchanges the two lists, are under state_dict" (fun () ->
                let file mark =
                    dict'
                        [
                            "state_dict", state averages
                            "ema_state_dict", state (under "module." weights @ [ "steps", 7 ])
                            yield! mark
                        ]

                for mark in
                    [
                        [ "meta", dict' [ "mmengine_version", text "0.10.1" ] ]
                        [ "message_hub", dict' [ "log_scalars", code "}" ] ]
                    ] do
                    expect (file mark) true averages [ "MMEngine exchanges" ]
                    expect (file mark) false averages [ "left aside: averaged weights, 'ema_state_dict'" ])

            testCase "that are not there: what is" (fun () ->
                refusedWith (state weights) true [ "has no averaged weights"; "conv1.weight" ]
                refusedWith (dict' [ "model", state weights ]) true [ "has no averaged weights" ])
        ]

[<Tests>]
let tests = testList "weights as people have them" [ prefixes; keys; averaging ]
