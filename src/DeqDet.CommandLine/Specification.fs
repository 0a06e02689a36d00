namespace DeqDet.CommandLine

open System
open Argu
open DeqDet
open Microsoft.FSharp.Reflection

/// An argument as help and messages need it; the argument unions are the only definition.
type ArgumentSpecification =
    {
        /// As typed, `--work-dir`; None for what has no name.
        Name: string option
        IsSwitch: bool
        Mandatory: bool
        /// What its value must be, where it is a number.
        Must: string
        Explain: ExplainAttribute
    }

type CommandSpecification =
    {
        Name: string
        Explain: ExplainAttribute
        Arguments: ArgumentSpecification list
    }

module Specification =

    /// Argu's own rule for names.
    let private nameOf (case: UnionCaseInfo) =
        case.Name.ToLowerInvariant().Replace('_', '-')

    /// An argument, given the case of its union.
    let argument (case: UnionCaseInfo) : ArgumentSpecification =
        let attributes = case.GetCustomAttributes()

        let has (attribute: Type) =
            attributes |> Array.exists attribute.IsInstanceOfType

        let bounds = Bounds attributes

        {
            Name =
                if has typeof<MainCommandAttribute> then
                    None
                else
                    Some("--" + nameOf case)
            IsSwitch = case.GetFields().Length = 0
            Mandatory = has typeof<MandatoryAttribute>
            Must =
                match case.GetFields() with
                | [| field |] when field.PropertyType = typeof<int> -> bounds.Words "a whole number"
                | [| field |] when field.PropertyType = typeof<float> && has typeof<BoundAttribute> ->
                    bounds.Words "a number"
                | _ -> "a finite number"
            Explain = ExplainAttribute.OfCase case
        }

    let private command (case: UnionCaseInfo) : CommandSpecification =
        let arguments =
            match case.GetFields() with
            | [| field |] ->
                let union = field.PropertyType.GetGenericArguments()[0]
                FSharpType.GetUnionCases union |> Array.map argument |> List.ofArray
            | _ -> []

        {
            Name = nameOf case
            Explain = ExplainAttribute.OfCase case
            Arguments = arguments
        }

    /// All commands, in the order in which help lists them.
    let commands: Lazy<CommandSpecification list> =
        lazy (FSharpType.GetUnionCases typeof<Command> |> Array.map command |> List.ofArray)
