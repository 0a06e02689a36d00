using System.Text.Json;
using DeqDet.Coco;

namespace DeqDet.Data.Formats.LabelStudio;

/// <summary>
/// Label Studio's own export, JSON or JSON-MIN: a list of tasks, an image each. Of several annotations of one image the one that is marked as
/// ground truth is taken, else the first that was not skipped; a task that nobody has annotated is not part of the set.
/// </summary>
/// <param name="root">The data folder.</param>
/// <param name="path">The file.</param>
/// <param name="folder">The folder of the images.</param>
internal sealed class LabelStudioTasks(string root, string path, string folder) : NamedLabels(root)
{
    /// <summary>Greatest length of a file, bytes.</summary>
    public const long MostBytes = 512 << 20;

    private readonly StoredImages images = new(folder);
    private IReadOnlyList<JsonElement> tasks = [];

    /// <inheritdoc/>
    public override string Path => path;

    /// <inheritdoc/>
    public override string Format => "Label Studio's JSON";

    /// <inheritdoc/>
    protected override int Count => tasks.Count;

    /// <summary>
    /// Whether a file is one of these: a JSON list whose first object has a key that only tasks have, be they of JSON (today's and of old) or of
    /// JSON-MIN.
    /// </summary>
    public static bool IsOne(string path) => LabelJson.HasKey(path, 2, "annotations", "completions", "annotation_id");

    /// <inheritdoc/>
    protected override void Prepare()
    {
        try
        {
            using var document = JsonDocument.Parse(TextFile.Bytes(path, MostBytes));
            tasks =
                document.RootElement.ValueKind == JsonValueKind.Array
                    ? [.. document.RootElement.Clone().EnumerateArray()]
                    : throw new InputError($"{path}: is no list of tasks; export it from Label Studio again");
        }
        catch (JsonException error)
        {
            throw new InputError($"{path}: line {error.LineNumber + 1}: is no JSON, or ends early");
        }
    }

    /// <inheritdoc/>
    protected override LabelledImage ReadImage(int number)
    {
        var image = new LabelledImage("", $"tasks[{number}]");
        try
        {
            Read(tasks[number], image);
        }
        catch (InvalidOperationException)
        {
            image.Fault(FaultKind.Malformed, "", "holds a text that is no UTF-8");
        }

        return image;
    }

    private void Read(JsonElement task, LabelledImage image)
    {
        if (task.ValueKind != JsonValueKind.Object)
        {
            image.Fault(FaultKind.Malformed, "", "is no task; export the list from Label Studio again");
            return;
        }

        if (ImageOf(task) is not { } stated)
        {
            image.Fault(FaultKind.Malformed, "", "names no image; are these tasks of another kind?");
            return;
        }

        if (IsOfMin(task))
        {
            // lists of regions beside the image's name
            Find(stated, image);
            foreach (var property in task.EnumerateObject())
            {
                LabelStudioRegions.Read(LabelJson.List(task, property.Name) ?? [], property.Name, image);
            }
        }
        else if (
            Chosen(LabelJson.List(task, "annotations") ?? LabelJson.List(task, "completions") ?? [], image) is
            { } chosen
        )
        {
            Find(stated, image);
            LabelStudioRegions.Read(LabelJson.List(chosen, "result") ?? [], "result", image);
        }
        else
        {
            image.Fault(FaultKind.NotUsed, "", $"{Numbers.Shown(stated)} has not been annotated");
        }
    }

    private static bool IsOfMin(JsonElement task) => task.TryGetProperty("annotation_id", out _);

    // The image's size is that of its file: what regions state is of the file that was labelled, which may have been another one.
    private void Find(string stated, LabelledImage image)
    {
        if (images.Find(stated) is { } found)
        {
            image.FileName = found;
            image.FindSize(ImageNames.PathOf(folder, found));
            return;
        }

        image.FileName = StoredImages.LastOf(stated);
        image.Faults.Add(
            new(
                FaultKind.MissingImage,
                $"{image.Label} ({Numbers.Shown(stated)})",
                $"there is no image of its name below {folder}, or there are several; put it there"
            )
        );
    }

    // The annotation that counts; null where there is none.
    private static JsonElement? Chosen(List<JsonElement> annotations, LabelledImage image)
    {
        var made = annotations
            .Where(annotation => annotation.ValueKind == JsonValueKind.Object && !Says(annotation, "was_cancelled"))
            .ToList();
        if (made.Count == 0)
        {
            return null;
        }

        var truth = made.FindIndex(annotation => Says(annotation, "ground_truth"));
        if (made.Count > 1)
        {
            image.Fault(
                FaultKind.NotUsed,
                "",
                $"has {made.Count} annotations; {(truth >= 0 ? "the one marked as ground truth" : "the first")} is taken"
            );
        }

        return made[Math.Max(truth, 0)];
    }

    // The task's image: of its data (in JSON-MIN of itself) what is called so, else the first text that names an image.
    private static string? ImageOf(JsonElement task)
    {
        var data = task.TryGetProperty("data", out var inner) && inner.ValueKind == JsonValueKind.Object ? inner : task;
        var texts = data.EnumerateObject()
            .Where(property => property.Value.ValueKind == JsonValueKind.String)
            .Select(property => (property.Name, Text: property.Value.GetString()!))
            .ToList();
        return texts.Find(text => text.Name == "image").Text
            ?? texts.Find(text => DeqDet.Images.ImageSearch.IsNamedAsImage(StoredImages.LastOf(text.Text))).Text;
    }

    private static bool Says(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;
}
