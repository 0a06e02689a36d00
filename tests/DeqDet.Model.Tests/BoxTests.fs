module DeqDet.Model.Tests.BoxTests

open System
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model

/// n boxes with sides from 1 to 300 px.
let private boxes (n: int) (random: Random) =
    torch
        .tensor(
            [|
                for _ in 1..n do
                    let x, y = random.NextDouble() * 500.0, random.NextDouble() * 500.0
                    let side () = exp (random.NextDouble() * log 300.0)
                    x
                    y
                    x + side ()
                    y + side ()
            |]
        )
        .view(-1L, 4L)

let private close tolerance expected actual message =
    Expect.isLessThan (Small.difference expected actual) tolerance message

[<Tests>]
let tests =
    testList
        "Boxes"
        [
            testProperty "decoding undoes encoding"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let found = boxes 20 (Random seed)
                // encoding adds 1e-7 px to each side
                close 1e-6 found (Boxes.decode (Boxes.encode found)) "box"

            testProperty "encoding undoes decoding"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let position = Boxes.encode (boxes 20 (Random seed))
                close 1e-6 position (Boxes.encode (Boxes.decode position)) "position"

            testProperty "an inverted box has the position of its mirror image"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let found = boxes 20 (Random seed)
                let inverted = found.roll (2L, 1L)
                close 1e-12 (Boxes.encode found) (Boxes.encode inverted) "position"

            testProperty "moving by nothing moves nothing, moving by one moves by a box's size"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let position = Boxes.encode (boxes 20 (Random seed))
                let nothing = torch.zeros_like position
                close 1e-12 position (Boxes.move position nothing) "unmoved"
                let moved = Boxes.move position (torch.ones_like position)
                let size = position.narrow(1, 2L, 1L).exp2()
                close 1e-12 size (moved.narrow (1, 0L, 1L) - position.narrow (1, 0L, 1L)) "by its size"
                let shape = position.narrow (1, 2L, 2L) + scalar 1.0
                close 1e-12 shape (moved.narrow (1, 2L, 2L)) "shape"

            testProperty "overlaps: symmetric, at most one, and one for a box with itself"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let random = Random seed
                let a, b = boxes 12 random, boxes 12 random

                for overlap in [ Boxes.iou 1e-6; Boxes.giou 1e-6 ] do
                    let pairs = Boxes.pairwise overlap a b
                    close 1e-12 pairs ((Boxes.pairwise overlap b a).transpose(0L, 1L)) "symmetry"
                    Expect.isLessThanOrEqual (pairs.max().ToDouble()) 1.0 "at most one"
                    Expect.isGreaterThan (pairs.min().ToDouble()) -1.0 "above minus one"
                    close 1e-12 (torch.ones (12L, dtype = torch.float64)) (overlap a a) "with itself"

                let iou, giou = Boxes.iou 1e-6 a b, Boxes.giou 1e-6 a b
                Expect.isTrue ((giou.le (iou + scalar 1e-12)).all().ToBoolean()) "GIoU is at most IoU"
                close 1e-12 (torch.ones (12L, dtype = torch.float64)) (Boxes.iof a a) "share of itself"

            testProperty "sampling a linear map between cell centres reads the line"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let random = Random seed
                // one level whose value is the x coordinate of each cell's centre; inside, interpolation is exact
                let row = torch.arange (0.0, 16.0, dtype = torch.float64) * scalar 4.0 + scalar 2.0
                let level = row.expand (1L, 2L, 16L, 16L)

                let points =
                    torch
                        .tensor(
                            [|
                                for _ in 1..6 do
                                    2.0 + random.NextDouble() * 60.0
                                    2.0 + random.NextDouble() * 60.0
                                    random.NextDouble() * 8.0
                            |]
                        )
                        .view(1L, 1L, 6L, 3L)

                let read =
                    Sampling.sample Computation.Best 2 { Levels = [ level ]; Strides = [ 4 ] } points

                let expected = points.select(3, 0L).view(1L, 1L, 2L, 3L, 1L)
                close 1e-9 expected read "x coordinates"
        ]
