namespace DeqDet.Settings

open DeqDet

/// Where one part of a data set lies, relative to the root.
type SplitSettings =
    {
        [<Setting "Folder of the {0} images, relative to data.root."; FreeAtResume>]
        Images: string
        [<Setting "COCO JSON file of the {0} images, relative to data.root."; FreeAtResume>]
        Annotations: string
    }

/// The share of a data set without a validation part that is kept for validation.
type AutoSplitSettings =
    {
        [<Setting "Share of the images that is kept for validation where the data set has no part for it; classes keep their shares. 0: such a data set is refused.";
          AtLeast 0;
          AtMost 0.9>]
        Val: float
        [<Setting "Seed of the draw: equal seeds keep the same images, whatever the order of the files."; AtLeast 0>]
        Seed: int
    }

    static member Default = { Val = 0.2; Seed = 0 }

/// The generated data set "shapes".
type ShapesSettings =
    {
        [<Setting "Training images to make."; AtLeast 1; AtMost 1_000_000>]
        TrainImages: int
        [<Setting "Validation images to make."; AtLeast 1; AtMost 1_000_000>]
        ValImages: int
        [<Setting "Seed of the generator: equal seeds make equal files on every machine."; AtLeast 0>]
        Seed: int
    }

    static member Default =
        {
            TrainImages = 2000
            ValImages = 200
            Seed = 0
        }

/// Keep-ratio resize: the short side becomes ShortSide unless the long side would pass LongMax.
type ResizeSettings =
    {
        [<Setting "Short side of validation and detection images after the resize, pixels.";
          AtLeast 1;
          AtMost 20_000;
          NoticedAtResume>]
        ShortSide: int
        [<Setting "The long side never passes this, pixels; the short side then stays smaller. Also in training.";
          AtLeast 1;
          AtMost 20_000>]
        LongMax: int
    }

/// Random crop of the DETR-style pipeline: resize to one of ShortSides, crop each side between MinSize and MaxSize
/// pixels, then resize as usual. Done with Probability, else only the usual resize.
type CropSettings =
    {
        [<Setting "Probability of the crop."; AtLeast 0; AtMost 1>]
        Probability: float
        [<Setting "Short sides to choose from for the resize before the crop, pixels.";
          Items("a list of whole numbers from 1 to 20000, at least one", AtLeastOne = true);
          AtLeast 1;
          AtMost 20_000>]
        ShortSides: int list
        [<Setting "Smallest side of the crop, pixels."; AtLeast 1; AtMost 20_000>]
        MinSize: int
        [<Setting "Largest side of the crop, pixels."; AtLeast 1; AtMost 20_000>]
        MaxSize: int
    }

    static member Default =
        {
            Probability = 0.5
            ShortSides = [ 400; 500; 600 ]
            MinSize = 384
            MaxSize = 600
        }

/// Random zoom: the picture as it is otherwise resized, made larger or smaller; of a larger one a window of the usual size is kept.
type ScaleSettings =
    {
        [<Setting "Smallest factor on an image's size."; Above 0; AtMost 1>]
        Min: float
        [<Setting "Largest factor; of an image larger than the usual size, a window of that size at a random place is kept.";
          AtLeast 1;
          AtMost 10>]
        Max: float
    }

    static member Default = { Min = 0.8; Max = 1.25 }

/// Four pictures in one, as in YOLOv4's training.
type MosaicSettings =
    {
        [<Setting "Probability that a training image becomes a mosaic of itself and three others."; AtLeast 0; AtMost 1>]
        Probability: float
        [<Setting "Smallest factor on the size of each of the four images."; Above 0; AtMost 1>]
        MinScale: float
        [<Setting "Largest factor on the size of each of the four images."; Above 0; AtMost 10>]
        MaxScale: float
    }

    static member Default =
        {
            Probability = 0.5
            MinScale = 0.5
            MaxScale = 1.0
        }

/// Random colours, drawn for each picture.
type ColourSettings =
    {
        [<Setting "Brightness is multiplied by a factor between 1 minus this and 1 plus this."; AtLeast 0; AtMost 1>]
        Brightness: float
        [<Setting "Contrast around medium grey is multiplied by a factor between 1 minus this and 1 plus this.";
          AtLeast 0;
          AtMost 1>]
        Contrast: float
        [<Setting "Saturation is multiplied by a factor between 1 minus this and 1 plus this."; AtLeast 0; AtMost 1>]
        Saturation: float
        [<Setting "Hues are turned by an angle between minus this and this, degrees."; AtLeast 0; AtMost 180>]
        Hue: float
    }

    static member Default =
        {
            Brightness = 0.2
            Contrast = 0.2
            Saturation = 0.3
            Hue = 5.0
        }

/// What training does to its images at random.
type AugmentSettings =
    {
        [<Setting "Probability that a training image is flipped left to right."; AtLeast 0; AtMost 1>]
        Flip: float
        [<Setting "Probability that a training image is flipped upside down: for images without an up and a down, such as a microscope's.";
          AtLeast 0;
          AtMost 1>]
        FlipVertical: float
        [<Setting "Short side of training images after the resize, pixels; one of several is drawn for each image.";
          Items("a list of whole numbers from 1 to 20000, at least one", AtLeastOne = true);
          AtLeast 1;
          AtMost 20_000>]
        ShortSides: int list
        [<Setting "Resize and crop before the usual resize, as in DETR's training. null: never.">]
        Crop: CropSettings option
        [<Setting "Make images larger or smaller after the usual resize. null: never.">]
        Scale: ScaleSettings option
        [<Setting "Put four images together into one, in place of crop and scale. null: never.">]
        Mosaic: MosaicSettings option
        [<Setting "Change colours. null: never.">]
        Colour: ColourSettings option
    }

    /// That of the published short training: flips alone.
    static member Published =
        {
            Flip = 0.5
            FlipVertical = 0.0
            ShortSides = [ 800 ]
            Crop = None
            Scale = None
            Mosaic = None
            Colour = None
        }

/// Pixel values become (value - Mean) / Std.
type NormaliseSettings =
    {
        [<Setting "Subtracted from the red, green and blue values (0-255) of a pixel.";
          Items("a list of three values, red, green and blue, each a number", Count = 3)>]
        Mean: float list
        [<Setting "What the values are divided by after that.";
          Items("a list of three values, red, green and blue, each a number above 0", Count = 3);
          Above 0>]
        Std: float list
    }

/// Which training images are left out.
type FilterSettings =
    {
        [<Setting "Training images with a smaller side are left out, pixels."; AtLeast 0; AtMost 20_000>]
        MinSide: int
        [<Setting "Leave out training images without boxes; crowd regions are not counted.">]
        DropEmpty: bool
    }

type DataSettings =
    {
        [<Setting "Folder of the data set, relative to the current directory; `--data DIR` sets it."; FreeAtResume>]
        Root: string
        [<Setting("The training images.", Within = "training")>]
        Train: SplitSettings
        [<Setting("The validation images.", Within = "validation")>]
        Val: SplitSettings
        [<Setting "Validation images of a data set that is found by itself and has no part for validation.">]
        AutoSplit: AutoSplitSettings
        [<Setting "Make the data set \"shapes\" in data.root if it is not there. null: never."; FreeAtResume>]
        Shapes: ShapesSettings option
        [<Setting "Keep-ratio resize.">]
        Resize: ResizeSettings
        [<Setting "What training does to images at random.">]
        Augment: AugmentSettings
        [<Setting "Pixel values become (value - mean) / std.">]
        Normalise: NormaliseSettings
        [<Setting "Training images that are left out.">]
        Filter: FilterSettings
        [<Setting "Threads that load images. 0: one a processor core, at most 8. Results do not depend on it.";
          AtLeast 0;
          AtMost 256;
          FreeAtResume>]
        Workers: int
        [<Setting "Memory for decoded images, MiB. 0: decode every image each time.";
          AtLeast 0;
          AtMost 1_000_000;
          FreeAtResume>]
        CacheMb: int
        [<Setting "Most memory of images that are loaded ahead of training or evaluation, MiB.";
          AtLeast 1;
          AtMost 1_000_000;
          FreeAtResume>]
        LoaderMb: int
    }
