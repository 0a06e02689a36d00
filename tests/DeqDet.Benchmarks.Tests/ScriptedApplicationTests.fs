/// Modules of others: what is refused, and a real one.
module DeqDet.Tests.ScriptedApplicationTests

open System
open System.IO
open Expecto
open TorchSharp
open DeqDet
open DeqDet.Model
open DeqDet.Benchmarks
open DeqDet.Tests
open DeqDet.Tests.Small

let private complaint (action: unit -> unit) : string =
    try
        action ()
        failtest "accepted"
    with :? InputError as error ->
        error.Message

/// Position, content, box and logits of the small detector's refinement head.
let private expected (subject: Subject) (pyramid: Pyramid) (query: Query) : Tensor list =
    let head = Subject.head subject.Detector
    let refined = Refinement.apply head pyramid query

    List.ofSeq (Query.tensors refined)
    @ [ Refinement.classify head refined.Content ]

/// Checks a module as the benchmark does before it times anything.
let private check (file: string) : unit =
    withSubject settings (fun subject ->
        use _ = torch.no_grad ()
        use _ = torch.NewDisposeScope()
        let pyramid, query = Subject.pyramid subject, Subject.queries subject
        use script = ScriptedApplication.Load(file, torch.CPU)
        script.Check(pyramid, query, expected subject pyramid query) |> ignore)

/// Modules that are written down, and what the complaint must hold.
let private refused =
    let of' result body =
        ScriptArchive.applicationOf result, body

    let four = ScriptArchive.fourTensors

    [
        "of one argument", ("forward(self: __torch__.M, x: Tensor) -> Tensor", [ "return x" ]), "cannot be called as"
        "without forward",
        ((fst (of' four [])).Replace("forward", "other"), [ "return (position, content, box, box)" ]),
        "'forward'"
        "of one tensor", of' "Tensor" [ "return position" ], "something else than four tensors"
        "of a number", of' "int" [ "return 3" ], "something else than four tensors"
        "of nothing", of' "None" [ "return None" ], "something else than four tensors"
        "of nested tuples",
        of' "Tuple[Tensor, Tuple[Tensor, Tensor]]" [ "return (position, (content, box))" ],
        "something else than four tensors"
        "of names", of' "Dict[str, Tensor]" [ "return {\"a\": position}" ], "cannot be called as"
        "of three tensors",
        of' "Tuple[Tensor, Tensor, Tensor]" [ "return (position, content, box)" ],
        "3 tensors instead of four"
        "of a list of one", of' "List[Tensor]" [ "return [position]" ], "1 tensor instead of four"
        "of other shapes", of' four [ "return (position, content, box, content)" ], "[2, 5, 32] where"
        "of another order", of' four [ "return (content, position, box, torch.slice(content, -1, 0, 3))" ], "where"
        "of float64",
        of'
            four
            [
                "return (position, content, box, torch.to(torch.slice(content, -1, 0, 3), 7))"
            ],
        "not float32"
        "that fails inside",
        of' four [ "return (torch.matmul(position, feat0), content, box, content)" ],
        "cannot be called as"
        "that raises",
        of'
            four
            [
                "ops.prim.RaiseException(\"no\")"
                "return (position, content, box, content)"
            ],
        "cannot be called as"
    ]

[<Tests>]
let tests =
    testList
        "Another's module"
        [
            for name, (signature, body), part in refused do
                testCase $"a module {name} is refused before anything is timed"
                <| fun () ->
                    inFolder (fun folder ->
                        let file = Path.Combine(folder, "module.pt")
                        ScriptArchive.write file signature body []
                        let message = complaint (fun () -> check file)
                        Expect.stringStarts message file "the file is named"
                        Expect.stringContains message part name)

            testCase "what is no TorchScript is refused, whatever its bytes"
            <| fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "module.pt")

                    ScriptArchive.write
                        file
                        (ScriptArchive.applicationOf ScriptArchive.fourTensors)
                        [ "return (position, content, box, torch.slice(content, -1, 0, 3))" ]
                        []

                    check file
                    let whole = File.ReadAllBytes file

                    let code =
                        Text.Encoding.UTF8.GetString(whole).IndexOf("return", StringComparison.Ordinal)

                    for bytes in
                        [
                            [||]
                            "hello"B
                            whole[.. whole.Length / 2]
                            whole[.. whole.Length - 2]
                            Array.mapi (fun i value -> if i = code then byte '(' else value) whole
                        ] do
                        File.WriteAllBytes(file, bytes)
                        let message = complaint (fun () -> check file)
                        Expect.stringContains message "is no TorchScript module" $"{bytes.Length} bytes"
                        Expect.stringContains message file "the file is named")

            testCase "a file that is not there, or a folder, is named"
            <| fun () ->
                inFolder (fun folder ->
                    let load path () =
                        (ScriptedApplication.Load(path, torch.CPU) :> IDisposable).Dispose()

                    Expect.stringContains (complaint (load (folder + "/no.pt"))) "no such file" "missing"
                    Expect.stringContains (complaint (load folder)) "is a folder" "folder")

            testCase "a module that computes the application agrees with ours, and one with other weights does not"
            <| fun () ->
                inFolder (fun folder ->
                    withSubject settings (fun subject ->
                        use _ = torch.no_grad ()
                        use _ = torch.NewDisposeScope()
                        let pyramid, query = Subject.pyramid subject, Subject.queries subject
                        let file = Path.Combine(folder, "stage.pt")

                        let difference () =
                            ScriptedHead.write file subject.Detector
                            use script = ScriptedApplication.Load(file, torch.CPU)
                            let ours = expected subject pyramid query
                            Subject.difference ours (script.Check(pyramid, query, ours))

                        Expect.isLessThan (difference ()) 1e-4 "the same weights"

                        let other = Subject.initialise settings.Detector 2L torch.CPU

                        try
                            ScriptedHead.write file other
                            use script = ScriptedApplication.Load(file, torch.CPU)
                            let ours = expected subject pyramid query
                            let theirs = script.Check(pyramid, query, ours)
                            Expect.isGreaterThan (Subject.difference ours theirs) 0.05 "other weights"
                        finally
                            Detector.dispose other))
        ]
