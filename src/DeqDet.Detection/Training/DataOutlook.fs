namespace DeqDet.Detection

open DeqDet
open DeqDet.Data
open DeqDet.Images
open DeqDet.Settings

/// What a detector will see of a data set's boxes: their number against its queries, and their size after the resize. Crowd regions and ignored
/// boxes, which are not trained on, do not count.
type DataOutlook =
    {
        Images: int
        Boxes: int
        /// Classes with the number of their boxes, in the order of the model's outputs.
        Classes: (string * int) list
        /// Width and height in px after the resize, without padding: the smallest, the median and the largest image by area.
        Sizes: (int * int)[]
        /// Boxes of an image: the median (the upper of two), and the most.
        MedianBoxes: int
        MostBoxes: int
        Queries: int
        /// Images with more boxes than the detector has queries, and how many boxes are left without one.
        CrowdedImages: int
        BoxesWithoutQuery: int
        /// Boxes whose size sqrt(w h) is below `DataOutlook.Tiny` px after the resize.
        TinyBoxes: int
        /// Pairs of boxes of one image that overlap nearly wholly and have different classes: no detector can get both right.
        Contradictions: int
    }

    /// Two cells of the finest map: smaller objects leave hardly a trace in it, px.
    static member Tiny: float = 8.0

module DataOutlook =

    /// IoU from which two boxes are taken for one object.
    let private same = 0.9

    /// More pairs than this are not looked at in an image.
    let private mostPaired = 300

    /// Intersection over union.
    let iou (a: Coco.Box) (b: Coco.Box) : float =
        let width = max 0f (min a.X2 b.X2 - max a.X1 b.X1)
        let height = max 0f (min a.Y2 b.Y2 - max a.Y1 b.Y1)
        let both = float width * float height
        let either = float a.Width * float a.Height + float b.Width * float b.Height - both
        if either > 0.0 then both / either else 0.0

    let private contradictions (boxes: DataBox[]) =
        if boxes.Length > mostPaired then
            0
        else
            Seq.sum
                [
                    for i in 0 .. boxes.Length - 1 do
                        for j in i + 1 .. boxes.Length - 1 do
                            if boxes[i].Label <> boxes[j].Label && iou boxes[i].Box boxes[j].Box >= same then
                                1
                ]

    /// Counts a data set for a detector of so many queries. Images are resized as for validation and detection.
    let ofData (settings: DataSettings) (queries: int) (data: CocoDataset) : DataOutlook =
        let limit = ResizeLimit(settings.Resize.ShortSide, settings.Resize.LongMax)

        let images =
            [|
                for image in data.Images ->
                    let struct (width, height) = limit.Of(image.Width, image.Height)
                    image, Array.ofSeq image.Targets, width, height
            |]

        let labels = Array.zeroCreate<int> data.Categories.Count

        for _, boxes, _, _ in images do
            for box in boxes do
                labels[box.Label] <- labels[box.Label] + 1

        let tiny (image: DataImage, boxes: DataBox[], width: int, height: int) =
            let scale = float width / float image.Width * float height / float image.Height

            boxes
            |> Array.filter (fun box -> sqrt (float box.Box.Width * float box.Box.Height * scale) < DataOutlook.Tiny)
            |> Array.length

        let counts =
            images |> Array.map (fun (_, boxes, _, _) -> boxes.Length) |> Array.sort

        let sizes =
            images
            |> Array.map (fun (_, _, width, height) -> width, height)
            |> Array.sortBy (fun (width, height) -> width * height)

        {
            Images = images.Length
            Boxes = Array.sum counts
            Classes =
                [
                    for category, count in Seq.zip data.Categories labels -> category.Name, count
                ]
            Sizes = [| sizes[0]; sizes[sizes.Length / 2]; Array.last sizes |]
            MedianBoxes = counts[counts.Length / 2]
            MostBoxes = Array.last counts
            Queries = queries
            CrowdedImages = counts |> Array.filter (fun count -> count > queries) |> Array.length
            BoxesWithoutQuery = counts |> Array.sumBy (fun count -> max 0 (count - queries))
            TinyBoxes = Array.sumBy tiny images
            Contradictions = images |> Array.sumBy (fun (_, boxes, _, _) -> contradictions boxes)
        }
