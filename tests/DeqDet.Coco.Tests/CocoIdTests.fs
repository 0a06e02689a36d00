module DeqDet.Tests.CocoIdTests

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet
open DeqDet.Coco.Evaluation
open DeqDet.Tests.EvaluationBruteForce
open DeqDet.Tests.EvaluationPropertyTests

let private field (name: string) =
    Path.Combine(GoldenFolder.path "", "..", "field", "01-string-image-ids", name)

let private fault (action: unit -> unit) : string =
    try
        action ()
        failtest "was accepted"
    with :? InputError as error ->
        error.Message

/// A set of one image with one object and one detection of it.
let private world (image: CocoId) (kind: CocoId) : World =
    let square = 8.0, 8.0, 20.0, 16.0

    {
        Images = [ image ]
        Classes = [ kind ]
        Truths =
            [
                {
                    Id = CocoId 1L
                    Image = image
                    Class = kind
                    Box = square
                    Area = 320.0
                    Crowd = false
                }
            ]
        Founds =
            [
                {
                    Image = image
                    Class = kind
                    Box = square
                    Score = 0.9
                }
            ]
    }

let private evaluate (truth: World) (found: World) : EvaluationResult =
    Evaluator.Evaluate(groundTruth truth, detections found)

/// Ids that are near one another without being the same.
let private awkward =
    [
        CocoId 1L
        CocoId -1L
        CocoId "1"
        CocoId "01"
        CocoId "1 "
        CocoId ""
        CocoId "a"
        CocoId "A"
        CocoId "\u00fc"
        CocoId "u\u0308"
        CocoId "\uff21"
        CocoId "\U0001F600"
        CocoId(String('x', 100_000))
        CocoId(String('x', 100_000) + "y")
    ]

/// Code points, to compare texts by.
let private runes (text: string) =
    [ for rune in text.EnumerateRunes() -> rune.Value ]

[<Tests>]
let tests =
    testList
        "COCO ids"
        [
            test "ids that differ in kind, case, form or length are different" {
                Expect.hasLength (List.distinct awkward) awkward.Length "distinct"
                Expect.hasLength (List.distinctBy hash (List.truncate 12 awkward)) 12 "hashes"
                Expect.equal (CocoId(String([| 'a'; 'b' |]))) (CocoId "ab") "equal texts are equal"
            }

            property
                "numbers come first, texts in the order of their code points"
                300
                (FsCheck.FSharp.Gen.two (FsCheck.FSharp.Gen.elements awkward))
                (fun (a, b) ->
                    let expected =
                        match a.IsText, b.IsText with
                        | false, true -> -1
                        | true, false -> 1
                        | false, false -> compare (int64 a.Text) (int64 b.Text)
                        | true, true -> compare (runes a.Text) (runes b.Text)

                    sign (a.CompareTo b) = sign expected && sign (compare b a) = -(sign expected))

            test "an id is written as the kind that was read" {
                for id in awkward do
                    let json = JsonSerializer.Serialize id
                    Expect.equal (json.StartsWith '"') id.IsText "kind"
                    Expect.equal (JsonSerializer.Deserialize<CocoId> json) id "read again"
                    Expect.isFalse ((string id).Contains '\n') "one line"
                    Expect.isLessThan (string id).Length 80 "messages stay short"

                for wrong in [ "null"; "true"; "[1]"; "{}" ] do
                    Expect.throwsT<JsonException>
                        (fun () -> JsonSerializer.Deserialize<CocoId> wrong |> ignore)
                        $"{wrong} is no id"
            }

            test "text ids evaluate, and results carry them back" {
                let truth = GroundTruthReader.Load(field "gt.json")
                let found = DetectionsReader.Load(field "dt.json")
                let result = Evaluator.Evaluate(truth, found)
                Expect.floatClose Accuracy.veryHigh result["AP"] 1.0 "AP"

                Expect.sequenceEqual
                    truth.ImageIds
                    [ CocoId "0000001_02999_d_0000005"; CocoId "0000001_03499_d_0000006" ]
                    "ids"

                let copy = Path.GetTempFileName()

                try
                    DetectionsWriter.Save(found, copy)
                    use written = JsonDocument.Parse(File.ReadAllText copy)

                    Expect.equal
                        [
                            for entry in written.RootElement.EnumerateArray() ->
                                (entry.GetProperty "image_id").GetString(), (entry.GetProperty "category_id").GetInt64()
                        ]
                        [ "0000001_02999_d_0000005", 1L; "0000001_03499_d_0000006", 2L ]
                        "texts stay texts, numbers numbers"
                finally
                    File.Delete copy
            }

            test "every kind of id evaluates" {
                for id in awkward do
                    let set = world id id
                    let result = evaluate set set
                    Expect.floatClose Accuracy.veryHigh result["AP"] 1.0 (string id)
            }

            test "ids of the other kind are refused with a message that says so" {
                let truth = GroundTruthReader.Load(field "gt-digits.json")
                let found = DetectionsReader.Load(field "dt-digits.json")
                let message = fault (fun () -> Evaluator.Evaluate(truth, found) |> ignore)
                Expect.stringContains message "detections[0]: names image 1, which is a number" "place"
                Expect.stringContains message "the image ids of the ground truth are texts" "difference"

                let message =
                    fault (fun () ->
                        evaluate (world (CocoId 1L) (CocoId 1L)) (world (CocoId 1L) (CocoId "1"))
                        |> ignore)

                Expect.stringContains message "names category \"1\", which is a text" "category"

                let message =
                    fault (fun () ->
                        let mixed = world (CocoId 1L) (CocoId 1L)

                        groundTruth { mixed with Images = [ CocoId "1" ] } |> ignore)

                Expect.stringContains message "the image ids of \"images\" are texts" "inside a file"
            }

            test "an unknown id of the right kind is unknown" {
                let message =
                    fault (fun () ->
                        evaluate (world (CocoId "a") (CocoId 1L)) (world (CocoId "A") (CocoId 1L))
                        |> ignore)

                Expect.stringContains message "names image \"A\", which the ground truth does not have" "message"
            }
        ]
