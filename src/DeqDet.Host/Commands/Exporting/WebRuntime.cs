namespace DeqDet.Host.Commands.Exporting;

/// <summary>A file of a package: its name, its size, and its SHA-256 in lower-case hexadecimal digits.</summary>
public sealed record PinnedFile(string Name, int Bytes, string Sha256);

/// <summary>ONNX Runtime Web as it is published: which package, and what of it a page needs.</summary>
public static class WebRuntime
{
    /// <summary>The package's name at npm.</summary>
    public const string Package = "onnxruntime-web";

    /// <summary>The version that the sizes and hashes are of.</summary>
    public const string Version = "1.30.0";

    /// <summary>Megabytes to fetch.</summary>
    public const int Megabytes = 33;

    /// <summary>The folder of the files in the package.</summary>
    public const string Folder = "dist";

    /// <summary>
    /// The build for WebAssembly, then the one for WebGPU, which a browser only loads where it has a GPU: of each the module that pages
    /// import, its loader and the compiled code.
    /// </summary>
    public static readonly IReadOnlyList<PinnedFile> Files =
    [
        new("ort.wasm.min.mjs", 50126, "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b"),
        new("ort-wasm-simd-threaded.mjs", 24381, "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"),
        new(
            "ort-wasm-simd-threaded.wasm",
            14239897,
            "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
        ),
        new("ort.webgpu.min.mjs", 66349, "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0"),
        new(
            "ort-wasm-simd-threaded.asyncify.mjs",
            53057,
            "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28"
        ),
        new(
            "ort-wasm-simd-threaded.asyncify.wasm",
            26781914,
            "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da"
        ),
    ];

    /// <summary>Its licence: the package names it but has no file of it.</summary>
    public const string Licence = """
        onnxruntime-web 1.30.0 (ONNX Runtime Web)

        MIT License

        Copyright (c) Microsoft Corporation

        Permission is hereby granted, free of charge, to any person obtaining a copy
        of this software and associated documentation files (the "Software"), to deal
        in the Software without restriction, including without limitation the rights
        to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
        copies of the Software, and to permit persons to whom the Software is
        furnished to do so, subject to the following conditions:

        The above copyright notice and this permission notice shall be included in all
        copies or substantial portions of the Software.

        THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
        IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
        FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
        AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
        LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
        OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
        SOFTWARE.

        """;
}
