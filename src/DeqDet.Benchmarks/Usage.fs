namespace DeqDet.Benchmarks

open System
open System.Globalization
open System.IO

/// What the process has used since it started, and the memory it has now. None: the system does not tell (only Linux does).
type Usage =
    {
        Cpu: TimeSpan
        /// Pages that the system had to map: without reading anything, and with reading from a disk.
        MinorFaults: int64 option
        MajorFaults: int64 option
        /// Managed memory allocated, bytes.
        Allocated: int64
        /// Bytes in memory.
        Resident: int64 option
        /// Most bytes in memory since the peak was last reset.
        Peak: int64 option
    }

module Usage =

    /// Minor and major page faults in the text of /proc/self/stat.
    let faults (stat: string) : (int64 * int64) option =
        // the second field is the program's name in brackets, which may hold blanks and brackets
        let fields =
            stat.Substring(stat.LastIndexOf ')' + 1).Split(' ', StringSplitOptions.RemoveEmptyEntries)

        let field index =
            if index < fields.Length then
                match Int64.TryParse(fields[index], NumberStyles.None, CultureInfo.InvariantCulture) with
                | true, number -> Some number
                | _ -> None
            else
                None

        // fields 10 and 12 of the file
        Option.map2 (fun minor major -> minor, major) (field 7) (field 9)

    /// Bytes of a line such as "VmRSS:   1024 kB" in the lines of /proc/self/status.
    let memory (name: string) (status: string seq) : int64 option =
        status
        |> Seq.tryPick (fun line ->
            match line.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries) with
            | [| label; number; "kB" |] when label = name + ":" ->
                match Int64.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture) with
                | true, number -> Some(number <<< 10)
                | _ -> None
            | _ -> None)

    let private read (file: string) (parse: string -> 'T option) : 'T option =
        try
            if File.Exists file then
                parse (File.ReadAllText file)
            else
                None
        with
        | :? IOException
        | :? UnauthorizedAccessException -> None

    /// What has been used until now.
    let now () : Usage =
        let faults = read "/proc/self/stat" faults
        let status = read "/proc/self/status" (fun text -> Some(text.Split '\n'))

        {
            Cpu = Environment.CpuUsage.TotalTime
            MinorFaults = Option.map fst faults
            MajorFaults = Option.map snd faults
            Allocated = GC.GetTotalAllocatedBytes true
            Resident = status |> Option.bind (memory "VmRSS")
            Peak = status |> Option.bind (memory "VmHWM")
        }

    /// Lets the peak begin anew at the memory that is used now, where the system can; elsewhere it stays that of the whole process.
    let resetPeak () : unit =
        try
            if File.Exists "/proc/self/clear_refs" then
                File.WriteAllText("/proc/self/clear_refs", "5")
        with
        | :? IOException
        | :? UnauthorizedAccessException -> ()
