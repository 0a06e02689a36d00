namespace DeqDet.Settings.Schema

open DeqDet.Settings
open Codec

/// Keys, ranges and explanations of the data section.
module DataSchema =

    let private side = integer 1 20_000

    let private split what : Section<SplitSettings> =
        {
            Fields =
                [
                    Field.value
                        "images"
                        text
                        _.Images
                        (fun v r -> { r with Images = v })
                        $"Folder of the {what} images, relative to data.root."
                    Field.value
                        "annotations"
                        text
                        _.Annotations
                        (fun v r -> { r with Annotations = v })
                        $"COCO JSON file of the {what} images, relative to data.root."
                ]
            Checks = []
        }

    let private shapes: Section<ShapesSettings> =
        {
            Fields =
                [
                    Field.value
                        "train_images"
                        (integer 1 1_000_000)
                        _.TrainImages
                        (fun v r -> { r with TrainImages = v })
                        "Training images to make."
                    Field.value
                        "val_images"
                        (integer 1 1_000_000)
                        _.ValImages
                        (fun v r -> { r with ValImages = v })
                        "Validation images to make."
                    Field.value
                        "seed"
                        (integer 0 System.Int32.MaxValue)
                        _.Seed
                        (fun v (r: ShapesSettings) -> { r with Seed = v })
                        "Seed of the generator: equal seeds make equal files on every machine."
                ]
            Checks = []
        }

    let private shapesStart: ShapesSettings =
        {
            TrainImages = 2000
            ValImages = 200
            Seed = 0
        }

    let private resize: Section<ResizeSettings> =
        {
            Fields =
                [
                    Field.value
                        "short_side"
                        side
                        _.ShortSide
                        (fun v r -> { r with ShortSide = v })
                        "Short side of validation and detection images after the resize, pixels."
                    Field.value
                        "long_max"
                        side
                        _.LongMax
                        (fun v r -> { r with LongMax = v })
                        "The long side never passes this, pixels; the short side then stays smaller. Also in training."
                ]
            Checks =
                [
                    fun resize ->
                        [
                            if resize.LongMax < resize.ShortSide then
                                {
                                    Keys = [ "long_max"; "short_side" ]
                                    Text =
                                        $"is {resize.LongMax}, below short_side = {resize.ShortSide}; "
                                        + $"use at least {resize.ShortSide}"
                                }
                        ]
                ]
        }

    let private sides =
        list "" side
        |> where (fun sides -> not sides.IsEmpty) "a list of whole numbers from 1 to 20000, at least one"

    let private crop: Section<CropSettings> =
        {
            Fields =
                [
                    Field.value
                        "probability"
                        fraction
                        _.Probability
                        (fun v r -> { r with Probability = v })
                        "Probability of the crop."
                    Field.value
                        "short_sides"
                        sides
                        _.ShortSides
                        (fun v (r: CropSettings) -> { r with ShortSides = v })
                        "Short sides to choose from for the resize before the crop, pixels."
                    Field.value
                        "min_size"
                        side
                        _.MinSize
                        (fun v r -> { r with MinSize = v })
                        "Smallest side of the crop, pixels."
                    Field.value
                        "max_size"
                        side
                        _.MaxSize
                        (fun v r -> { r with MaxSize = v })
                        "Largest side of the crop, pixels."
                ]
            Checks =
                [
                    fun crop ->
                        [
                            if crop.MaxSize < crop.MinSize then
                                {
                                    Keys = [ "max_size"; "min_size" ]
                                    Text =
                                        $"is {crop.MaxSize}, below min_size = {crop.MinSize}; use at least {crop.MinSize}"
                                }
                        ]
                ]
        }

    let private cropStart: CropSettings =
        {
            Probability = 0.5
            ShortSides = [ 400; 500; 600 ]
            MinSize = 384
            MaxSize = 600
        }

    let private augment: Section<AugmentSettings> =
        {
            Fields =
                [
                    Field.value
                        "flip"
                        fraction
                        _.Flip
                        (fun v r -> { r with Flip = v })
                        "Probability that a training image is flipped left to right."
                    Field.value
                        "short_sides"
                        sides
                        _.ShortSides
                        (fun v (r: AugmentSettings) -> { r with ShortSides = v })
                        "Short side of training images after the resize, pixels; one of several is drawn for each image."
                    Field.optionalSection
                        "crop"
                        crop
                        cropStart
                        _.Crop
                        (fun v r -> { r with Crop = v })
                        "Resize and crop before the usual resize, as in DETR's training. null: never."
                ]
            Checks = []
        }

    let private colours (item: Codec<float>) =
        list "" item
        |> where (fun values -> values.Length = 3) $"a list of three values, red, green and blue, each {item.Kind}"

    let private normalise: Section<NormaliseSettings> =
        {
            Fields =
                [
                    Field.value
                        "mean"
                        (colours number)
                        _.Mean
                        (fun v r -> { r with Mean = v })
                        "Subtracted from the red, green and blue values (0-255) of a pixel."
                    Field.value
                        "std"
                        (colours positive)
                        _.Std
                        (fun v r -> { r with Std = v })
                        "What the values are divided by after that."
                ]
            Checks = []
        }

    let private filter: Section<FilterSettings> =
        {
            Fields =
                [
                    Field.value
                        "min_side"
                        (integer 0 20_000)
                        _.MinSide
                        (fun v r -> { r with MinSide = v })
                        "Training images with a smaller side are left out, pixels."
                    Field.value
                        "drop_empty"
                        boolean
                        _.DropEmpty
                        (fun v r -> { r with DropEmpty = v })
                        "Leave out training images without boxes; crowd regions are not counted."
                ]
            Checks = []
        }

    let data: Section<DataSettings> =
        {
            Fields =
                [
                    Field.value
                        "root"
                        text
                        _.Root
                        (fun v r -> { r with Root = v })
                        "Folder of the data set, relative to the current directory; `--data DIR` sets it."
                    Field.section
                        "train"
                        (split "training")
                        _.Train
                        (fun v r -> { r with Train = v })
                        "The training images."
                    Field.section
                        "val"
                        (split "validation")
                        _.Val
                        (fun v r -> { r with Val = v })
                        "The validation images."
                    Field.optionalSection
                        "shapes"
                        shapes
                        shapesStart
                        _.Shapes
                        (fun v r -> { r with Shapes = v })
                        "Make the data set \"shapes\" in data.root if it is not there. null: never."
                    Field.section "resize" resize _.Resize (fun v r -> { r with Resize = v }) "Keep-ratio resize."
                    Field.section
                        "augment"
                        augment
                        _.Augment
                        (fun v r -> { r with Augment = v })
                        "What training does to images at random."
                    Field.section
                        "normalise"
                        normalise
                        _.Normalise
                        (fun v r -> { r with Normalise = v })
                        "Pixel values become (value - mean) / std."
                    Field.section
                        "filter"
                        filter
                        _.Filter
                        (fun v r -> { r with Filter = v })
                        "Training images that are left out."
                    Field.value
                        "workers"
                        (integer 0 256)
                        _.Workers
                        (fun v r -> { r with Workers = v })
                        "Threads that load images. 0: one a processor core. Results do not depend on it."
                    Field.value
                        "cache_mb"
                        (integer 0 1_000_000)
                        _.CacheMb
                        (fun v r -> { r with CacheMb = v })
                        "Memory for decoded images, MiB. 0: decode every image each time."
                    Field.value
                        "loader_mb"
                        (integer 1 1_000_000)
                        _.LoaderMb
                        (fun v r -> { r with LoaderMb = v })
                        "Most memory of images that are loaded ahead of training or evaluation, MiB."
                ]
            Checks =
                [
                    fun data ->
                        let largest = List.max data.Augment.ShortSides

                        [
                            if largest > data.Resize.LongMax then
                                {
                                    Keys = [ "augment.short_sides"; "resize.long_max" ]
                                    Text =
                                        $"holds {largest}, beyond resize.long_max = {data.Resize.LongMax}; "
                                        + "lower it or raise long_max"
                                }
                        ]
                ]
        }
