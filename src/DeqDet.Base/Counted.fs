namespace DeqDet

/// Numbers of things, as people read them.
[<AbstractClass; Sealed>]
type Counted =

    /// "1 box", "3 boxes".
    static member Of(count: int, one: string, many: string) : string =
        $"{count} {(if count = 1 then one else many)}"

    /// The same where the plural takes an s: "1 image", "3 images".
    static member Of(count: int, one: string) : string = Counted.Of(count, one, one + "s")
