/// Verification that could not fail would prove nothing.
module DeqDet.Verification.Tests.SensitivityTests

open System.IO
open System.Text.RegularExpressions
open Expecto
open TorchSharp
open DeqDet.Model
open DeqDet.Verification

let private folder = Golden.folder ""

let private jobs around =
    Catalogue.jobs around [ for file in Directory.GetFiles folder -> Path.GetFileName file ] (fun _ -> true)

/// Inputs, weights, cotangents, draws, and notes about the data: the only tensors that nothing is compared with.
let private isInput (name: string) =
    Regex.IsMatch(
        name,
        @"(^|\.)in_(?!proj)|cotangent|^state\.|^draw\.|^gt\d|^pred\.|^img_shapes_hw|score_min_gap|^in\d$|^image\d|^resize_src|^resize\d_scale$"
    )

/// The same tensor, every element off by a percent of the largest (or by three, where they are integers; one grey level is accepted).
let private shifted (tensor: Tensor) =
    if tensor.dtype = torch.float32 || tensor.dtype = torch.float64 then
        let largest =
            if tensor.numel () = 0L then
                0.0
            else
                tensor.abs().max().ToDouble()

        tensor + scalar (0.01 * max 1.0 largest)
    else
        tensor + scalar 3.0

[<Tests>]
let tests =
    [
        for job in jobs (Catalogue.surroundings torch.CPU folder) ->
            testCase $"{job.File}: every expected tensor is compared, and a wrong one is noticed"
            <| fun () ->
                let compared = set [ for check in job.Run() -> check.Tensor ]
                let stored = Golden.load (Path.Combine(folder, job.File))

                let expected =
                    stored
                    |> Map.filter (fun name _ -> compared.Contains name || not (isInput name))

                let missed =
                    [
                        for KeyValue(name, _) in expected do
                            if not (compared.Contains name) then
                                name
                    ]

                Expect.equal missed [] "tensors that nothing is compared with"

                let around = Catalogue.surroundings torch.CPU folder

                let wrong =
                    { around with
                        Tensors =
                            fun file ->
                                let golden = around.Tensors file

                                if file = job.File then
                                    { golden with
                                        Tensors =
                                            stored
                                            |> Map.map (fun name tensor ->
                                                if expected.ContainsKey name then shifted tensor else tensor)
                                    }
                                else
                                    golden
                    }

                let again = jobs wrong |> List.find (fun other -> other.File = job.File)

                let unnoticed =
                    [
                        for check in again.Run() do
                            // nothing is wrong with an empty tensor
                            let empty =
                                match Map.tryFind check.Tensor expected with
                                | Some tensor -> tensor.numel () = 0L
                                | None -> false

                            if check.Passed && not empty then
                                check.Tensor
                    ]

                Expect.equal unnoticed [] "wrong tensors that pass"
    ]
    |> testList "Sensitivity"
