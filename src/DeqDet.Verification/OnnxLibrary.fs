/// Where ONNX Runtime's own library comes from: only what runs an ONNX file needs it.
module DeqDet.Verification.OnnxLibrary

open System
open System.IO
open System.Runtime.InteropServices
open Microsoft.ML.OnnxRuntime
open DeqDet

/// The environment variable that names the folder it lies in.
let variable = "DEQDET_ONNXRUNTIME"

let private fileName =
    if OperatingSystem.IsWindows() then "onnxruntime.dll"
    elif OperatingSystem.IsMacOS() then "libonnxruntime.dylib"
    else "libonnxruntime.so"

let private remedy =
    $"build with -p:OnnxRuntime=yes, or set {variable} to the folder that holds {fileName}"

let private find (folder: string) : string option =
    let path = Path.Combine(folder, fileName)
    if File.Exists path then Some path else None

let private chosen () : string =
    match Environment.GetEnvironmentVariable variable with
    | null
    | "" ->
        match find AppContext.BaseDirectory with
        | Some path -> path
        | None ->
            raise (InputError $"running an ONNX file needs ONNX Runtime, which this program comes without: {remedy}")
    | folder ->
        match find folder with
        | Some path -> path
        | None -> raise (InputError $"{variable} {folder}: holds no {fileName}; {remedy}")

// its functions are looked up in whatever library this gives, once in a process
let private loaded =
    lazy
        (let path = chosen ()

         let library =
             try
                 NativeLibrary.Load path
             with
             | :? DllNotFoundException
             | :? BadImageFormatException as error ->
                 raise (InputError($"{path}: cannot be loaded: {error.Message}", error))

         OrtEnv.DisableDllImportResolver <- true

         NativeLibrary.SetDllImportResolver(
             typeof<InferenceSession>.Assembly,
             fun name _ _ -> if name = "onnxruntime" then library else 0n
         ))

/// Sees to it that ONNX Runtime can be called. Raises InputError, with the remedy, where it is not there or cannot be loaded.
let load () : unit = loaded.Force()
