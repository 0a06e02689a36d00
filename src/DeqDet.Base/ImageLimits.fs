namespace DeqDet

/// How large a picture may be: what annotation files may state and what is decoded.
module ImageLimits =

    /// Most pixels of one picture; more would take gigabytes (a bomb, or a picture to be cut into tiles first).
    [<Literal>]
    let MaxPixels = 100_000_000L
