namespace DeqDet.Detection

open System
open TorchSharp
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

    /// The size that the network sees a picture at where it is alone, px: width and height with the padding.
    let sizeOf (settings: DataSettings) (image: RgbImage) : struct (int * int) =
        Normalisation.PaddedSize
            [
                ResizeLimit(settings.Resize.ShortSide, settings.Resize.LongMax).Of(image.Width, image.Height)
            ]

    /// Pixels up to which a larger batch takes less time an image on two processor cores: 0.6 of it at 320 x 256, 0.9 at 448 x 320, all of it
    /// at 640 x 480 and above.
    let private worthwhile = 1 <<< 19

    /// How many pictures of a size go through the network together where `most` are allowed: on the CPU fewer of large ones, which would take
    /// as long and more memory.
    let together (device: DeviceType) (most: int) (struct (width: int, height: int)) : int =
        if device = DeviceType.CPU then
            min most (max 1 (worthwhile / (width * height)))
        else
            most

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
