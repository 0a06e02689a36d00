namespace DeqDet.CommandLine

open System
open Argu
open Microsoft.FSharp.Reflection

/// What help says about an argument: its value in capitals, an explanation, and an example of its use.
[<AttributeUsage(AttributeTargets.Property)>]
type ExplainAttribute(value: string, explanation: string, example: string) =
    inherit Attribute()
    /// The value's name, as in DIR; empty for a switch.
    member _.Value = value
    member _.Explanation = explanation
    /// A whole command line without the program's name.
    member _.Example = example

    /// What follows a name in the example.
    member _.ExampleOf(name: string) =
        let words = example.Split ' '
        words[Array.IndexOf(words, name) + 1]

    /// What a case of an argument union carries.
    static member OfCase(case: UnionCaseInfo) : ExplainAttribute =
        case.GetCustomAttributes typeof<ExplainAttribute> |> Array.exactlyOne :?> ExplainAttribute

    /// The explanation of an argument, for Argu.
    static member Usage(argument: 'T) : string =
        let case, _ = FSharpValue.GetUnionFields(argument, typeof<'T>)
        (ExplainAttribute.OfCase case).Explanation
