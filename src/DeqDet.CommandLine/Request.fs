namespace DeqDet.CommandLine

/// What a command line asks for.
type Request =
    | Train of TrainRequest
    | Launch of LaunchRequest
    | Test of TestRequest
    | Detect of DetectRequest
    | Serve of ServeRequest
    | Trace of TraceRequest
    | Evaluate of EvaluateRequest
    | Verify of VerifyRequest
    | Convert of ConvertRequest
    | Export of ExportRequest
    | Info of InfoRequest
    | Bench of BenchRequest
    | Data of DataRequest
    | Doctor
    /// Text to print.
    | Help of text: string
    | Version
