module DeqDet.Tests.StartTableTests

open Expecto
open DeqDet.Detection
open DeqDet.Host.Terminal

let private start classes leftOut there here : DetectorStart =
    {
        Path = "a.safetensors"
        Classes =
            [
                for name, old in classes ->
                    {
                        Name = name
                        Old = old |> Option.map (fun old -> 0, old)
                    }
            ]
        LeftOut = leftOut
        QueriesThere = there
        Queries = here
        Notices = []
    }

let private lines classes leftOut there here =
    List.ofSeq (StartTable.Lines(start classes leftOut there here))

[<Tests>]
let tests =
    testList
        "Start table"
        [
            testCase "a row a class, what is left out, and queries where their numbers differ"
            <| fun () ->
                Expect.equal
                    (lines [ "red_cell", Some "RBC"; "WBC", Some "WBC"; "parasite", None ] [ "Platelets" ] 100 20)
                    [
                        "in the file  here      class weights"
                        "RBC          red_cell  renamed"
                        "WBC          WBC       kept"
                        "-            parasite  fresh"
                        "left out: Platelets"
                        "queries: the first 20 of 100"
                    ]
                    "table"

                Expect.equal
                    (List.last (lines [ "a", None ] [] 20 50))
                    "queries: the 20 of the file, and 30 fresh"
                    "more queries"

            testCase "of many classes those that are not kept, and numbers of the rest"
            <| fun () ->
                let classes =
                    [
                        for i in 1..30 -> $"c{i}", Some $"c{i}"
                        for i in 1..20 -> $"n{i}", None
                    ]

                let found = lines classes [ for i in 1..9 -> $"o{i}" ] 20 20
                Expect.equal found.Length (1 + 16 + 3) "head, rows, and three lines"

                Expect.equal
                    (List.skip 17 found)
                    [
                        "and 30 more kept"
                        "and 4 more fresh"
                        "left out: o1, o2, o3, o4, o5, o6 and 3 more"
                    ]
                    "the rest"

                Expect.equal
                    (lines [ for i in 1..80 -> $"c{i}", Some $"c{i}" ] [] 20 20)
                    [ "in the file  here  class weights"; "and 80 kept" ]
                    "all kept"
        ]
