namespace DeqDet.Model

open TorchSharp

/// Some of the queries of several images, image after image in one row: whatever a query does on its own costs what these cost.
type QueryRows =
    {
        /// [1, W, .].
        Query: Query
        /// The images' numbers in the batch, ascending.
        Images: int[]
        /// How many of the queries are of each.
        Counts: int[]
        /// Their numbers among all queries of their images, [W].
        Numbers: int[]
    }

module internal QueryRows =

    /// Of one tensor for all queries of any image [Q, ...] the rows [W, ...] of some.
    let ofAll (some: QueryRows) (all: Tensor) : Tensor =
        all.index_select (0L, torch.tensor (Array.map int64 some.Numbers) |> onDevice all.device)

/// Where rows lie in a rectangle with a line for each image, for operations that want one.
type internal RowLayout =
    {
        Lines: int64
        Width: int64
        /// Numbers of the rows that fill the rectangle, and places in it of the rows; None where the two are the same.
        Indices: struct (Tensor * Tensor) option
    }

module internal RowLayout =

    /// The layout of rows that belong to the lines in turn, so many to each: lines as long as the longest; the others are filled with
    /// whatever row comes next to their own.
    let ofCounts (device: torch.Device) (counts: int[]) : RowLayout =
        let first = Array.scan (+) 0 counts
        let rows = Array.last first
        let width = Array.max counts

        let onDevice (numbers: int64[]) = torch.tensor numbers |> onDevice device

        {
            Lines = int64 counts.Length
            Width = int64 width
            Indices =
                if rows = counts.Length * width then
                    None
                else
                    let filling =
                        [|
                            for line in 0 .. counts.Length - 1 do
                                for k in 0 .. width - 1 -> int64 (min (first[line] + k) (rows - 1))
                        |]

                    let places =
                        [|
                            for line in 0 .. counts.Length - 1 do
                                for k in 0 .. counts[line] - 1 -> int64 (line * width + k)
                        |]

                    Some(struct (onDevice filling, onDevice places))
        }

    /// Rows [1, W, ...] -> [lines, width, ...].
    let spread (layout: RowLayout) (rows: Tensor) : Tensor =
        let filled =
            match layout.Indices with
            | Some(struct (filling, _)) -> rows.index_select (1L, filling)
            | None -> rows

        filled.view (Array.append [| layout.Lines; layout.Width |] rows.shape[2..])

    /// [lines, width, ...] -> rows [1, W, ...].
    let collect (layout: RowLayout) (lines: Tensor) : Tensor =
        let rows = lines.flatten(0L, 1L).unsqueeze 0L

        match layout.Indices with
        | Some(struct (_, places)) -> rows.index_select (1L, places)
        | None -> rows
