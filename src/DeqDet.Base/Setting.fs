namespace DeqDet

open System

/// What settings say about a field of a record: its explanation, as docs/settings.md prints it. The key is the field's name in small
/// letters with underscores.
[<Sealed; AllowNullLiteral; AttributeUsage(AttributeTargets.Property)>]
type SettingAttribute(explanation: string) =
    inherit Attribute()
    member _.Explanation = explanation
    /// The key, where it is not the field's name.
    member val Key = "" with get, set
    /// On a section: what `{0}` stands for in the explanations of its keys.
    member val Within = "" with get, set
    /// On a section: its keys stand among those of the section around it.
    member val Flat = false with get, set

/// A setting that a resumed run may change without a word: no number that training computes depends on it, or what depends on it is compared
/// by itself. Without this attribute and the next one a resumed run has to keep a setting.
[<Sealed; AllowNullLiteral; AttributeUsage(AttributeTargets.Property)>]
type FreeAtResumeAttribute() =
    inherit Attribute()

/// A setting that a resumed run may change on purpose: what follows differs from there on, and the run says so.
[<Sealed; AllowNullLiteral; AttributeUsage(AttributeTargets.Property)>]
type NoticedAtResumeAttribute() =
    inherit Attribute()

/// The number that stands for null, which settings may say in its place.
[<Sealed; AllowNullLiteral; AttributeUsage(AttributeTargets.Property)>]
type NullIsAttribute(value: int) =
    inherit Attribute()
    member _.Value = value

/// What holds of a list as a whole; bounds beside it hold for each item. The words follow "must be".
[<Sealed; AllowNullLiteral; AttributeUsage(AttributeTargets.Property)>]
type ItemsAttribute(words: string) =
    inherit Attribute()
    member _.Words = words
    /// How many items there must be; 0: any number.
    member val Count = 0 with get, set
    member val AtLeastOne = false with get, set
    /// Each item above the one before it.
    member val Ascending = false with get, set

/// How settings write a case of a union.
[<Sealed; AllowNullLiteral; AttributeUsage(AttributeTargets.Property)>]
type WordAttribute(text: string) =
    inherit Attribute()
    member _.Text = text
