/// Which class of a checkpoint is which of the data.
module DeqDet.Tests.ClassRowsTests

open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Detection
open DeqDet.Settings
open DeqDet.Tests.SettingsFiles

let private rename (old: string) (now: string) : ClassRename = { Old = old; New = now }

let private found renames old now =
    [
        for start in ClassRows.find renames old now -> start.Name, start.Old |> Option.map snd, start.Fate
    ]

/// Names of which many are alike.
let private names =
    Gen.elements [ "cat"; "Cat"; "ca t"; "CAT"; "dog"; "d-o-g"; "D_og"; "hen" ]
    |> Gen.listOf

let private bare (name: string) =
    name.ToLower().Replace(" ", "").Replace("-", "").Replace("_", "")

[<Tests>]
let tests =
    testList
        "Class rows"
        [
            testCase "names decide, in any order, and what is left starts fresh"
            <| fun () ->
                Expect.equal
                    (found [] [ "person"; "traffic light"; "dog" ] [ "Dog"; "person"; "bus"; "traffic_light" ])
                    [
                        "Dog", Some "dog", "renamed"
                        "person", Some "person", "kept"
                        "bus", None, "fresh"
                        "traffic_light", Some "traffic light", "renamed"
                    ]
                    "table"

            testCase "a rule comes before the name, and one class may give its weights to several"
            <| fun () ->
                Expect.equal
                    (found [ rename "car" "van"; rename "car" "bus" ] [ "bus"; "car" ] [ "car"; "van"; "bus" ])
                    [
                        "car", Some "car", "kept"
                        "van", Some "car", "renamed"
                        "bus", Some "car", "renamed"
                    ]
                    "table"

            testCase "rules that name what is not there, or two for one, are refused"
            <| fun () ->
                let refused renames =
                    complaint (fun () -> ClassRows.find renames [ "cat"; "dog" ] [ "puma"; "wolf" ])

                expectParts (refused [ rename "cats" "puma" ]) [ "weights.rename"; "checkpoint"; "'cats'"; "'cat'?" ]
                expectParts (refused [ rename "cat" "pumas" ]) [ "the data"; "'pumas'"; "'puma'?" ]

                expectParts (refused [ rename "cat" "puma"; rename "dog" "puma" ]) [ "'puma'"; "'cat' and 'dog'" ]

            testProperty "a class continues the one of its very name, else one that differs only in how it is written"
            <| Prop.forAll (Arb.fromGen (Gen.zip names names)) (fun (old, now) ->
                let starts = ClassRows.find [] old now

                (starts |> List.map _.Name) = now
                && starts
                   |> List.forall (fun start ->
                       match start.Old with
                       | Some(row, name) ->
                           old[row] = name
                           && bare name = bare start.Name
                           && (name = start.Name || not (List.contains start.Name old))
                       | None -> not (old |> List.exists (fun name -> bare name = bare start.Name))))
        ]
