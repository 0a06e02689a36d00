using System.Text.Encodings.Web;
using System.Text.Json;
using DeqDet.Settings;

namespace DeqDet.Data.Shapes;

/// <summary>The JSON files of the generated data set, as bytes.</summary>
internal static class ShapesJson
{
    /// <summary>What says which generator and settings made a folder.</summary>
    public static byte[] Stamp(ShapesSettings settings) =>
        WriteJson(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("generator", ShapesDataSet.GeneratorVersion);
            json.WriteNumber("seed", settings.Seed);
            json.WriteNumber("train_images", settings.TrainImages);
            json.WriteNumber("val_images", settings.ValImages);
            json.WriteEndObject();
        });

    /// <summary>The annotation file of one part.</summary>
    /// <param name="idOffset">What its ids begin after.</param>
    /// <param name="pictures">Sizes (px) and regions of its pictures.</param>
    /// <param name="fileName">Name of a picture by its index.</param>
    public static byte[] Of(
        int idOffset,
        IReadOnlyList<(int Width, int Height, IReadOnlyList<Region> Regions)> pictures,
        Func<int, string> fileName
    ) =>
        WriteJson(json =>
        {
            json.WriteStartObject();
            json.WriteStartObject("info");
            json.WriteString("description", "DeqDet shapes");
            json.WriteString("version", $"{ShapesDataSet.GeneratorVersion}");
            json.WriteEndObject();
            json.WriteStartArray("categories");
            for (var label = 0; label < Outline.Names.Count; label++)
            {
                json.WriteStartObject();
                json.WriteNumber("id", label + 1);
                json.WriteString("name", Outline.Names[label]);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("images");
            for (var i = 0; i < pictures.Count; i++)
            {
                json.WriteStartObject();
                json.WriteNumber("id", idOffset + i + 1);
                json.WriteString("file_name", fileName(i));
                json.WriteNumber("width", pictures[i].Width);
                json.WriteNumber("height", pictures[i].Height);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("annotations");
            var id = idOffset;
            for (var i = 0; i < pictures.Count; i++)
            {
                foreach (var region in pictures[i].Regions)
                {
                    WriteRegion(json, region, ++id, idOffset + i + 1, pictures[i].Width, pictures[i].Height);
                }
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });

    private static void WriteRegion(Utf8JsonWriter json, Region region, int id, int imageId, int width, int height)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteNumber("image_id", imageId);
        json.WriteNumber("category_id", region.Label + 1);
        json.WriteStartArray("bbox");
        json.WriteNumberValue(region.Box.X);
        json.WriteNumberValue(region.Box.Y);
        json.WriteNumberValue(region.Box.W);
        json.WriteNumberValue(region.Box.H);
        json.WriteEndArray();
        json.WriteNumber("area", region.Area);
        json.WriteNumber("iscrowd", region.CrowdCounts is null ? 0 : 1);
        if (region.CrowdCounts is null)
        {
            json.WriteStartArray("segmentation");
            json.WriteEndArray();
        }
        else
        {
            json.WriteStartObject("segmentation");
            json.WriteStartArray("counts");
            foreach (var count in region.CrowdCounts)
            {
                json.WriteNumberValue(count);
            }

            json.WriteEndArray();
            json.WriteStartArray("size");
            json.WriteNumberValue(height);
            json.WriteNumberValue(width);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static byte[] WriteJson(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            write(json);
        }

        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }
}
