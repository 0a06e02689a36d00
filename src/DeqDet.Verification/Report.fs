namespace DeqDet.Verification

open System
open System.Diagnostics
open System.Globalization
open System.IO
open System.Text.Json
open System.Text.Json.Serialization
open DeqDet

/// What became of one job.
type VerifiedFile =
    {
        File: string
        /// As many as were made.
        Checks: Check list
        /// Why it could not be verified, if it could not.
        Problem: string option
        Seconds: float
    }

    /// Everything was checked and is within what is accepted.
    member this.Passed =
        this.Problem.IsNone && this.Checks |> List.forall (fun check -> check.Passed)

module VerifiedFile =

    /// Runs a job. A golden file of a wrong form shows as one exception or another wherever it is used: it is the file's problem.
    let ofJob (job: Catalogue.Job) : VerifiedFile =
        let clock = Stopwatch.StartNew()

        let checks, problem =
            try
                match job.Run() with
                | [] -> [], Some "nothing in it is known"
                | checks -> checks, None
            with error when not (error :? OutOfMemoryException) ->
                let first = error.Message.Split '\n' |> Array.head
                [], Some(first.Trim())

        {
            File = job.File
            Checks = checks
            Problem = problem
            Seconds = clock.Elapsed.TotalSeconds
        }

/// The JSON form of a report: its members in this order.
module ReportJson =

    type CheckEntry =
        {
            Tensor: string
            Measure: string
            /// JSON has no infinity: such an error is left out.
            Error: float option
            Accepted: float
            Passed: bool
        }

    type FileEntry =
        {
            File: string
            Passed: bool
            Seconds: float
            Problem: string option
            Checks: CheckEntry list
        }

    type Entry =
        {
            Folder: string
            Device: string
            Passed: bool
            Files: FileEntry list
        }

    let private options =
        JsonSerializerOptions(
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            WriteIndented = true
        )

    let private ofCheck (check: Check) : CheckEntry =
        {
            Tensor = check.Tensor
            Measure = string check.Measure
            Error = Some check.Error |> Option.filter Double.IsFinite
            Accepted = check.Accepted
            Passed = check.Passed
        }

    let private ofFile (file: VerifiedFile) : FileEntry =
        {
            File = file.File
            Passed = file.Passed
            Seconds = Math.Round(file.Seconds, 3)
            Problem = file.Problem
            Checks = List.map ofCheck file.Checks
        }

    /// Everything as one JSON file, written atomically. Raises InputError where it cannot be written.
    let save (path: string) (folder: string) (device: string) (files: VerifiedFile seq) : unit =
        let entry =
            {
                Folder = folder
                Device = device
                Passed = files |> Seq.forall (fun file -> file.Passed)
                Files = [ for file in files -> ofFile file ]
            }

        AtomicFile.Write(path, (fun stream -> JsonSerializer.Serialize(stream, entry, options)))

/// The text form of a report.
module ReportText =

    let private number (value: float) =
        if value = 0.0 then
            "0"
        else
            value.ToString("0.0e-00", CultureInfo.InvariantCulture)

    let private unit' =
        function
        | OfScale -> "of the largest value"
        | Relative -> "of the value"
        | Count -> "differing"
        | Absolute -> ""

    let private line (width: int) (check: Check) =
        let verdict = if check.Passed then "pass" else "FAIL"

        $"  {verdict}  {check.Tensor.PadRight width}  error {number check.Error, -8}  accepted {number check.Accepted, -6}  {unit' check.Measure}"
            .TrimEnd()

    let private verdict (file: VerifiedFile) =
        match file.Problem, file.Checks |> List.filter (fun check -> not check.Passed) with
        | Some problem, _ -> $"cannot be verified: {problem}"
        | None, [] -> $"{file.Checks.Length} passed"
        | None, failed -> $"{failed.Length} of {file.Checks.Length} FAILED"

    /// One file: a line for each tensor, then the file's own.
    let write (output: TextWriter) (file: VerifiedFile) : unit =
        let width =
            file.Checks |> List.fold (fun width check -> max width check.Tensor.Length) 0

        for check in file.Checks do
            output.WriteLine(line width check)

        let seconds = file.Seconds.ToString("F1", CultureInfo.InvariantCulture)
        output.WriteLine $"{file.File}: {verdict file} ({seconds} s)"
