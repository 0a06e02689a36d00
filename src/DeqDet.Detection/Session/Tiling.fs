namespace DeqDet.Detection

open System
open System.Collections.Generic
open DeqDet
open DeqDet.Coco

/// How a large picture is cut into tiles.
type TileSettings =
    {
        /// Side of a tile, px of the picture; a smaller side of the picture is not cut.
        Size: int
        /// Share of a tile, 0 to below 1, by which neighbours overlap at least: what is no larger than it is whole in one of them.
        Overlap: float
    }

/// A tile: its corner and size, px of the picture.
[<Struct>]
type Tile =
    {
        Left: int
        Top: int
        Width: int
        Height: int
    }

/// A detection in a tile of a picture.
type TiledFinding =
    {
        /// In px of the picture.
        Finding: Finding
        /// Which tile it was found in.
        Tile: int
        /// Whether its box ends at an edge of the tile at which the picture goes on: there may be more of it.
        IsCut: bool
    }

/// Pictures in tiles, and what is found in tiles as what is found in the picture. Pure functions.
module Tiling =

    /// The smallest tile: below it the edges would be everything.
    [<Literal>]
    let LeastSize = 32

    /// The most tiles of one picture.
    [<Literal>]
    let MostTiles = 10_000

    /// How far from an edge a box still ends at it, share of the tile's side.
    let private nearEdge = 0.02f

    /// Overlap (intersection over union) from which two of one class are one thing, seen twice.
    let private same = 0.5f

    /// Share of a cut box, from which it is a piece of another.
    let private piece = 0.7f

    let private share (settings: TileSettings) =
        int (Math.Ceiling(float settings.Size * settings.Overlap))

    /// Where tiles begin along a side: evenly spread, the first at 0, the last ending with the side, neighbours with the overlap at least.
    let starts (settings: TileSettings) (side: int) : int[] =
        if side <= settings.Size then
            [| 0 |]
        else
            let stride = max 1 (settings.Size - share settings)
            let room = side - settings.Size
            let count = (room + stride - 1) / stride
            [| for i in 0..count -> int (int64 room * int64 i / int64 count) |]

    /// The tiles of a picture, row by row: every pixel lies in one. Raises InputError where the settings make no sense, or there would be more
    /// than `MostTiles`.
    let tiles (settings: TileSettings) (width: int) (height: int) : Tile[] =
        if settings.Size < LeastSize then
            raise (InputError $"--tiles {settings.Size}: a tile has {LeastSize} px at least")

        if not (settings.Overlap >= 0.0 && settings.Overlap <= 0.9) then
            raise (InputError $"--overlap {settings.Overlap}: must be a share from 0 to 0.9")

        let columns, rows = starts settings width, starts settings height

        if int64 columns.Length * int64 rows.Length > int64 MostTiles then
            raise (
                InputError
                    $"--tiles {settings.Size}: a picture of {width} x {height} px would be {int64 columns.Length * int64 rows.Length:N0} tiles, more than {MostTiles:N0}; make them larger, or let them overlap less"
            )

        [|
            for top in rows do
                for left in columns ->
                    {
                        Left = left
                        Top = top
                        Width = min settings.Size width
                        Height = min settings.Size height
                    }
        |]

    /// A tile's detection in px of the picture of a size.
    let placed (width: int) (height: int) (number: int) (tile: Tile) (finding: Finding) : TiledFinding =
        let box = finding.Box
        let w, h = float32 tile.Width, float32 tile.Height

        let cut =
            box.X1 <= nearEdge * w && tile.Left > 0
            || box.Y1 <= nearEdge * h && tile.Top > 0
            || box.X2 >= w - nearEdge * w && tile.Left + tile.Width < width
            || box.Y2 >= h - nearEdge * h && tile.Top + tile.Height < height

        {
            Finding =
                { finding with
                    Box = box.Moved(float32 tile.Left, float32 tile.Top)
                }
            Tile = number
            IsCut = cut
        }

    let private area (box: Box) =
        max 0.0f box.Width * max 0.0f box.Height

    let private shared (a: Box) (b: Box) =
        area (Box(max a.X1 b.X1, max a.Y1 b.Y1, min a.X2 b.X2, min a.Y2 b.Y2))

    /// Whether a detection says nothing that another one, which is kept, does not say: of one class, from another tile, and about the same box,
    /// or a piece of it.
    let isDouble (kept: TiledFinding) (other: TiledFinding) : bool =
        kept.Tile <> other.Tile
        && kept.Finding.Label = other.Finding.Label
        && (let a, b = kept.Finding.Box, other.Finding.Box
            let common = shared a b
            let union = area a + area b - common

            common > 0.0f
            && (common >= same * union || other.IsCut && common >= piece * area b))

    // Boxes that share a pixel share a cell: kept ones are looked up by the cells that they touch.
    let private cells = 64

    let private cellsOf (width: int) (height: int) (finding: Finding) =
        let cell (at: float32) (side: int) =
            int (Math.Clamp(at / float32 side * float32 cells, 0.0f, float32 (cells - 1)))

        let box = finding.Box

        seq {
            for y in cell box.Y1 height .. cell box.Y2 height do
                for x in cell box.X1 width .. cell box.X2 width -> struct (finding.Label, x, y)
        }

    /// What is found in tiles of a picture of a size without doubles, best first. Whole ones come before pieces, then the surer ones; each is
    /// kept that is no double of one that was kept before. Two of one tile are never doubles of each other: the detector saw both.
    let merge (width: int) (height: int) (found: TiledFinding seq) : Finding[] =
        let kept = ResizeArray<Finding>()
        let byCell = Dictionary<struct (int * int * int), ResizeArray<TiledFinding>>()

        for next in found |> Seq.sortBy (fun found -> found.IsCut, -found.Finding.Score) do
            let touched = cellsOf width height next.Finding |> Array.ofSeq

            let isNew =
                touched
                |> Array.forall (fun cell ->
                    match byCell.TryGetValue cell with
                    | true, before -> not (before.Exists(fun before -> isDouble before next))
                    | _ -> true)

            if isNew then
                kept.Add next.Finding

                for cell in touched do
                    match byCell.TryGetValue cell with
                    | true, before -> before.Add next
                    | _ -> byCell[cell] <- ResizeArray [ next ]

        kept |> Seq.sortBy (fun finding -> -finding.Score) |> Array.ofSeq

    /// Whether a detection in the whole picture, shrunk to what the network takes, counts beside those in tiles: something so large that no tile
    /// need have it whole. What is smaller tiles see better.
    let isLarge (settings: TileSettings) (finding: Finding) : bool =
        max finding.Box.Width finding.Box.Height > float32 (share settings)
