namespace DeqDet.Images.Decoding;

/// <summary>A picture in a file whose header has been read and whose pixels have not.</summary>
internal interface IStoredPicture : IDisposable
{
    /// <summary>Width as stored, px.</summary>
    int Width { get; }

    /// <summary>Height as stored, px.</summary>
    int Height { get; }

    /// <summary>EXIF orientation, 1 to 8.</summary>
    int Orientation { get; }

    /// <summary>Decodes the pixels as stored.</summary>
    /// <param name="name">What errors call the file.</param>
    /// <param name="buffers">Where the picture's memory comes from; null for new memory.</param>
    /// <exception cref="InputError">The file is truncated, damaged or of a kind of pixels that is not read.</exception>
    RgbImage Pixels(string name, PixelBuffers? buffers);
}
