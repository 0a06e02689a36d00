namespace DeqDet.Detection

open System
open DeqDet
open DeqDet.Data
open DeqDet.Images
open DeqDet.Model
open DeqDet.Settings

/// Pictures outside any data set on their way into the network.
module ImageBatching =

    /// A batch of pictures, resized and normalised as a model's settings want it and padded to one size.
    let ofImages (settings: DataSettings) (images: RgbImage list) : Batch =
        let resize = ResizeLimit(settings.Resize.ShortSide, settings.Resize.LongMax)

        let pictures =
            [|
                for image in images ->
                    let example = Example(image, [||], [||]).Resized resize

                    let about =
                        BatchImage(
                            CocoId 0L,
                            "",
                            image.Width,
                            image.Height,
                            example.View.Width,
                            example.View.Height,
                            example.ScaleX,
                            example.ScaleY,
                            [||],
                            [||]
                        )

                    struct (example.View, about)
            |]

        Normalisation(settings.Normalise).Collate pictures

    /// The size that the network would see a picture at, px: width and height before padding.
    let sizeOf (settings: DataSettings) (image: RgbImage) : struct (int * int) =
        ResizeLimit(settings.Resize.ShortSide, settings.Resize.LongMax).Of(image.Width, image.Height)

    /// The padded size of a landscape picture that reaches both limits of the resize: the largest input in testing.
    let largestSize (settings: DataSettings) : ImageSize =
        let padded side =
            (side + Normalisation.Divisor - 1) / Normalisation.Divisor
            * Normalisation.Divisor

        let a, b = settings.Resize.ShortSide, settings.Resize.LongMax

        {
            Height = padded (min a b)
            Width = padded (max a b)
        }
