using DeqDet.Coco;

namespace DeqDet.Data.Check;

/// <summary>A kind of thing that a data check finds.</summary>
/// <param name="Code">Its name for machines.</param>
/// <param name="Spoils">Whether training refuses such data, or has nothing to learn from it.</param>
/// <param name="Text">What it is, after a number of it.</param>
/// <param name="Advice">What training makes of it, or what to do.</param>
public sealed record IssueKind(string Code, bool Spoils, string Text, string Advice)
{
    /// <summary>The annotation file ends early, is no JSON, or lacks a list.</summary>
    public static readonly IssueKind UnreadableFile = Problem(
        "unreadable-annotations",
        "annotation files cannot be read to the end",
        "write the file anew; what came before is counted here"
    );

    /// <summary>A record lacks a field, or a field is of the wrong kind.</summary>
    public static readonly IssueKind MalformedRecord = Problem(
        "malformed-record",
        "records are malformed",
        "mend or remove the records"
    );

    /// <summary>Two records of a list have the same id.</summary>
    public static readonly IssueKind DoubledId = Problem(
        "doubled-id",
        "records have an id that occurred before",
        "ids have to differ within their list"
    );

    /// <summary>An image states a size of nothing, or a monstrous one.</summary>
    public static readonly IssueKind BadSize = Problem(
        "impossible-size",
        "images state an impossible size",
        "write the image's pixels"
    );

    /// <summary>A file name would leave the image folder, or is no name.</summary>
    public static readonly IssueKind BadName = Problem(
        "bad-file-name",
        "file names are unusable",
        "name files relative to the image folder, and below it"
    );

    /// <summary>A box has a negative width or height.</summary>
    public static readonly IssueKind NegativeBox = Problem(
        "negative-box",
        "boxes have a negative size",
        "a box is [x, y, width, height]"
    );

    /// <summary>An annotation has a negative area.</summary>
    public static readonly IssueKind NegativeArea = Problem(
        "negative-area",
        "annotations have a negative area",
        "write the area of the object, zero or more, or leave it out"
    );

    /// <summary>An annotation's image is not listed.</summary>
    public static readonly IssueKind UnknownImage = Problem(
        "unknown-image",
        "boxes are of images that are not listed",
        "add the images or remove the annotations"
    );

    /// <summary>An annotation's category is not listed.</summary>
    public static readonly IssueKind UnknownCategory = Problem(
        "unknown-category",
        "boxes are of categories that are not listed",
        "add the categories or remove the annotations"
    );

    /// <summary>Nothing in the file can be trained on.</summary>
    public static readonly IssueKind NothingToLearn = Problem(
        "nothing-to-learn",
        "annotation files have no box to train on",
        "check the annotations"
    );

    /// <summary>The parts disagree about the classes.</summary>
    public static readonly IssueKind OtherClasses = Problem(
        "other-classes",
        "parts have other categories than the first",
        "training and validation need the same ids and names"
    );

    /// <summary>An image file is not there.</summary>
    public static readonly IssueKind MissingImage = Problem(
        "missing-image",
        "image files are missing",
        "put them there, or take them out of the annotations"
    );

    /// <summary>An image file is empty, truncated, damaged, too large or no image.</summary>
    public static readonly IssueKind UnreadableImage = Problem(
        "unreadable-image",
        "image files cannot be read",
        "replace them, or take them out of the annotations"
    );

    /// <summary>An image file has another size than the annotations state.</summary>
    public static readonly IssueKind OtherSize = Problem(
        "other-size",
        "image files have another size than stated",
        "use the images that were annotated, or correct width and height"
    );

    /// <summary>A label file has no image.</summary>
    public static readonly IssueKind LabelWithoutImage = Remark(
        "label-without-image",
        "label files have no image",
        "they are not used; put the images there, or remove the files"
    );

    /// <summary>An image has no label file.</summary>
    public static readonly IssueKind ImageWithoutLabel = Remark(
        "image-without-label",
        "images have no label file",
        "they are taken as images without objects"
    );

    /// <summary>Two images have one label file.</summary>
    public static readonly IssueKind SharedLabel = Remark(
        "shared-label",
        "images have the label file of another, for their names differ by the ending alone",
        "both get its boxes; remove or rename one of them"
    );

    /// <summary>A label file holds more than boxes.</summary>
    public static readonly IssueKind NotUsed = Remark(
        "not-used",
        "entries of label files are not used",
        "only boxes are trained on"
    );

    /// <summary>What the numbers of the files mean was found out from all of them.</summary>
    public static readonly IssueKind Convention = Remark(
        "convention",
        "label files leave open what their corners count from",
        "look at some boxes, with data browse"
    );

    /// <summary>Files are at another place than the one written.</summary>
    public static readonly IssueKind Elsewhere = Remark(
        "elsewhere",
        "files were found at another place than the one that is written",
        "make sure that these are the ones that are meant"
    );

    /// <summary>The folder has annotations of a second format.</summary>
    public static readonly IssueKind SecondFormat = Remark(
        "second-format",
        "annotations of another format lie in the folder",
        "they are not read; move them away if they are the ones that are meant"
    );

    /// <summary>A file is in two parts of the data.</summary>
    public static readonly IssueKind SharedFile = Remark(
        "shared-file",
        "image files are in two parts, byte for byte",
        "a validation on images of the training measures memory"
    );

    /// <summary>A file occurs twice in a part.</summary>
    public static readonly IssueKind DoubledFile = Remark(
        "doubled-file",
        "image files are the same as another, byte for byte",
        "they count twice in training and in the AP"
    );

    /// <summary>Two image records name one file.</summary>
    public static readonly IssueKind DoubledName = Remark(
        "doubled-name",
        "image records name a file that another one names",
        "it counts twice in training and in the AP"
    );

    /// <summary>An image file is damaged, but every decoder reads it.</summary>
    public static readonly IssueKind FlawedImage = Remark(
        "flawed-image",
        "image files are damaged but can be read",
        "write the files anew, from the originals if there are any"
    );

    /// <summary>A file that no record names.</summary>
    public static readonly IssueKind UnnamedFile = Remark(
        "unnamed-file",
        "image files are named by no annotation file",
        "they are not used"
    );

    /// <summary>EXIF turns the image, and the annotations are of the turned one.</summary>
    public static readonly IssueKind Turned = Remark(
        "turned",
        "images are turned by their EXIF orientation",
        "so were they annotated, by their size"
    );

    /// <summary>EXIF turns the image, and the annotations are of the stored one.</summary>
    public static readonly IssueKind NotTurned = Remark(
        "not-turned",
        "images are used as stored, not as their EXIF orientation says",
        "their stated size only fits the stored pixels"
    );

    /// <summary>EXIF turns or mirrors the image, and its size does not tell whether the annotations know.</summary>
    public static readonly IssueKind PerhapsTurned = Remark(
        "perhaps-turned",
        "images are turned by their EXIF orientation, which their size does not confirm",
        "look at their boxes: the annotation tool may not have turned them"
    );

    /// <summary>A box sticks out of its image.</summary>
    public static readonly IssueKind ClippedBox = Remark(
        "clipped-box",
        "boxes reach beyond their images",
        "they are clipped"
    );

    /// <summary>A box lies outside its image.</summary>
    public static readonly IssueKind OutsideBox = Remark(
        "outside-box",
        "boxes lie wholly outside their images",
        "they are dropped"
    );

    /// <summary>A box of no size.</summary>
    public static readonly IssueKind DegenerateBox = Remark(
        "degenerate-box",
        "boxes are less than 1 px wide or high, or have no area",
        "they are dropped"
    );

    /// <summary>The boxes of a file are written in another form than COCO's, as it seems.</summary>
    public static readonly IssueKind OtherForm = Remark(
        "other-box-form",
        "annotation files have boxes that do not look like [x, y, width, height] in pixels",
        "look at them (with evaluate --report, or in an annotation tool) and convert them"
    );

    /// <summary>The file says to ignore a box.</summary>
    public static readonly IssueKind IgnoredBox = Remark(
        "ignored-box",
        "boxes are marked to be ignored",
        "training leaves them out; the evaluation takes them like any other, as the reference does"
    );

    /// <summary>The same box of the same category, twice in an image.</summary>
    public static readonly IssueKind DoubledBox = Remark(
        "doubled-box",
        "boxes are the same as another of their image and category",
        "two queries have to find each of them"
    );

    /// <summary>An image without annotations.</summary>
    public static readonly IssueKind EmptyImage = Remark(
        "empty-image",
        "images have no box",
        "training leaves them out where data.filter.drop_empty is true; validation uses them"
    );

    /// <summary>An image with crowd regions and ignored boxes only.</summary>
    public static readonly IssueKind CrowdImage = Remark(
        "crowd-image",
        "images have no boxes but crowd regions and ignored ones",
        "training treats them as empty"
    );

    /// <summary>An image too small for the published settings.</summary>
    public static readonly IssueKind SmallImage = Remark(
        "small-image",
        "images have a side below 32 px",
        "training leaves them out where data.filter.min_side is 32"
    );

    /// <summary>A category that no box has.</summary>
    public static readonly IssueKind UnusedCategory = Remark(
        "unused-category",
        "categories have no box",
        "the detector gets an output for each, and nothing to learn it from"
    );

    /// <summary>A category that only groups all others.</summary>
    public static readonly IssueKind RootCategory = Remark(
        "root-category",
        "categories have no box and only group all others",
        "training leaves them out: they are no class of objects"
    );

    /// <summary>Two categories have one name.</summary>
    public static readonly IssueKind DoubledCategory = Remark(
        "doubled-category",
        "categories have the name of another",
        "they are two classes all the same"
    );

    /// <summary>A category's name differs from another's in nothing but case, spaces, hyphens and underscores.</summary>
    public static readonly IssueKind SimilarCategory = Remark(
        "similar-category",
        "categories are spelled almost as another",
        "they are two classes; where one is meant, spell it in one way"
    );

    /// <summary>The kind of a fault of annotation files.</summary>
    public static IssueKind Of(FaultKind fault) =>
        fault switch
        {
            FaultKind.Unreadable => UnreadableFile,
            FaultKind.Malformed => MalformedRecord,
            FaultKind.DoubledId => DoubledId,
            FaultKind.BadSize => BadSize,
            FaultKind.BadName => BadName,
            FaultKind.NegativeBox => NegativeBox,
            FaultKind.NegativeArea => NegativeArea,
            FaultKind.UnknownImage => UnknownImage,
            FaultKind.UnknownCategory => UnknownCategory,
            FaultKind.MissingImage => MissingImage,
            FaultKind.UnreadableImage => UnreadableImage,
            FaultKind.LabelWithoutImage => LabelWithoutImage,
            FaultKind.ImageWithoutLabel => ImageWithoutLabel,
            FaultKind.SharedLabel => SharedLabel,
            FaultKind.NotUsed => NotUsed,
            FaultKind.Convention => Convention,
            FaultKind.Elsewhere => Elsewhere,
            _ => SecondFormat,
        };

    private static IssueKind Problem(string code, string text, string advice) => new(code, true, text, advice);

    private static IssueKind Remark(string code, string text, string advice) => new(code, false, text, advice);
}
