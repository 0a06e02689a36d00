/// Large pictures in tiles: where they are cut, and that what is seen twice is told once.
module DeqDet.Tests.TilingTests

open System
open Expecto
open DeqDet
open DeqDet.Coco
open DeqDet.Detection

let private finding label score (box: Box) : Finding =
    {
        Class =
            {
                Id = CocoId(int64 label)
                Name = $"{label}"
            }
        Label = label
        Score = score
        Box = box
        Query = 0
        Report = None
    }

let private settings size overlap : TileSettings = { Size = size; Overlap = overlap }

/// The rule of `merge`, without its table of places.
let private plain (found: TiledFinding list) =
    (([]: TiledFinding list), found |> List.sortBy (fun found -> found.IsCut, -found.Finding.Score))
    ||> List.fold (fun kept next ->
        if kept |> List.exists (fun before -> Tiling.isDouble before next) then
            kept
        else
            kept @ [ next ])
    |> List.map _.Finding
    |> List.sortBy (fun finding -> -finding.Score)

/// What a detector would find that sees all of each tile: the boxes in it, cut at its edges, from a tenth of their area on.
let private seen (width: int) (height: int) (tiles: Tile[]) (truth: Box list) : TiledFinding list =
    [
        for number, tile in Array.indexed tiles do
            for label, box in List.indexed truth do
                let part =
                    box.Moved(float32 -tile.Left, float32 -tile.Top).Clipped(float32 tile.Width, float32 tile.Height)

                if part.HasArea && part.Width * part.Height >= 0.1f * box.Width * box.Height then
                    let share = part.Width * part.Height / (box.Width * box.Height)

                    finding label (0.5f + 0.4f * share) part
                    |> Tiling.placed width height number tile
    ]

[<Tests>]
let tests =
    testList
        "Tiling"
        [
            testProperty "tiles cover every pixel, are of one size, and overlap as much as was asked for"
            <| fun (seed: int) ->
                let random = Random seed
                let size, overlap = random.Next(32, 200), random.NextDouble() * 0.9
                let width, height = random.Next(1, 900), random.Next(1, 900)

                for side in [ width; height ] do
                    let starts = Tiling.starts (settings size overlap) side
                    Expect.equal starts[0] 0 "from the first pixel"
                    Expect.equal (Array.last starts + min size side) side "to the last"

                    for a, b in Array.pairwise starts do
                        Expect.isTrue (b > a) "onwards"
                        Expect.isTrue (a + size - b >= int (ceil (float size * overlap)) || b = a + 1) $"{a} {b}"

                    // one fewer would overlap less
                    if starts.Length > 1 then
                        let stride = float size - ceil (float size * overlap)

                        Expect.isTrue
                            (float (starts.Length - 2) * max 1.0 stride < float (side - size))
                            "no more than needed"

                let tiles = Tiling.tiles (settings size overlap) width height

                for tile in tiles do
                    Expect.isTrue (tile.Left + tile.Width <= width && tile.Top + tile.Height <= height) "inside"
                    Expect.equal (tile.Width, tile.Height) (min size width, min size height) "of one size"

            testProperty "whatever is no larger than the overlap is whole in a tile, and is told once"
            <| fun (seed: int) ->
                let random = Random seed
                let size, overlap = random.Next(64, 160), 0.25 + 0.25 * random.NextDouble()
                let width, height = random.Next(64, 600), random.Next(64, 600)
                let tiles = Tiling.tiles (settings size overlap) width height
                // less than the overlap by what counts as ending at an edge, at both ends
                let most = float32 size * float32 (overlap - 0.09)

                let truth =
                    [
                        for _ in 0 .. random.Next 12 ->
                            let w, h =
                                (0.5f + 0.5f * random.NextSingle()) * most, (0.5f + 0.5f * random.NextSingle()) * most

                            let x = random.NextSingle() * max 0.0f (float32 width - w)
                            let y = random.NextSingle() * max 0.0f (float32 height - h)
                            Box(x, y, min (float32 width) (x + w), min (float32 height) (y + h))
                    ]

                let found = Tiling.merge width height (seen width height tiles truth)

                for label, box in List.indexed truth do
                    let mine = found |> Array.filter (fun finding -> finding.Label = label)
                    Expect.equal mine.Length 1 $"{box} in {width} x {height} by {size}"

                    Expect.isLessThan
                        (abs (mine[0].Box.X1 - box.X1) + abs (mine[0].Box.Y2 - box.Y2))
                        0.01f
                        "the whole box"

            testProperty "merging is the plain rule, wherever boxes lie"
            <| fun (seed: int) ->
                let random = Random seed
                let width, height = random.Next(50, 400), random.Next(50, 400)
                // every score once, so that the order is one
                let scores = Array.init 40 (fun i -> float32 (i + 1) / 41.0f)
                random.Shuffle scores

                let found =
                    [
                        for i in 0 .. random.Next 39 ->
                            let at side =
                                float32 side * (1.6f * random.NextSingle() - 0.3f)

                            let x, y = at width, at height
                            let long () = 60.0f * random.NextSingle() - 2.0f

                            {
                                Finding = finding (random.Next 2) scores[i] (Box(x, y, x + long (), y + long ()))
                                Tile = random.Next 4
                                IsCut = random.Next 3 = 0
                            }
                    ]

                Expect.equal (List.ofArray (Tiling.merge width height found)) (plain found) "the same"

            test "doubles are of one class and two tiles; pieces give way to the whole" {
                let at tile cut label score box =
                    {
                        Finding = finding label score box
                        Tile = tile
                        IsCut = cut
                    }

                let whole = Box(10f, 10f, 50f, 50f)
                let piece = Box(10f, 10f, 22f, 50f)
                let beside = Box(12f, 12f, 52f, 52f)

                for found, expected, what in
                    [
                        [ at 0 false 0 0.9f whole; at 1 false 0 0.8f beside ], [ 0.9f ], "seen by two tiles"
                        [ at 0 false 0 0.9f whole; at 0 false 0 0.8f beside ], [ 0.9f; 0.8f ], "two things of one tile"
                        [ at 0 false 0 0.9f whole; at 1 false 1 0.8f beside ], [ 0.9f; 0.8f ], "of two classes"
                        [ at 0 false 0 0.6f whole; at 1 true 0 0.9f piece ], [ 0.6f ], "a piece, though surer"
                        [ at 0 false 0 0.6f whole; at 1 false 0 0.9f piece ],
                        [ 0.9f; 0.6f ],
                        "a small thing on a large one"
                        [ at 0 true 0 0.6f whole; at 1 true 0 0.9f piece ],
                        [ 0.9f; 0.6f ],
                        "pieces of what nobody saw whole"
                        [], [], "nothing"
                    ] do
                    let scores = [ for finding in Tiling.merge 100 100 found -> finding.Score ]
                    Expect.equal scores expected what
            }

            test "a piece is what ends where its tile does and the picture goes on" {
                let tiles = Tiling.tiles (settings 100 0.2) 180 100
                Expect.equal [ for tile in tiles -> tile.Left ] [ 0; 80 ] "two tiles"

                let cut number box =
                    (Tiling.placed 180 100 number tiles[number] (finding 0 1f box)).IsCut

                Expect.isTrue (cut 0 (Box(60f, 20f, 99.5f, 40f))) "at the right"
                Expect.isFalse (cut 0 (Box(0f, 0f, 40f, 100f))) "at the picture's own edges"
                Expect.isTrue (cut 1 (Box(0.5f, 20f, 40f, 40f))) "at the left"
                Expect.isFalse (cut 1 (Box(10f, 20f, 100f, 40f))) "at the picture's right edge"

                let placed =
                    Tiling.placed 180 100 1 tiles[1] (finding 0 1f (Box(10f, 20f, 30f, 40f)))

                Expect.equal placed.Finding.Box (Box(90f, 20f, 110f, 40f)) "in px of the picture"
            }

            test "tiles that make no sense are refused by name" {
                for size, overlap, width, message in
                    [
                        31, 0.2, 100, "--tiles 31"
                        64, 0.95, 100, "--overlap"
                        64, nan, 100, "--overlap"
                        32, 0.9, 20_000, "more than 10,000"
                    ] do
                    let said =
                        try
                            Tiling.tiles (settings size overlap) width width |> ignore
                            ""
                        with :? InputError as error ->
                            error.Message

                    Expect.stringContains said message message
            }
        ]
