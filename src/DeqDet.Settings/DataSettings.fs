namespace DeqDet.Settings

/// Where one part of a data set lies, relative to the root.
type SplitSettings =
    {
        /// Folder of image files.
        Images: string
        /// COCO JSON file.
        Annotations: string
    }

/// The generated data set "shapes".
type ShapesSettings =
    {
        TrainImages: int
        ValImages: int
        /// Seed of the generator; equal seeds give equal files on every machine.
        Seed: int
    }

/// Keep-ratio resize: the short side becomes ShortSide unless the long side would pass LongMax. Pixels.
type ResizeSettings = { ShortSide: int; LongMax: int }

/// Random crop of the DETR-style pipeline: resize to one of ShortSides, crop each side between MinSize and MaxSize
/// pixels, then resize as usual. Done with Probability, else only the usual resize.
type CropSettings =
    {
        Probability: float
        ShortSides: int list
        MinSize: int
        MaxSize: int
    }

/// What training does to its images at random.
type AugmentSettings =
    {
        /// Probability of a horizontal flip.
        Flip: float
        /// Short sides to choose from, pixels; the long side is limited by ResizeSettings.LongMax.
        ShortSides: int list
        Crop: CropSettings option
    }

/// Pixel values 0-255, in the order red, green, blue, become (value - Mean) / Std.
type NormaliseSettings = { Mean: float list; Std: float list }

/// Which training images are left out.
type FilterSettings =
    {
        /// Images with a side below this many pixels are dropped.
        MinSide: int
        /// Images without boxes (crowds do not count) are dropped.
        DropEmpty: bool
    }

type DataSettings =
    {
        /// Folder of the data set, relative to the current directory.
        Root: string
        Train: SplitSettings
        Val: SplitSettings
        /// Make the data set if it is not there.
        Shapes: ShapesSettings option
        /// Resize of validation and detection.
        Resize: ResizeSettings
        Augment: AugmentSettings
        Normalise: NormaliseSettings
        Filter: FilterSettings
        /// Threads that load images; 0 means one a processor core.
        Workers: int
        /// Memory for decoded images, MiB; 0 decodes every image each time.
        CacheMb: int
        /// Most memory of images that are loaded ahead, MiB.
        LoaderMb: int
    }
