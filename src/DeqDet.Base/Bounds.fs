namespace DeqDet

open System
open System.Globalization

/// One end of the numbers that a field of a settings record, or an argument of the command line, may hold:
/// `[<AtLeast 1; AtMost 100>] Count: int`.
[<AbstractClass; AllowNullLiteral; AttributeUsage(AttributeTargets.Property)>]
type BoundAttribute(value: float) =
    inherit Attribute()
    member _.Value = value

[<Sealed; AllowNullLiteral>]
type AtLeastAttribute(value: float) =
    inherit BoundAttribute(value)
    new(value: int) = AtLeastAttribute(float value)

[<Sealed; AllowNullLiteral>]
type AboveAttribute(value: float) =
    inherit BoundAttribute(value)
    new(value: int) = AboveAttribute(float value)

[<Sealed; AllowNullLiteral>]
type AtMostAttribute(value: float) =
    inherit BoundAttribute(value)
    new(value: int) = AtMostAttribute(float value)

[<Sealed; AllowNullLiteral>]
type BelowAttribute(value: float) =
    inherit BoundAttribute(value)
    new(value: int) = BelowAttribute(float value)

/// The bounds that some attributes state; without any, every finite number.
type Bounds(attributes: obj seq) =
    let bounds = attributes |> Seq.choose tryUnbox<BoundAttribute> |> List.ofSeq

    /// Whether a number is finite and within the bounds.
    member _.Hold(number: float) : bool =
        Double.IsFinite number
        && bounds
           |> List.forall (fun bound ->
               match bound with
               | :? AtLeastAttribute -> number >= bound.Value
               | :? AboveAttribute -> number > bound.Value
               | :? AtMostAttribute -> number <= bound.Value
               | _ -> number < bound.Value)

    /// A kind of number with its bounds, to follow "must be": "a whole number from 1 to 100".
    member _.Words(kind: string) : string =
        let text (bound: BoundAttribute) =
            bound.Value.ToString("R", CultureInfo.InvariantCulture)

        let isLow (bound: BoundAttribute) =
            bound :? AtLeastAttribute || bound :? AboveAttribute

        let low = bounds |> List.tryFind isLow
        let high = bounds |> List.tryFind (isLow >> not)

        match low, high with
        | None, None -> kind
        | Some(:? AtLeastAttribute as low), None -> $"{kind}, at least {text low}"
        | Some low, None -> $"{kind} above {text low}"
        | Some(:? AtLeastAttribute as low), Some(:? AtMostAttribute as high) -> $"{kind} from {text low} to {text high}"
        | Some(:? AtLeastAttribute as low), Some high -> $"{kind} from {text low} to below {text high}"
        | Some low, Some(:? AtMostAttribute as high) -> $"{kind} above {text low} and at most {text high}"
        | Some low, Some high -> $"{kind} above {text low} and below {text high}"
        | None, Some(:? AtMostAttribute as high) -> $"{kind}, at most {text high}"
        | None, Some high -> $"{kind} below {text high}"
