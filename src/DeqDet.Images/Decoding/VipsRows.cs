using System.Runtime.InteropServices;
using NetVips;

namespace DeqDet.Images.Decoding;

/// <summary>
/// Pulls the rows of an image out of libvips on the calling thread. libvips's own way into memory hands every few rows to a thread and
/// back, and gives no warnings on the thread that waits.
/// </summary>
internal static partial class VipsRows
{
    // What the JPEG decoder makes at a time.
    private const int Step = 8;

    /// <summary>Decodes an image into memory of its size; false where it is damaged.</summary>
    public static bool Read(Image image, byte[] pixels) => Read(image, pixels, image.Height, taker: null);

    /// <summary>Decodes an image and hands on a few rows at a time: the first one's place, and their bytes; false where it is damaged.</summary>
    public static bool Read(Image image, Action<int, byte[]> taker)
    {
        var bytes = image.Format == Enums.BandFormat.Ushort ? 2 : 1;
        return Read(image, new byte[Step * image.Width * image.Bands * bytes], Step, taker);
    }

    private static bool Read(Image image, byte[] memory, int height, Action<int, byte[]>? taker)
    {
        var pin = GCHandle.Alloc(memory, GCHandleType.Pinned);
        try
        {
            using var target = Image.NewFromMemory(
                pin.AddrOfPinnedObject(),
                (ulong)memory.LongLength,
                image.Width,
                height,
                image.Bands,
                image.Format
            );
            using var from = Region.New(image);
            using var to = Region.New(target);
            var whole = Attach(to, new(0, 0, image.Width, height)) == 0;
            for (var top = 0; whole && top < image.Height; top += Step)
            {
                var rows = new Rectangle(0, top, image.Width, Math.Min(Step, image.Height - top));
                whole = Prepare(from, to, rows, 0, taker is null ? top : 0) == 0;
                if (whole)
                {
                    taker?.Invoke(top, memory);
                }
            }

            return whole;
        }
        catch (VipsException)
        {
            return false;
        }
        finally
        {
            pin.Free();
        }
    }

    /// <summary>VipsRect.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Rectangle(int Left, int Top, int Width, int Height);

    /// <summary>Makes a region write into its image.</summary>
    [LibraryImport(Vips.Library, EntryPoint = "vips_region_image")]
    private static partial int Attach(Region region, in Rectangle area);

    /// <summary>Computes an area and writes it at a place of another region.</summary>
    [LibraryImport(Vips.Library, EntryPoint = "vips_region_prepare_to")]
    private static partial int Prepare(Region from, Region to, in Rectangle area, int left, int top);
}
