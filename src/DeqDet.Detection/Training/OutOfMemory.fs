namespace DeqDet.Detection

open System

/// What is done where memory does not suffice.
module OutOfMemory =

    /// Whether an error says so: libtorch has words for it, and no type.
    let isCause (error: exn) : bool =
        error :? OutOfMemoryException
        || error.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
        || error.Message.Contains("can't allocate memory", StringComparison.OrdinalIgnoreCase)

    /// `compute parts`, and where memory does not suffice once more in twice as many parts, if there are more images than parts, and if
    /// `possible` says that it can be computed anew.
    let inHalves (compute: int -> 'result) (possible: unit -> bool) (parts: int) (images: int) : 'result =
        try
            compute parts
        with error when isCause error && images > parts && possible () ->
            // what the first attempt held is freed by finalisers
            GC.Collect()
            GC.WaitForPendingFinalizers()
            compute (2 * parts)
