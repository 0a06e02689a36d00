using System.Text.Json;
using DeqDet.Coco;

namespace DeqDet.Data.Formats.LabelStudio;

/// <summary>
/// Regions of an image as Label Studio writes them: rectangles (turned about their left upper corner), ellipses and polygons in per cent of
/// the image, of which the box around them is taken.
/// </summary>
internal static class LabelStudioRegions
{
    /// <summary>Reads a list of regions into an image whose size is known; <paramref name="name"/> is what places call the list.</summary>
    public static void Read(IReadOnlyList<JsonElement> regions, string name, LabelledImage image)
    {
        // A region may get its label in an entry of its own.
        var labelled = regions
            .Where(region => Labels(ValueOf(region)).Count > 0)
            .Select(Id)
            .OfType<string>()
            .ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < regions.Count; i++)
        {
            Add(regions[i], $"{name}[{i}]", labelled, image);
        }
    }

    private static void Add(JsonElement region, string place, HashSet<string> labelled, LabelledImage image)
    {
        // choices and texts about the whole image have no shape
        var value = ValueOf(region);
        if (value.ValueKind != JsonValueKind.Object || ShapeOf(value) is not { } shape)
        {
            return;
        }

        var labels = Labels(value);
        if (labels.Count == 0 && Id(region) is { } id && labelled.Contains(id))
        {
            return;
        }

        if (shape.Length > 0)
        {
            image.Fault(FaultKind.NotUsed, place, $"is a {shape}, around which there is no box");
        }
        else if (labels.Count == 0)
        {
            image.Fault(FaultKind.Malformed, place, "has no label of one line; give the region one, or remove it");
        }
        else if (LabelJson.Number(region, "image_rotation") is { } turned and not 0)
        {
            image.Fault(
                FaultKind.NotUsed,
                place,
                $"was drawn on the image turned by {turned} degrees; turn the image itself, and label it again"
            );
        }
        else if (Corners(value, image.Width, image.Height) is not { } corners)
        {
            image.Fault(
                FaultKind.Malformed,
                place,
                "has no shape of finite numbers; a rectangle has x, y, width and height in per cent of the image"
            );
        }
        else if (image.Width > 0)
        {
            var (left, top) = (corners.Min(corner => corner.X), corners.Min(corner => corner.Y));
            var (right, bottom) = (corners.Max(corner => corner.X), corners.Max(corner => corner.Y));
            foreach (var label in labels)
            {
                image.Boxes.Add(new(label, left, top, right - left, bottom - top, place));
            }
        }
    }

    // In JSON a region has its shape in "value", in JSON-MIN it is the shape.
    private static JsonElement ValueOf(JsonElement region) =>
        region.ValueKind == JsonValueKind.Object && region.TryGetProperty("value", out var value) ? value : region;

    // What a region is that has no box around it; empty where it has one; null where it is no region.
    private static string? ShapeOf(JsonElement value) =>
        value.TryGetProperty("rle", out _) || value.TryGetProperty("imageDataURL", out _) ? "brush mask"
        : value.TryGetProperty("vertices", out _) ? "line"
        : value.TryGetProperty("sequence", out _) ? "track of a video"
        : value.TryGetProperty("points", out _) || value.TryGetProperty("radiusX", out _) ? ""
        : !value.TryGetProperty("x", out _) || !value.TryGetProperty("y", out _) ? null
        : value.TryGetProperty("height", out _) ? ""
        : "point";

    // "rectanglelabels", "labels" and the like: all that a region is called.
    private static List<string> Labels(JsonElement value) =>
        value.ValueKind != JsonValueKind.Object
            ? []
            :
            [
                .. value
                    .EnumerateObject()
                    .Where(property =>
                        property.Name.EndsWith("labels", StringComparison.Ordinal)
                        && property.Value.ValueKind == JsonValueKind.Array
                    )
                    .SelectMany(property => property.Value.EnumerateArray())
                    .Where(label => label.ValueKind == JsonValueKind.String)
                    .Select(label => label.GetString()!.Trim())
                    .Where(label => label.Length > 0 && !label.Any(char.IsControl))
                    .Distinct(StringComparer.Ordinal),
            ];

    // Points of a shape in px whose bounds are its box.
    private static List<(double X, double Y)>? Corners(JsonElement value, int width, int height)
    {
        (double X, double Y) Pixels(double x, double y) => (x / 100 * width, y / 100 * height);

        if (value.TryGetProperty("points", out var points))
        {
            return LabelJson.Points(points) is { Count: >= 2 } corners
                ? corners.ConvertAll(point => Pixels(point.X, point.Y))
                : null;
        }

        if (LabelJson.Number(value, "x") is not { } left || LabelJson.Number(value, "y") is not { } top)
        {
            return null;
        }

        var angle = (LabelJson.Number(value, "rotation") ?? 0) * Math.PI / 180;
        var (cos, sin) = (Math.Cos(angle), Math.Sin(angle));
        var (x, y) = Pixels(left, top);
        if (LabelJson.Number(value, "radiusX") is { } a && LabelJson.Number(value, "radiusY") is { } b)
        {
            // how far a turned ellipse reaches from its centre
            var (across, down) = Pixels(a, b);
            var (dx, dy) = (double.Hypot(across * cos, down * sin), double.Hypot(across * sin, down * cos));
            return [(x - dx, y - dy), (x + dx, y + dy)];
        }

        if (LabelJson.Number(value, "width") is not { } w || LabelJson.Number(value, "height") is not { } h)
        {
            return null;
        }

        var (along, below) = Pixels(w, h);
        return
        [
            .. new[] { (0.0, 0.0), (along, 0.0), (0.0, below), (along, below) }.Select(corner =>
                (x + (corner.Item1 * cos) - (corner.Item2 * sin), y + (corner.Item1 * sin) + (corner.Item2 * cos))
            ),
        ];
    }

    private static string? Id(JsonElement region) =>
        region.ValueKind == JsonValueKind.Object ? LabelJson.Text(region, "id") : null;
}
