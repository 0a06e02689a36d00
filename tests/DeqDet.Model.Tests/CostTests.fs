/// Arithmetic and traffic against counts by hand, and against the weights that every layer has.
module DeqDet.Model.Tests.CostTests

open Expecto
open FsCheck
open DeqDet.Model

/// The published model of 300 queries.
let private published =
    { DetectorSettings.published with
        Classes = 80
        Queries =
            {
                Count = 300
                Detections = 100
                Inject = false
            }
    }

let private coco = { Height = 800; Width = 1344 }

let private within (share: float) (expected: float) (actual: float) (what: string) =
    Expect.isTrue (abs (actual - expected) <= share * expected) $"{what}: {actual}, by hand {expected}"

/// Numbers of the matrices that every query is multiplied with in a head.
let private matrices (settings: DetectorSettings) =
    Detector.specs settings
    |> List.filter (fun spec ->
        spec.Name.StartsWith("roi_head.bbox_head.0.", System.StringComparison.Ordinal)
        && spec.Shape.Length = 2)
    |> List.sumBy (fun spec -> Array.fold (fun product size -> product * float size) 1.0 spec.Shape)

[<Tests>]
let tests =
    testList
        "Cost"
        [
            testCase "a product of two small matrices"
            <| fun () ->
                let cost = Cost.product 4.0 3 2 5 7
                Expect.equal cost.Flops (3.0 * 2.0 * 2.0 * 5.0 * 7.0) "operations"
                Expect.equal cost.Bytes (3.0 * 4.0 * (10.0 + 35.0 + 14.0)) "bytes"
                Expect.equal (Cost.product 2.0 1 2 5 7).Bytes (2.0 * (10.0 + 35.0) + 4.0 * 14.0) "bfloat16 operands"

            testCase "one application of the published head to 300 queries is 15.7 GFLOP"
            <| fun () ->
                let cost = Cost.application 4.0 published.Head 1 300 300

                // queries, rows and columns of each product; groups of queries are products of their own
                let byHand =
                    [
                        300.0 * 256.0 * 768.0 // query, key and value
                        8.0 * 300.0 * 32.0 * 300.0 // scores
                        8.0 * 300.0 * 300.0 * 32.0 // values
                        300.0 * 256.0 * 256.0
                        300.0 * 256.0 * 768.0 // offsets
                        300.0 * 256.0 * 16.0 * 64.0 // 4 neighbours of 4 levels, 64 channels
                        300.0 * 256.0 * 49152.0 // generator
                        1200.0 * 64.0 * 64.0 * 64.0 // channels
                        1200.0 * 128.0 * 64.0 * 64.0 // points
                        300.0 * 32768.0 * 256.0 // projection
                        2.0 * 300.0 * 256.0 * 2048.0 // feed-forward
                        300.0 * 256.0 * 256.0
                        300.0 * 256.0 * 4.0
                    ]

                within 1e-12 (2.0 * List.sum byHand) cost.Flops "operations"
                within 0.005 15.7e9 cost.Flops "GFLOP"

            testCase "ResNet-50 and neck at 800 x 1344 are 324 GFLOP"
            <| fun () ->
                let cost = Cost.ofDetector 4.0 published 1 coco
                within 0.005 324e9 (List.sum cost.Backbone + cost.Neck).Flops "operations"
                // 7 x 7 on three channels, 400 x 672 pixels
                within 1e-12 (2.0 * 49.0 * 3.0 * 64.0 * 400.0 * 672.0) cost.Backbone.Head.Flops "stem"

            testCase "a prediction is its parts"
            <| fun () ->
                let cost = Cost.ofDetector 4.0 published 2 coco
                Expect.equal cost.Applications 22 "init head, 20 steps, and one more"

                let parts =
                    List.sumBy (fun (part: Cost) -> part.Flops) cost.Backbone
                    + cost.Neck.Flops
                    + 22.0 * cost.Application.Flops
                    + cost.Classes.Flops

                within 1e-12 parts cost.Prediction.Flops "operations"

            testCase "a training step of the published model, counted by hand"
            <| fun () ->
                let cost = Cost.ofDetector 4.0 published 1 coco
                let application, classes = cost.Application.Flops, cost.Classes.Flops

                // init head and two more with losses; two from each of six states, of which the second has a loss; and of 20 steps of the
                // path the first one and those after five supervised states are computed already
                let gradients = 3.0 * (3.0 + 2.0 * 6.0) * application + 3.0 * (3.0 + 6.0) * classes
                let path = (20.0 - 6.0) * application
                let backbone = cost.Backbone |> List.map _.Flops
                let frozen = backbone[0] + backbone[1]

                let expected =
                    gradients + path + frozen + 3.0 * (List.sum backbone[2..] + cost.Neck.Flops)

                within 1e-12 expected (Cost.trainingStep 4.0 published 1 coco).Flops "operations"

                within
                    1e-12
                    (3.0 * (2.0 * application + classes))
                    (Cost.supervisedStep 4.0 published 1 2).Flops
                    "a supervised step"

            testCase "a training step of unshared stages has no path"
            <| fun () ->
                let stages = { published with Kind = FfnDet }
                let cost = Cost.ofDetector 4.0 stages 1 coco
                let backbone = cost.Backbone |> List.map _.Flops

                let expected =
                    3.0 * 6.0 * (cost.Application.Flops + cost.Classes.Flops)
                    + backbone[0]
                    + backbone[1]
                    + 3.0 * (List.sum backbone[2..] + cost.Neck.Flops)

                within 1e-12 expected (Cost.trainingStep 4.0 stages 1 coco).Flops "operations"

            testCase "the first stage of a Swin-T on 224 x 224, by hand"
            <| fun () ->
                let settings = { published.Backbone with Kind = SwinT }

                let cost = Cost.backbone 4.0 settings 1 { Height = 224; Width = 224 }
                let tokens = 56.0 * 56.0
                // projections 3 C^2 + C^2, feed-forward 8 C^2, and 49 cells of C channels twice; then the merge, 4 C to 2 C
                let block = tokens * (12.0 * 96.0 * 96.0 + 2.0 * 49.0 * 96.0)
                let merge = tokens / 4.0 * 384.0 * 192.0
                Expect.equal cost.Length 5 "patches and four stages"
                within 1e-12 (2.0 * (2.0 * block + merge)) cost[1].Flops "operations"

            testProperty "linear layers of a head: two operations a query for each weight"
            <| fun (PositiveInt queries) (channels: bool) (PositiveInt groups) (PositiveInt points) (PositiveInt hidden) ->
                let queries, points, hidden = queries % 50 + 1, points % 20 + 1, hidden % 40 + 1
                let groups = pown 2 (groups % 3)

                let settings =
                    { published with
                        Head =
                            {
                                Channels = (if channels then 32 else 64)
                                Heads = 4
                                Groups = groups
                                PointsIn = points
                                PointsOut = points + 3
                                FeedForward = hidden
                                Stages = 6
                                StageWeights = []
                            }
                    }

                let head = settings.Head
                let each = head.Channels / groups
                let n, p, r = float queries, float head.PointsIn, float head.PointsOut
                // what is no layer: attention's two products, sampling, mixing's two products
                let others =
                    2.0 * n * n * float head.Channels
                    + n * float groups * p * 16.0 * float each
                    + n * float groups * float each * (p * float each + p * r)

                let expected = 2.0 * (n * matrices settings + others)

                let cost =
                    Cost.application 4.0 head 1 queries queries + Cost.classes 4.0 settings queries

                abs (cost.Flops - expected) <= 1e-9 * expected

            testProperty "frozen queries cost keys and values alone"
            <| fun (PositiveInt all) (PositiveInt some) ->
                let all = all % 100 + 1
                let some = min all (some % 100)
                let whole = Cost.application 4.0 published.Head 1 all all
                let part = Cost.application 4.0 published.Head 1 all some
                let rest = Cost.application 4.0 published.Head 1 all 0
                part.Flops <= whole.Flops && rest.Flops = 2.0 * float all * 256.0 * 512.0

            testProperty "images of a batch cost the same, and weights are read once"
            <| fun (PositiveInt images) ->
                let images = images % 7 + 2

                let one, many =
                    Cost.application 4.0 published.Head 1 30 30, Cost.application 4.0 published.Head images 30 30

                abs (many.Flops - float images * one.Flops) <= 1e-9 * many.Flops
                && many.Bytes < float images * one.Bytes
        ]
