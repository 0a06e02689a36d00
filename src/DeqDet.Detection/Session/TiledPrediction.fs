namespace DeqDet.Detection

open System
open System.Threading
open DeqDet.Images

/// Large pictures tile by tile.
module TiledPrediction =

    /// Tiles that are cut out at a time.
    let private most = 16

    /// What is found in a picture: in its tiles (`Tiling.tiles`), and where there are several, what is large also in the whole of it; of
    /// that what `keeps` wants, without doubles. A finding's query counts on over the tiles, the whole picture last, as the refinement's reports do. Raises
    /// OperationCanceledException when cancelled, InputError where the picture has too many tiles.
    let predict
        (session: DetectorSession)
        (settings: TileSettings)
        (batchSize: int)
        (keeps: Predicate<Finding>)
        (image: RgbImage)
        (cancellation: CancellationToken)
        : Prediction =
        let tiles = Tiling.tiles settings image.Width image.Height

        let inTiles =
            tiles
            |> Array.indexed
            |> Array.chunkBySize (max most batchSize)
            |> Array.collect (fun chunk ->
                let pictures =
                    [
                        for _, tile in chunk ->
                            if tiles.Length = 1 then
                                image
                            else
                                image.Cropped(tile.Left, tile.Top, tile.Width, tile.Height)
                    ]

                session.PredictEach(pictures, batchSize, cancellation) |> Array.ofSeq)

        let whole =
            if tiles.Length = 1 then
                [||]
            else
                session.PredictEach([ image ], 1, cancellation) |> Array.ofSeq

        let all = Array.append inTiles whole
        let queries = session.Model.Settings.Detector.Queries.Count

        let counted number (finding: Finding) =
            { finding with
                Query = number * queries + finding.Query
            }

        let found =
            [|
                for number in 0 .. tiles.Length - 1 do
                    for finding in Seq.filter keeps.Invoke all[number].Findings ->
                        counted number finding
                        |> Tiling.placed image.Width image.Height number tiles[number]

                for finding in
                    whole
                    |> Seq.collect _.Findings
                    |> Seq.filter keeps.Invoke
                    |> Seq.filter (Tiling.isLarge settings) ->
                    {
                        Finding = counted tiles.Length finding
                        Tile = tiles.Length
                        IsCut = false
                    }
            |]

        {
            Findings = Tiling.merge image.Width image.Height found
            Refinement = all |> Array.collect _.Refinement
        }
