namespace DeqDet.Verification

open System
open System.Collections.Generic
open Microsoft.ML.OnnxRuntime
open Microsoft.ML.OnnxRuntime.Tensors
open TorchSharp
open DeqDet
open DeqDet.Model

/// An ONNX file in ONNX Runtime, on the CPU: opened, asked and disposed. For one thread at a time.
[<Sealed>]
type OnnxSession private (session: InferenceSession) =

    static let options (threads: int) =
        let options = new SessionOptions()
        options.IntraOpNumThreads <- threads
        // threads that wait sleep: others may need the processor
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0")
        options.LogSeverityLevel <- OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR
        options

    let valueOf (tensor: Tensor) : OrtValue =
        use plain = tensor.detach().cpu().``to``(torch.float32).contiguous()
        OrtValue.CreateTensorValueFromMemory<float32>(plain.data<float32>().ToArray(), plain.shape)

    let tensorOf (value: OrtValue) : Tensor =
        let about = value.GetTensorTypeAndShape()

        let flat: Tensor =
            match about.ElementDataType with
            | TensorElementType.Float -> torch.tensor (value.GetTensorDataAsSpan<float32>().ToArray())
            | TensorElementType.Int64 -> torch.tensor (value.GetTensorDataAsSpan<int64>().ToArray())
            | other -> raise (InputError $"a result of the ONNX file is of the type {other}, which none of 'export' is")

        flat.reshape about.Shape

    /// Opens a file. Raises InputError where ONNX Runtime is missing, or does not take the file.
    static member Open(path: string, threads: int) : OnnxSession =
        OnnxLibrary.load ()

        try
            use options = options threads
            new OnnxSession(new InferenceSession(path, options))
        with :? OnnxRuntimeException as error ->
            raise (InputError($"{path}: ONNX Runtime does not load it: {error.Message}", error))

    /// Opens a file that is in memory.
    static member OfBytes(bytes: byte[], threads: int) : OnnxSession =
        OnnxLibrary.load ()

        try
            use options = options threads
            new OnnxSession(new InferenceSession(bytes, options))
        with :? OnnxRuntimeException as error ->
            raise (InputError($"ONNX Runtime does not load the model: {error.Message}", error))

    /// All results by name, for inputs by name; the tensors are the caller's. Raises InputError where an operation fails.
    member _.Run(inputs: (string * Tensor) seq) : IReadOnlyDictionary<string, Tensor> =
        let names = [| for name, _ in inputs -> name |]
        let values = [| for _, tensor in inputs -> valueOf tensor |]
        let wanted = Array.ofSeq session.OutputNames

        try
            try
                use options = new RunOptions()
                use results = session.Run(options, names, values, wanted)
                let found = Dictionary<string, Tensor>()

                for name, value in Seq.zip wanted results do
                    found[name] <- tensorOf value

                found
            with :? OnnxRuntimeException as error ->
                raise (InputError($"ONNX Runtime cannot compute the model: {error.Message}", error))
        finally
            for value in values do
                value.Dispose()

    interface IDisposable with

        /// Frees the session.
        member _.Dispose() = session.Dispose()
