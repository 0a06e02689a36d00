namespace DeqDet.Benchmarks

open System
open System.Collections.Generic
open System.Diagnostics
open TorchSharp

/// Waiting for a device.
module Device =

    /// Returns when the device has done what it was asked for, so that a time is that of the work done.
    let synchronise (device: torch.Device) : unit =
        if device.``type`` = DeviceType.CUDA then
            torch.cuda.synchronize device

/// What one run of a workload took. Unknown counts are None.
type Sample =
    {
        Seconds: float
        CpuSeconds: float
        MinorFaults: float option
        MajorFaults: float option
        /// Managed memory, bytes.
        Allocated: float
        /// Most bytes that the process had in memory meanwhile.
        Peak: float option
        /// Bytes that it had afterwards.
        Resident: float option
        /// Seconds of each part that the workload names, in their order.
        Parts: (string * float) list
    }

/// Times the parts of a workload while it runs on a device.
[<Sealed>]
type Stages(device: torch.Device) =
    let parts = List<string * float>()

    /// The result of a part, whose time is noted.
    member _.Time (name: string) (part: unit -> 'T) : 'T =
        let start = Stopwatch.GetTimestamp()
        let result = part ()
        Device.synchronise device
        parts.Add(name, Stopwatch.GetElapsedTime(start).TotalSeconds)
        result

    /// What has been noted.
    member _.Parts: (string * float) list = List.ofSeq parts

/// What is timed: it runs once each time it is called.
type Workload = Stages -> unit

module Sample =

    /// Runs a workload once on a device.
    let take (device: torch.Device) (workload: Workload) : Sample =
        let stages = Stages device
        Device.synchronise device
        Usage.resetPeak ()
        let before = Usage.now ()
        let start = Stopwatch.GetTimestamp()
        workload stages
        Device.synchronise device
        let elapsed = Stopwatch.GetElapsedTime start
        let after = Usage.now ()

        let more (count: Usage -> int64 option) =
            Option.map2 (fun after before -> float (after - before)) (count after) (count before)

        {
            Seconds = elapsed.TotalSeconds
            CpuSeconds = (after.Cpu - before.Cpu).TotalSeconds
            MinorFaults = more _.MinorFaults
            MajorFaults = more _.MajorFaults
            Allocated = float (after.Allocated - before.Allocated)
            Peak = Option.map float after.Peak
            Resident = Option.map float after.Resident
            Parts = stages.Parts
        }
