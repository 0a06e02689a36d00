namespace DeqDet.Benchmarks

open System
open System.IO
open System.Runtime.CompilerServices
open TorchSharp
open DeqDet
open DeqDet.Model

/// One application of a head as somebody else's TorchScript module, called as
/// (feat0, feat1, feat2, feat3, position, content, box) -> (position, content, box, logits).
[<Sealed>]
type ScriptedApplication private (path: string, script: torch.jit.ScriptModule) =

    static let signature =
        "(feat0, feat1, feat2, feat3, position, content, box) -> (position, content, box, logits)"

    static let refuse (path: string) (text: string) (error: exn) =
        raise (InputError($"{path}: {text}", error))

    /// libtorch's messages go on with the place in its own source.
    static let firstLine (error: exn) =
        error.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)
        |> Array.tryHead
        |> Option.defaultValue "no reason is given"

    /// Calls the module; its results belong to the innermost dispose scope.
    let call (pyramid: Pyramid) (query: Query) : obj =
        let arguments =
            [|
                for tensor in Seq.append pyramid.Levels (Query.tensors query) -> box tensor
            |]

        script.call arguments

    let shapes (tensors: Tensor seq) =
        [
            for tensor in tensors ->
                let sides = tensor.shape |> Array.map string |> String.concat ", "
                $"[{sides}]"
        ]
        |> String.concat ", "

    let tensors (result: obj) : Tensor list option =
        match result with
        | :? ITuple as tuple ->
            let items = List.init tuple.Length (fun i -> tuple[i])

            if items |> List.forall (fun item -> item :? Tensor) then
                Some(items |> List.map (fun item -> item :?> Tensor))
            else
                None
        | :? (Tensor[]) as list -> Some(List.ofArray list)
        | _ -> None

    /// The file's name.
    member _.Name: string = Path.GetFileName path

    /// Loads a module to a device. Raises InputError where the file is missing or is no TorchScript.
    static member Load(path: string, device: torch.Device) : ScriptedApplication =
        if Directory.Exists path then
            refuse path "is a folder; --against takes a TorchScript file, as torch.jit.save writes it" null

        if not (File.Exists path) then
            refuse path "there is no such file; --against takes a TorchScript file, as torch.jit.save writes it" null

        try
            let script = torch.jit.load (path, device.``type``, device.index)
            script.eval ()
            new ScriptedApplication(path, script)
        with
        | :? InputError -> reraise ()
        | error ->
            refuse
                path
                $"is no TorchScript module that this libtorch can load, as torch.jit.save writes it ({firstLine error})"
                error

    /// Applies it once, and checks everything about the result: four tensors of the shapes and the type that are expected.
    /// Raises InputError for whatever else there is.
    member _.Check(pyramid: Pyramid, query: Query, expected: Tensor list) : Tensor list =
        let result =
            try
                call pyramid query
            with error ->
                refuse path $"cannot be called as {signature} at this size: {firstLine error}" error

        match tensors result with
        | None -> refuse path $"gives something else than four tensors; it has to be called as {signature}" null
        | Some found when found.Length <> 4 ->
            let count = Counted.Of(found.Length, "tensor")

            refuse path $"gives {count} instead of four; it has to be called as {signature}" null
        | Some found ->
            if shapes found <> shapes expected then
                refuse
                    path
                    $"gives position, content, box and logits of the shapes {shapes found} where {shapes expected} are expected: is it of another model, or are --queries and --size those that it was made for?"
                    null

            if found |> List.exists (fun tensor -> tensor.dtype <> torch.float32) then
                refuse path "gives results that are not float32" null

            found

    /// Applies it once.
    member _.Run(pyramid: Pyramid, query: Query) : unit =
        use _ = torch.NewDisposeScope()
        call pyramid query |> ignore

    interface IDisposable with
        member _.Dispose() = script.Dispose()
